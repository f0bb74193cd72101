//! The table of cases, by the promises that they test.

use super::arena::Arena;
use super::sample::NOW;
use super::task::Task;
use super::{contract, expiry, keys, owners, races, renewal};
use crate::{Fault, Promise, SessionStore};

pub(super) struct Case<S> {
    pub(super) promise: Promise,
    pub(super) name: &'static str,
    pub(super) run: fn(Arena<S>) -> Task,
}

/// Asserts that a call that needs a promise that the store does not make is refused, and not answered with an empty
/// result.
pub(super) async fn refuses<S: SessionStore>(store: &S, promise: Promise) {
    let refusal = match promise {
        Promise::Lists => store.list("albus", None, 10, NOW).await.map(drop),
        Promise::Keys => store.sealed_otherwise([1; 4], None, 10, NOW).await.map(drop),
        _ => panic!("every store makes this promise"),
    };
    let error = refusal.expect_err("the call should fail where the promise is not made");
    assert_eq!(S::fault(&error), Fault::Defect, "{error}");
}

pub(super) fn cases<S: SessionStore>() -> Vec<Case<S>> {
    macro_rules! cases {
        ($($promise:ident { $($file:ident::$name:ident),+ $(,)? })+) => {
            vec![$($(Case {
                promise: Promise::$promise,
                name: concat!(stringify!($file), "::", stringify!($name)),
                run: |arena| Box::pin($file::$name(arena)),
            }),+),+]
        };
    }
    cases! {
        Records {
            contract::a_record_comes_back_as_it_was_kept,
            contract::what_one_handle_wrote_the_other_reads,
            contract::an_unknown_key_is_absent_to_every_method,
            contract::a_taken_key_is_not_created_again,
            contract::a_key_with_another_hash_is_another_key,
            contract::sessions_leave_each_other_alone,
            contract::an_update_replaces_the_whole_record,
            contract::an_update_compares_all_sixteen_bytes,
            contract::a_touch_moves_times_and_nothing_else,
            contract::a_touch_neither_goes_back_nor_beyond_the_absolute_end,
            contract::what_is_deleted_stays_away,
            contract::a_mebibyte_is_kept,
            contract::the_clock_answers,
            keys::a_rewrapped_record_keeps_all_but_its_seal,
            keys::a_record_that_moved_on_is_not_rewrapped,
        }
        Expiry {
            expiry::a_record_is_there_up_to_its_last_millisecond,
            expiry::a_touch_keeps_a_record_alive,
            expiry::an_update_may_shorten_a_life,
            expiry::an_expired_record_makes_way_for_a_new_one,
            expiry::purging_frees_what_expired_and_nothing_else,
        }
        Renewal {
            renewal::a_tombstone_is_all_that_is_left_under_the_old_id,
            renewal::a_tombstone_ends_when_it_should,
            renewal::the_newest_64_old_ids_have_tombstones,
            renewal::a_refused_renewal_changes_nothing,
            renewal::a_sign_out_by_an_old_id_ends_nothing,
            renewal::a_renewed_session_keeps_its_owner_and_public_id,
            renewal::a_tombstone_outlives_its_session,
            renewal::of_parallel_renewals_one_wins,
            renewal::a_reader_finds_the_session_at_every_moment_of_a_renewal,
        }
        Owners {
            owners::a_public_id_ends_a_session_only_with_its_owner,
            owners::a_public_id_finds_a_session_only_with_its_owner,
            owners::ending_all_ends_what_has_begun_and_nothing_later,
            owners::ending_all_others_keeps_one,
            owners::an_old_id_keeps_no_session,
            owners::a_kept_session_of_another_owner_is_left_alone,
            owners::an_owner_may_come_and_go,
            owners::a_generation_is_the_owners_own,
            owners::names_that_look_alike_are_different_owners,
        }
        Races {
            races::of_parallel_creations_one_succeeds,
            races::sign_ins_that_take_over_each_other_leave_one_session,
            races::increments_from_many_tasks_sum_exactly,
            races::touches_and_rewraps_lose_no_update,
            races::a_sign_out_wins_over_saves_and_touches,
            races::of_a_sign_out_and_a_renewal_one_wins,
            races::ending_all_wins_over_saves_and_renewals,
            races::ending_all_others_never_ends_the_kept_one,
            races::a_purge_takes_nothing_that_a_touch_saved,
        }
        Lists {
            owners::a_list_has_the_owners_living_sessions,
            owners::ten_thousand_sessions_of_one_owner_are_listed_and_ended,
        }
        Keys {
            keys::a_walk_finds_every_record_of_another_key,
        }
    }
}
