//! What is counted of sessions and of calls on their store.

use std::pin::pin;
use std::task::{Context, Waker};

use waxseal_crypto::Keyring;
use waxseal_manager::{Access, DevicePurpose, Mirrored, Outcome, Revocable, SessionManager, State, Stored};
use waxseal_store::testing::{FaultyStore, Operation, Turn};
use waxseal_store::{Fault, MemoryStore, Timestamp};

use crate::counted::Counted;
use crate::meddler::{Meddler, Meddling};
use crate::states_support::{
    BOTH, Store, at, change, commit, key, manager, new_store, place_state, read, sessions, signed_in, visitor,
};

fn states() -> [(&'static str, State); 4] {
    [
        ("cookie", State::Cookie),
        ("revocable", Revocable::new(MemoryStore::new()).into()),
        ("store", Stored::new(MemoryStore::new()).into()),
        ("mirrored", Mirrored::new(MemoryStore::new()).into()),
    ]
}

/// Begun, saved, renewed, ended.
fn events(counted: &Counted) -> [u64; 4] {
    ["begun", "saved", "renewed", "ended"].map(|event| counted.of(&format!("waxseal_sessions_{event}_total")))
}

fn counting<S: Into<State>>(counted: &Counted, state: impl FnOnce() -> S) -> SessionManager {
    metrics::with_local_recorder(counted, || manager(state(), &Keyring::new(key(1))))
}

#[tokio::test]
async fn what_a_commit_does_is_counted_once_in_every_state() {
    for (name, state) in states() {
        let counted = Counted::default();
        let sessions = counting(&counted, || state);
        assert_eq!(events(&counted), [0; 4], "{name}: from the start");

        // A page that looks at a session that is not there begins none.
        let blank = sessions.create();
        assert!(blank.is_empty());
        assert!(matches!(sessions.commit(&blank, at(0)).await.unwrap(), Outcome::Keep));
        assert_eq!(events(&counted), [0; 4], "{name}: blank");

        let token = visitor(&sessions, at(0), |session| session.insert("name", "Albus").unwrap()).await;
        assert_eq!(events(&counted), [1, 1, 0, 0], "{name}: begun");

        let session = change(&sessions, &token, at(1)).await;
        assert_eq!(session.len(), 1);
        let token = commit(&sessions, &session, &token, at(1)).await.unwrap();
        assert_eq!(events(&counted), [1, 1, 0, 0], "{name}: read");

        let session = change(&sessions, &token, at(2)).await;
        session.insert("name", "Minerva").unwrap();
        let token = commit(&sessions, &session, &token, at(2)).await.unwrap();
        assert_eq!(events(&counted), [1, 2, 0, 0], "{name}: changed");

        let session = change(&sessions, &token, at(3)).await;
        session.renew().unwrap();
        let token = commit(&sessions, &session, &token, at(3)).await.unwrap();
        assert_eq!(events(&counted), [1, 3, 1, 0], "{name}: renewed");

        let session = change(&sessions, &token, at(4)).await;
        session.destroy().unwrap();
        commit(&sessions, &session, &token, at(4)).await.unwrap();
        assert_eq!(events(&counted), [1, 3, 1, 1], "{name}: ended");

        let nobody = sessions.create();
        nobody.destroy().unwrap();
        assert!(matches!(sessions.commit(&nobody, at(5)).await.unwrap(), Outcome::Remove));
        assert_eq!(events(&counted), [1, 3, 1, 1], "{name}: there was nothing to end");
    }
}

/// An old key's counter stands still when nothing of its is used any more, so what it signed for devices counts as well.
#[test]
fn device_tokens_are_counted_by_the_key_that_signed_them() {
    let bound = |keyring: &Keyring| manager(State::Cookie, keyring).with_device_tokens(keyring).unwrap();
    let (old, both) = (Keyring::new(key(1)), Keyring::new(key(2)).with_fallback(key(1)).unwrap());
    let counted = Counted::default();
    let (before, sessions) = (bound(&old), metrics::with_local_recorder(&counted, || bound(&both)));
    let opened = || {
        both.ids().map(|kid| counted.of(&format!("waxseal_cookies_opened_total {kid}"))).collect::<Vec<_>>()
    };
    assert_eq!(opened(), [0, 0], "from the start");
    for (count, (purpose, bytes)) in (1..).zip([
        (DevicePurpose::Offer, 24),
        (DevicePurpose::Key, 49),
        (DevicePurpose::Challenge, 24),
        (DevicePurpose::Proof, 40),
    ]) {
        for (signer, is_opened) in
            [(&before, true), (&sessions, true), (&bound(&Keyring::new(key(3))), false)]
        {
            let token = signer.snapshot().device_tokens().unwrap().sign(purpose, &vec![7; bytes], 9).unwrap();
            let found = sessions.snapshot();
            let found = found.device_tokens().unwrap().open(purpose, &token.unwrap(), &mut vec![0; bytes]);
            assert_eq!(found, is_opened.then_some(9), "{purpose:?}");
        }
        assert_eq!(opened(), [count, count], "{purpose:?}");
    }
}

#[tokio::test]
async fn calls_on_the_store_are_counted_by_operation_and_outcome() {
    let outcomes = ["ok", "full", "locked", "read_only", "outage", "unconfirmed", "defect"];
    let calls = |counted: &Counted, operation: &str| {
        outcomes.map(|outcome| counted.of(&format!("waxseal_store_calls_total {operation} {outcome}")))
    };
    for (fault, expected) in [
        (None, [1, 0, 0, 0, 0, 0, 0]),
        (Some(Fault::Full), [0, 1, 0, 0, 0, 0, 0]),
        (Some(Fault::Locked), [0, 0, 1, 0, 0, 0, 0]),
        (Some(Fault::ReadOnly), [0, 0, 0, 1, 0, 0, 0]),
        // Under a new id each time, since the first may have been made.
        (Some(Fault::Outage), [0, 0, 0, 0, 3, 0, 0]),
        (Some(Fault::Unconfirmed), [0, 0, 0, 0, 0, 1, 0]),
        (Some(Fault::Defect), [0, 0, 0, 0, 0, 0, 1]),
    ] {
        let counted = Counted::default();
        let store = Meddler::new(move |_, _| fault.map_or(Meddling::Nothing, Meddling::Refuse));
        let sessions = counting(&counted, || Stored::new(store));
        let session = sessions.create();
        session.insert("name", "Albus").unwrap();
        let saved = sessions.commit(&session, at(0)).await;
        assert_eq!(saved.is_ok(), fault.is_none(), "{fault:?}");
        assert_eq!(calls(&counted, "create"), expected, "{fault:?}");
        assert_eq!(calls(&counted, "update"), [0; 7], "{fault:?}");
        let timed = |operation| counted.of(&format!("waxseal_store_call_duration_seconds {operation}"));
        assert_eq!((timed("create"), timed("update")), (expected.iter().sum(), 0), "{fault:?}");
        if let Ok(Outcome::Set { token, .. }) = saved {
            sessions.open(token.as_bytes(), Access::Read, at(1)).unwrap().load(at(1)).await.unwrap();
            assert_eq!(calls(&counted, "load"), [1, 0, 0, 0, 0, 0, 0]);
        }
        // A failure begins nothing.
        assert_eq!(events(&counted)[0], u64::from(fault.is_none()), "{fault:?}");
    }
}

#[tokio::test]
async fn maintenance_says_how_full_the_store_is() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let store = || MemoryStore::new().max_records(40);
    let states: [State; 3] =
        [Revocable::new(store()).into(), Stored::new(store()).into(), Mirrored::new(store()).into()];
    for (state, records) in states.into_iter().zip([0.0, 10.0, 10.0]) {
        let sessions = manager(state, &Keyring::new(key(1)));
        for _ in 0..10 {
            visitor(&sessions, at(0), |session| session.insert("name", "Albus").unwrap()).await;
        }
        sessions.maintain(|| at(1)).await.unwrap();
        assert_eq!(counted.gauge("waxseal_store_records"), records);
        assert_eq!(counted.gauge("waxseal_store_fullness_ratio"), records / 40.0);
    }
}

