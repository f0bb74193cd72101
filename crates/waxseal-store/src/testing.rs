//! The conformance suite: tests of what every [`SessionStore`] must do, from outside.
//!
//! For authors of stores. Give [`conformance`] a closure that opens the same new, empty store twice, as two processes
//! do. For a store of a single process, return two clones. Time is an argument of every call, so nothing sleeps.
//!
//! ```
//! use waxseal_store::Promise;
//! use waxseal_store::testing::Verdict;
//!
//! let report = waxseal_store::testing::conformance(|| {
//!     let store = waxseal_store::MemoryStore::new();
//!     [store.clone(), store]
//! });
//! assert!(matches!(report.verdict(Promise::Lists), Verdict::Kept { .. }));
//! ```
//!
//! The [`Report`] says for each [`Promise`] if it is kept, not made, or broken, and what a store without it is not fit
//! for. If the test fails, the report is its message:
//!
//! ```text
//! records: kept (15 cases)
//! renewal: broken in 1 of 9 cases, so not fit for sign-ins: a visitor's earlier id would stay good, …
//!   - renewal::a_tombstone_outlives_its_session: …
//! lists: not made, so not fit for a list of one's own sessions, nor for …
//! ```
//!
//! If the store's futures need a runtime, run the suite on it:
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
mod cases;
mod contract;
mod expiry;
mod faulty;
mod keys;
mod owners;
mod races;
mod renewal;
mod report;
mod run;
mod sample;
mod task;

use std::fmt;
use std::sync::Arc;

pub use self::faulty::{FaultyError, FaultyStore, Operation, Turn};
pub use self::report::{Finding, Report, Verdict};
pub use self::task::Task;

use self::arena::Arena;
use self::cases::{Case, cases, refuses};
use self::run::{block_on, caught, message};
use crate::{Promise, SessionStore};

/// Runs every case on the calling thread, and racing tasks on new threads.
///
/// # Panics
///
/// After the last case, with the report, if the store breaks a promise.
pub fn conformance<S: SessionStore>(make: impl Fn() -> [S; 2]) -> Report {
    block_on(Conformance::new().run(async || make()))
}

/// Settings and runner of the suite.
#[derive(Clone)]
pub struct Conformance {
    spawn: Arc<dyn Fn(Task) + Send + Sync>,
    rounds: usize,
}

impl Conformance {
    /// Makes a suite that runs each racing task on its own thread, and each race 25 times.
    #[must_use]
    pub fn new() -> Self {
        let spawn = |task| drop(std::thread::spawn(move || block_on(task)));
        Self { spawn: Arc::new(spawn), rounds: 25 }
    }

    /// Starts racing tasks with `spawn`, for example with that of the store's runtime.
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

    /// Runs every case on its own store: `make` opens one new, empty store twice.
    ///
    /// # Panics
    ///
    /// After the last case, with the report, if the store breaks a promise.
    pub async fn run<S: SessionStore>(&self, make: impl AsyncFn() -> [S; 2]) -> Report {
        let report = self.report(make).await;
        assert!(report.is_conformant(), "the store breaks its promises:\n{report}");
        report
    }

    /// Runs every case as [`run`](Self::run) does, and returns the report without panicking.
    #[must_use = "a store may break its promises"]
    pub async fn report<S: SessionStore>(&self, make: impl AsyncFn() -> [S; 2]) -> Report {
        let cases = cases::<S>();
        let mut verdicts = Vec::new();
        for promise in Promise::ALL {
            let [store, _] = make().await;
            let verdict = if store.makes(promise) {
                self.try_cases(cases.iter().filter(|case| case.promise == promise), &make).await
            } else {
                match caught(refuses(&store, promise)).await {
                    Ok(()) => Verdict::NotMade,
                    Err(panic) => Verdict::Broken {
                        cases: 1,
                        findings: vec![Finding::new("refuses", message(&*panic))],
                    },
                }
            };
            verdicts.push((promise, verdict));
        }
        Report::new(verdicts)
    }

    async fn try_cases<'a, S: SessionStore>(
        &self,
        of_promise: impl Iterator<Item = &'a Case<S>>,
        make: &impl AsyncFn() -> [S; 2],
    ) -> Verdict {
        let (mut cases, mut findings) = (0, Vec::new());
        for case in of_promise {
            cases += 1;
            let arena = Arena::new(make().await, Arc::clone(&self.spawn), self.rounds);
            if let Err(panic) = caught((case.run)(arena)).await {
                findings.push(Finding::new(case.name, message(&*panic)));
            }
        }
        if findings.is_empty() { Verdict::Kept { cases } } else { Verdict::Broken { cases, findings } }
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
