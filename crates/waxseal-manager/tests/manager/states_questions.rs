//! How often the store is asked, and what becomes of its answers.

use std::time::Duration;

use waxseal_crypto::Keyring;
use waxseal_manager::{Access, Error, Mirrored};
use waxseal_session::Error as SessionError;
use waxseal_store::testing::Operation;

use crate::counted::Counted;
use crate::states_support::{
    BOTH, at, change, commit, key, manager, new_store, open, read, sessions, visitor,
};

/// A twentieth of the idle time of half an hour.
const TOUCHED_AFTER: u64 = 90;

#[tokio::test]
async fn activity_is_noted_once_a_twentieth_of_the_idle_time_has_passed_and_not_before() {
    for place in BOTH {
        for (seconds, touches) in [(TOUCHED_AFTER - 1, 0), (TOUCHED_AFTER, 1)] {
            let store = new_store();
            let sessions = sessions(place, store.clone());
            let token = visitor(&sessions, at(0), |session| session.insert("name", "Albus").unwrap()).await;
            let session = change(&sessions, &token, at(seconds)).await;
            assert_eq!(store.count(Operation::Touch), touches, "{place:?} after {seconds} s");
            let last_seen = session.lifespan().unwrap().last_seen;
            let expected = if touches == 1 { at(seconds) } else { at(0) };
            assert_eq!(last_seen, expected.into(), "{place:?}: what the request knows of it");
        }
    }
}

#[tokio::test]
async fn a_copy_that_is_never_fresh_costs_one_question() {
    let store = new_store();
    let state = Mirrored::new(store.clone()).freshness(Duration::ZERO);
    let sessions = manager(state, &Keyring::new(key(1)));
    let token = visitor(&sessions, at(0), |session| session.insert("name", "Albus").unwrap()).await;
    for question in 1..=3 {
        read(&sessions, &token, at(0)).await;
        assert_eq!(store.count(Operation::Revalidate), question);
    }
}

#[tokio::test]
async fn only_a_copy_newer_than_its_record_says_that_the_store_has_gone_back() {
    let counted = Counted::default();
    let store = new_store();
    let [here, elsewhere] = [(); 2].map(|()| {
        metrics::with_local_recorder(&counted, || {
            sessions(crate::states_support::Place::Mirrored, store.clone())
        })
    });
    let older = visitor(&here, at(0), |session| session.insert("name", "Albus").unwrap()).await;
    let session = change(&elsewhere, &older, at(1)).await;
    session.insert("name", "Minerva").unwrap();
    commit(&elsewhere, &session, &older, at(1)).await.unwrap();
    for access in [Access::Read, Access::Change] {
        let session = open(&here, &older, access, at(10)).await.unwrap();
        assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Minerva"));
    }
    assert_eq!(counted.of("waxseal_session_copies_newer_total"), 0);
}

#[tokio::test]
async fn a_session_that_was_ended_in_an_outage_takes_no_save_of_this_process() {
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let token = visitor(&sessions, at(0), |session| session.insert("name", "Albus").unwrap()).await;
        let slow = change(&sessions, &token, at(1)).await;
        slow.insert("name", "Minerva").unwrap();
        let signing_out = change(&sessions, &token, at(1)).await;
        signing_out.destroy().unwrap();
        store.set_away(true);
        commit(&sessions, &signing_out, &token, at(2)).await.unwrap();
        store.set_away(false);
        let saved = commit(&sessions, &slow, &token, at(3)).await;
        assert!(matches!(saved, Err(Error::Session(SessionError::Gone))), "{place:?}: {saved:?}");
        // The store still has the record, so nothing else stood in the way.
        assert_eq!(store.count(Operation::Update), 0, "{place:?}");
    }
}