#[tokio::test]
async fn maintenance_says_how_far_the_clocks_are_apart() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let store = new_store();
    let states: [State; 3] = [
        Revocable::new(store.clone()).into(),
        Stored::new(store.clone()).into(),
        Mirrored::new(store.clone()).into(),
    ];
    for (state, offset) in states.into_iter().zip([1_500, 0, 250]) {
        store.set_clock(Some(Timestamp::from_millis(Timestamp::from(at(1)).as_millis() + offset)));
        manager(state, &Keyring::new(key(1))).maintain(|| at(1)).await.unwrap();
        assert_eq!(counted.gauge("waxseal_store_clock_offset_seconds"), offset as f64 / 1000.0);
    }
}

/// After the store's limit was removed, it would be nearly full for ever; and it is full while something is refused.
#[tokio::test]
async fn what_the_store_no_longer_says_is_shown_no_longer_and_a_refusal_hides_nothing() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let fullness = || counted.gauge("waxseal_store_fullness_ratio");
    let offset = || counted.gauge("waxseal_store_clock_offset_seconds");
    for place in BOTH {
        let store = FaultyStore::new(MemoryStore::new().max_records(40));
        store.set_clock(Some(Timestamp::from(at(3))));
        let sessions = sessions(place, store.clone());
        sessions.maintain(|| at(1)).await.unwrap();
        assert_eq!((fullness(), offset()), (0.0, 2.0), "{place:?}");

        let fails = |operations: &'static [Operation]| {
            store.decide_with(move |asked| match operations.contains(&asked) {
                true => Turn::Fail,
                false => Turn::Work,
            });
        };
        fails(&[Operation::Usage, Operation::Clock]);
        sessions.maintain(|| at(61)).await.unwrap_err();
        let records = counted.gauge("waxseal_store_records");
        assert!(fullness().is_nan() && offset().is_nan() && records.is_nan(), "{place:?}");

        fails(&[Operation::Purge]);
        sessions.maintain(|| at(121)).await.unwrap_err();
        assert_eq!(fullness(), 0.0, "{place:?}");
    }
}

