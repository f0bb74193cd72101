//! The conformance suite: tests of what every [`SessionStore`] must do, from outside.
//!
//! For authors of stores. Give [`conformance`] a closure that opens one new and empty store twice, for example as two
//! processes do. For a store of a single process, return two clones. Time is an argument of every call, so nothing
//! sleeps.
//!
//! ```
//! waxseal_store::testing::conformance(|| {
//!     let store = waxseal_store::MemoryStore::new();
//!     [store.clone(), store]
//! });
//! ```
//!
//! A store whose futures need a runtime is run on it:
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().build()?.block_on(async {
//! use waxseal_store::testing::Conformance;
//!
//! let suite = Conformance::new().spawn_with(|task| drop(tokio::spawn(task))).rounds(5);
//! suite
//!     .run(async || {
//!         let store = waxseal_store::MemoryStore::new();
//!         [store.clone(), store]
//!     })
//!     .await;
//! # });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For tests of an app that uses a store, see [`FaultyStore`], which fails on request.

mod arena;
mod contract;
mod expiry;
mod faulty;
mod keys;
mod owners;
mod races;
mod renewal;
mod run;
mod sample;
mod task;
mod yield_once;

use std::fmt;
use std::sync::Arc;

pub use self::faulty::{FaultyError, FaultyStore, Operation, Turn};
pub use self::task::Task;

use self::arena::Arena;
use self::run::{block_on, caught};
use crate::SessionStore;

/// Runs every case on the calling thread and on threads of its own.
///
/// # Panics
///
/// After the last case, if any failed, with the name of each failed case and what it found.
pub fn conformance<S: SessionStore>(make: impl Fn() -> [S; 2]) {
    block_on(Conformance::new().run(async || make()));
}

/// Settings and runner of the suite.
#[derive(Clone)]
pub struct Conformance {
    spawn: Arc<dyn Fn(Task) + Send + Sync>,
    rounds: usize,
}

impl Conformance {
    /// Makes a suite that gives each racing task a thread and runs each race 25 times.
    #[must_use]
    pub fn new() -> Self {
        let spawn = |task| drop(std::thread::spawn(move || block_on(task)));
        Self { spawn: Arc::new(spawn), rounds: 25 }
    }

    /// Starts racing tasks with `spawn`, such as that of the store's runtime.
    #[must_use]
    pub fn spawn_with(mut self, spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        self.spawn = Arc::new(spawn);
        self
    }

    /// Sets the number of runs of each race.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Runs every case, each on a store of its own: `make` opens one new, empty store twice.
    ///
    /// # Panics
    ///
    /// After the last case, if any failed, with the name of each failed case and what it found.
    pub async fn run<S: SessionStore>(&self, make: impl AsyncFn() -> [S; 2]) {
        let cases = cases::<S>();
        let mut failures = Vec::new();
        for case in &cases {
            let arena = Arena::new(make().await, Arc::clone(&self.spawn), self.rounds);
            if let Err(found) = caught((case.run)(arena)).await {
                failures.push(format!("- {}: {}", case.name, run::message(&*found)));
            }
        }
        assert!(
            failures.is_empty(),
            "{} of {} cases failed:\n{}",
            failures.len(),
            cases.len(),
            failures.join("\n")
        );
    }
}

impl Default for Conformance {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conformance").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

struct Case<S> {
    name: &'static str,
    run: fn(Arena<S>) -> Task,
}

fn cases<S: SessionStore>() -> Vec<Case<S>> {
    macro_rules! cases {
        ($($file:ident { $($name:ident),+ $(,)? })+) => {
            vec![$($(Case {
                name: concat!(stringify!($file), "::", stringify!($name)),
                run: |arena| Box::pin($file::$name(arena)),
            }),+),+]
        };
    }
    cases! {
        contract {
            a_record_comes_back_as_it_was_kept,
            what_one_handle_wrote_the_other_reads,
            an_unknown_key_is_absent_to_every_method,
            a_taken_key_is_not_created_again,
            a_key_with_another_hash_is_another_key,
            sessions_leave_each_other_alone,
            an_update_replaces_the_whole_record,
            an_update_compares_all_sixteen_bytes,
            a_touch_moves_times_and_nothing_else,
            a_touch_neither_goes_back_nor_beyond_the_absolute_end,
            what_is_deleted_stays_away,
            a_mebibyte_is_kept,
            the_clock_answers,
        }
        expiry {
            a_record_is_there_up_to_its_last_millisecond,
            a_touch_keeps_a_record_alive,
            an_update_may_shorten_a_life,
            an_expired_record_makes_way_for_a_new_one,
            purging_frees_what_expired_and_nothing_else,
        }
        renewal {
            a_tombstone_is_all_that_is_left_under_the_old_id,
            a_tombstone_ends_when_it_should,
            a_refused_renewal_changes_nothing,
            a_sign_out_by_an_old_id_ends_nothing,
            a_renewed_session_keeps_its_owner_and_public_id,
            a_tombstone_outlives_its_session,
            of_parallel_renewals_one_wins,
            a_reader_finds_the_session_at_every_moment_of_a_renewal,
        }
        owners {
            a_list_has_the_owners_living_sessions,
            ten_thousand_sessions_of_one_owner_are_listed_and_ended,
            a_public_id_ends_a_session_only_with_its_owner,
            a_public_id_finds_a_session_only_with_its_owner,
            ending_all_ends_what_has_begun_and_nothing_later,
            ending_all_others_keeps_one,
            an_old_id_keeps_no_session,
            a_kept_session_of_another_owner_is_left_alone,
            an_owner_may_come_and_go,
            a_generation_is_the_owners_own,
            names_that_look_alike_are_different_owners,
        }
        keys {
            a_rewrapped_record_keeps_all_but_its_seal,
            a_record_that_moved_on_is_not_rewrapped,
            a_walk_finds_every_record_of_another_key,
        }
        races {
            of_parallel_creations_one_succeeds,
            sign_ins_that_take_over_each_other_leave_one_session,
            increments_from_many_tasks_sum_exactly,
            touches_and_rewraps_lose_no_update,
            a_sign_out_wins_over_saves_and_touches,
            of_a_sign_out_and_a_renewal_one_wins,
            ending_all_wins_over_saves_and_renewals,
            ending_all_others_never_ends_the_kept_one,
            a_purge_takes_nothing_that_a_touch_saved,
        }
    }
}
