//! State `mirrored`: what the browser's copy is good for, and for how long.

use std::time::Duration;

use crate::states_support::{Place, at, change, commit, key, manager, new_store, read, sessions, visitor};
use waxseal_crypto::Keyring;
use waxseal_manager::{Access, Mirrored, Opened};
use waxseal_store::testing::Operation;

#[tokio::test]
async fn a_page_read_from_a_fresh_copy_asks_the_store_nothing() {
    let store = new_store();
    let [here, there] = [(); 2].map(|()| sessions(Place::Mirrored, store.clone()));
    let token = visitor(&here, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
    store.forget();
    for sessions in [&here, &there] {
        for second in 0..5 {
            let opened = sessions.open(token.as_bytes(), Access::Read, at(second)).unwrap();
            let Opened::Ready(session) = opened else { panic!("second {second}") };
            assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Merlin"));
            assert_eq!(commit(sessions, &session, "kept", at(second)).await.unwrap(), "kept");
        }
    }
    assert!(store.asked().is_empty(), "{:?}", store.asked());
    // One small read for each window, then, and no cookie for it.
    for second in 5..25 {
        let session = read(&there, &token, at(second)).await;
        assert_eq!(session.len(), 1);
        assert_eq!(commit(&there, &session, "kept", at(second)).await.unwrap(), "kept");
    }
    assert_eq!(store.asked(), [Operation::Revalidate; 4]);
    store.forget();
    assert_eq!(change(&there, &token, at(25)).await.len(), 1);
    assert_eq!(store.asked(), [Operation::Revalidate], "who acts asks always");
}

#[tokio::test]
async fn many_who_read_at_once_ask_once() {
    let store = new_store();
    let sessions = std::sync::Arc::new(sessions(Place::Mirrored, store.clone()));
    let token = visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
    // The second time, activity is to be noted.
    for (now, asked) in
        [(10, &[Operation::Revalidate][..]), (100, &[Operation::Revalidate, Operation::Touch])]
    {
        store.forget();
        store.set_held(true);
        let readers: Vec<_> = (0..20)
            .map(|_| {
                let (sessions, token) = (sessions.clone(), token.clone());
                tokio::spawn(async move { read(&sessions, &token, at(now)).await.len() })
            })
            .collect();
        tokio::task::yield_now().await;
        store.set_held(false);
        for reader in readers {
            assert_eq!(reader.await.unwrap(), 1);
        }
        assert_eq!(store.asked(), asked);
    }
}

/// Whoever keeps a copy uses it, and every token it is given for it, every window − 1 s, at the process that did not end
/// the session, while a new key, a spill and a refresh are due.
#[tokio::test]
async fn a_copy_that_is_used_all_the_time_dies_with_its_session_within_the_window() {
    const WINDOW: u64 = 5;
    for (case, entry, rekeys, before) in [
        ("a copy", 10, false, 0),
        ("with a new key", 10, true, 70),
        ("too large for a cookie", 6_000, false, 0),
        ("too large and a new key", 6_000, true, 70),
        ("half of the grace", 10, false, 160),
    ] {
        for ended_at in 0..=WINDOW {
            let store = new_store();
            let [here, there] = [(); 2].map(|()| sessions(Place::Mirrored, store.clone()));
            let first =
                visitor(&here, at(0), |session| session.insert("e", "x".repeat(entry)).unwrap()).await;
            if rekeys {
                let ring = Keyring::new(key(2)).with_fallback(key(1)).unwrap();
                there.set_keyring(&ring);
                here.set_keyring(&ring);
            }
            let mut copies = vec![first.clone()];
            let end = before + 20 + ended_at;
            let mut last_accepted = 0;
            let mut has_ended = false;
            for second in before..end + 400 {
                if second == end {
                    let session = change(&here, &first, at(second)).await;
                    session.destroy().unwrap();
                    commit(&here, &session, &first, at(second)).await.unwrap();
                    has_ended = true;
                }
                if second % (WINDOW - 1) != 0 {
                    continue;
                }
                for copy in copies.clone() {
                    let session = read(&there, &copy, at(second)).await;
                    if session.is_new() {
                        continue;
                    }
                    last_accepted = second;
                    let next = commit(&there, &session, "", at(second)).await.unwrap();
                    if !next.is_empty() && copies.len() < 8 {
                        copies.push(next);
                    }
                }
                if has_ended {
                    assert!(
                        second < end + WINDOW || last_accepted < second,
                        "{case}: {second}, ended at {end}"
                    );
                    for copy in &copies {
                        assert!(read(&here, copy, at(second)).await.is_new(), "{case}: refused here at once");
                    }
                }
            }
            assert!(last_accepted >= end - WINDOW, "{case}: it was good until then");
            assert_eq!(copies.len() > 1, before > 0, "{case}: a new token was due");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_due_anew_waits_for_a_request_that_asks() {
    let store = new_store();
    let old = sessions(Place::Mirrored, store.clone());
    let state = Mirrored::new(store.clone()).freshness(Duration::from_secs(120));
    let sessions = manager(state, &Keyring::new(key(2)).with_fallback(key(1)).unwrap());
    let token = visitor(&old, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
    store.forget();
    let session = read(&sessions, &token, at(100)).await;
    assert_eq!(session.len(), 1);
    assert_eq!(commit(&sessions, &session, "kept", at(100)).await.unwrap(), "kept");
    assert!(store.asked().is_empty(), "its key is an old one, and nobody asked");
    let session = change(&sessions, &token, at(100)).await;
    assert_eq!(session.len(), 1);
    assert_ne!(commit(&sessions, &session, "kept", at(100)).await.unwrap(), "kept");
}

#[test]
fn a_watched_session_is_asked_about_once_in_the_freshness_lifetime_and_at_most_once_a_second() {
    for (seconds, window) in [(0, 1), (1, 1), (7, 7)] {
        let state = Mirrored::new(new_store()).freshness(Duration::from_secs(seconds));
        let sessions = manager(state, &Keyring::new(key(1)));
        assert_eq!(sessions.watch_window(), Duration::from_secs(window));
    }
    assert_eq!(sessions(Place::Store, new_store()).watch_window(), Duration::from_secs(1));
}