/// Drops what waits for a store that is silent, as when its time is up.
fn give_up(waiting: impl Future) {
    let mut waiting = pin!(waiting);
    // Calls that are not held yield before and after they are done.
    for _ in 0..100 {
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

#[tokio::test]
async fn a_round_that_is_given_up_leaves_no_values_of_before() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let gauges = || {
        ["store_records", "store_fullness_ratio", "store_clock_offset_seconds", "sessions_ends_waiting"]
            .map(|name| Some(counted.gauge(&format!("waxseal_{name}"))).filter(|value| !value.is_nan()))
    };
    for place in BOTH {
        let store = FaultyStore::new(MemoryStore::new().max_records(40));
        store.set_clock(Some(Timestamp::from(at(3))));
        let sessions = sessions(place, store.clone());
        let token = signed_in(&sessions, "albus", 0).await;
        let session = change(&sessions, &token, at(1)).await;
        let full = [Some(1.0), Some(1.0 / 40.0), Some(2.0), Some(0.0)];
        for held in [Operation::Clock, Operation::Purge, Operation::Usage] {
            store.hold(None);
            sessions.finish_ends(at(1)).await.unwrap();
            sessions.maintain(|| at(1)).await.unwrap();
            assert_eq!(gauges(), full, "{place:?}");
            store.hold(Some(held));
            give_up(sessions.maintain(|| at(1)));
            let offset = (held != Operation::Clock).then_some(2.0);
            assert_eq!(gauges(), [None, None, offset, Some(0.0)], "{place:?}: {held:?}");
        }
        store.hold(None);
        sessions.maintain(|| at(1)).await.unwrap();
        // A sign-out that waits comes before all else.
        session.destroy().unwrap();
        store.set_away(true);
        commit(&sessions, &session, &token, at(1)).await.unwrap();
        store.set_away(false);
        store.set_held(true);
        give_up(sessions.finish_ends(at(1)));
        assert_eq!(gauges(), [Some(1.0), Some(1.0 / 40.0), Some(2.0), Some(1.0)], "{place:?}");
        give_up(sessions.maintain(|| at(1)));
        assert_eq!(gauges(), [None, None, None, Some(1.0)], "{place:?}");
    }
}

#[tokio::test]
async fn ends_that_the_store_was_not_told_of_are_shown_while_they_wait() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let waiting = || counted.gauge("waxseal_sessions_ends_waiting");
    let (one, two, three) = (new_store(), new_store(), new_store());
    let states: [(Store, State); 3] = [
        (one.clone(), Revocable::new(one).into()),
        (two.clone(), Stored::new(two).into()),
        (three.clone(), Mirrored::new(three).into()),
    ];
    for (store, state) in states {
        let sessions = manager(state, &Keyring::new(key(1)));
        let token = signed_in(&sessions, "albus", 0).await;
        let session = change(&sessions, &token, at(1)).await;
        sessions.finish_ends(at(1)).await.unwrap();
        assert_eq!((waiting(), sessions.ends_waiting()), (0.0, 0));
        session.destroy().unwrap();
        store.set_away(true);
        commit(&sessions, &session, &token, at(1)).await.unwrap();
        sessions.finish_ends(at(2)).await.unwrap();
        assert_eq!((waiting(), sessions.ends_waiting()), (1.0, 1));
        store.set_away(false);
        sessions.finish_ends(at(3)).await.unwrap();
        assert_eq!((waiting(), sessions.ends_waiting()), (0.0, 0));
    }
}

/// A page is shown also if that it was shown cannot be noted.
#[tokio::test]
async fn what_was_not_saved_counts_as_nothing_and_what_ended_counts_whatever_came_of_the_rest() {
    for place in BOTH {
        let (counted, store) = (Counted::default(), new_store());
        let sessions = counting(&counted, || {
            place_state(place, store.clone(), false, waxseal_manager::WhenAway::Refuse)
        });
        let token = signed_in(&sessions, "albus", 0).await;
        let session = change(&sessions, &token, at(1)).await;
        session.flash("info", "welcome").unwrap();
        let token = commit(&sessions, &session, &token, at(1)).await.unwrap();
        assert_eq!(events(&counted), [1, 2, 0, 0], "{place:?}");

        let page = read(&sessions, &token, at(2)).await;
        assert_eq!(page.flashed_messages(&[]).len(), 1);
        store.set_away(true);
        assert!(matches!(sessions.commit(&page, at(2)).await.unwrap(), Outcome::Keep), "{place:?}");
        store.set_away(false);
        assert_eq!(events(&counted), [1, 2, 0, 0], "{place:?}: shown");

        let session = change(&sessions, &token, at(3)).await;
        session.destroy().unwrap();
        session.insert("name", "Nobody").unwrap();
        store.decide_with(|asked| if asked == Operation::Create { Turn::Fail } else { Turn::Work });
        sessions.commit(&session, at(3)).await.unwrap_err();
        store.decide_with(|_| Turn::Work);
        assert_eq!(events(&counted), [1, 2, 0, 1], "{place:?}: signed out, and no new session");
        // The error page's commit.
        assert!(matches!(sessions.commit(&session, at(3)).await.unwrap(), Outcome::Remove), "{place:?}");
        assert_eq!(events(&counted), [1, 2, 0, 1], "{place:?}: it had ended before");

        let token = signed_in(&sessions, "albus", 4).await;
        let public_id = read(&sessions, &token, at(5)).await.public_id().unwrap();
        assert!(sessions.end("albus", public_id, at(5)).await.unwrap());
        assert!(!sessions.end("albus", public_id, at(6)).await.unwrap());
        assert_eq!(events(&counted), [2, 3, 0, 2], "{place:?}: by the owner");

        let token = signed_in(&sessions, "albus", 7).await;
        let session = change(&sessions, &token, at(8)).await;
        assert!(sessions.end("albus", session.public_id().unwrap(), at(8)).await.unwrap());
        session.destroy().unwrap();
        commit(&sessions, &session, &token, at(8)).await.unwrap();
        assert_eq!(events(&counted), [3, 4, 0, 3], "{place:?}: by the owner who is in it");

        let token = signed_in(&sessions, "albus", 7).await;
        sessions.end_visit(&change(&sessions, &token, at(8)).await, at(8)).await.unwrap();
        assert_eq!(events(&counted), [4, 5, 0, 4], "{place:?}: by another app");
    }
}
