//! Sign-outs with a small retry queue and a small near cache.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Error, Mirrored, Opened, Outcome, Revocable, SessionManager, State, Stored};
use waxseal_session::Error as SessionError;
use waxseal_store::MemoryStore;
use waxseal_store::testing::FaultyStore;

type Store = FaultyStore<MemoryStore>;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
}

fn in_each_state(
    store: &Store,
    near_cache: usize,
    retry_queue: usize,
) -> [(&'static str, SessionManager); 3] {
    let revocable = Revocable::new(store.clone()).near_cache(near_cache).retry_queue(retry_queue);
    let stored = Stored::new(store.clone()).retry_queue(retry_queue);
    let mirrored = Mirrored::new(store.clone()).near_cache(near_cache).retry_queue(retry_queue);
    let states: [(_, State); 3] =
        [("cookie", revocable.into()), ("store", stored.into()), ("mirrored", mirrored.into())];
    let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
    states.map(|(name, state)| (name, SessionManager::new(&keyring, "session", "tests", state).unwrap()))
}

async fn sign_in(sessions: &SessionManager, now: u64) -> String {
    let session = sessions.create();
    session.sign_in("albus", at(now)).unwrap();
    match sessions.commit(&session, at(now)).await.unwrap() {
        Outcome::Set { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

/// As a handler does whose session cannot be loaded.
async fn sign_out(sessions: &SessionManager, token: &str, now: u64) -> Result<Outcome, Error> {
    let session = match sessions.open(token.as_bytes(), Access::Change, at(now)).unwrap() {
        Opened::Ready(session) => session,
        Opened::Pending(pending) => match pending.load(at(now)).await {
            Ok(session) => session,
            Err(_) => match sessions.open(token.as_bytes(), Access::Change, at(now)).unwrap() {
                Opened::Ready(session) => session,
                Opened::Pending(pending) => pending.to_end(),
            },
        },
    };
    session.destroy().unwrap();
    let outcome = sessions.commit(&session, at(now)).await;
    if outcome.is_err() {
        // What is answered in its place: the app's error handler may have a message for it.
        assert!(matches!(session.flash("error", "Try again."), Err(SessionError::Unconfirmed)));
        assert_eq!(sessions.commit(&session, at(now)).await.unwrap(), Outcome::Keep);
    }
    outcome
}

async fn is_good(sessions: &SessionManager, token: &str, access: Access, now: u64) -> bool {
    let opened = sessions.open(token.as_bytes(), access, at(now)).unwrap();
    !opened.load(at(now)).await.unwrap().is_new()
}

#[tokio::test]
async fn when_too_many_ends_wait_a_sign_out_is_refused_and_the_cookie_stays() {
    let store = FaultyStore::new(MemoryStore::new());
    for (state, sessions) in in_each_state(&store, 1_000, 2) {
        let tokens = [sign_in(&sessions, 0).await, sign_in(&sessions, 0).await, sign_in(&sessions, 0).await];
        let [first, second, third] = &tokens;
        store.set_away(true);
        for token in [first, second] {
            assert_eq!(sign_out(&sessions, token, 1).await.unwrap(), Outcome::Remove, "{state}");
        }
        let refused = sign_out(&sessions, third, 1).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{state}: {refused:?}");
        store.set_away(false);
        for access in [Access::Read, Access::Change] {
            assert!(is_good(&sessions, third, access, 2).await, "{state}: it did not end");
            for token in [first, second] {
                assert!(!is_good(&sessions, token, access, 2).await, "{state}");
            }
        }
        assert_eq!(sessions.finish_ends(at(3)).await.unwrap(), 0, "{state}");
        assert_eq!(sign_out(&sessions, third, 3).await.unwrap(), Outcome::Remove, "{state}");
        for token in &tokens {
            assert!(!is_good(&sessions, token, Access::Change, 4).await, "{state}");
        }
    }
}

#[tokio::test]
async fn no_number_of_visitors_makes_an_end_that_waits_be_forgotten() {
    let store = FaultyStore::new(MemoryStore::new());
    for (state, sessions) in in_each_state(&store, 3, 10) {
        let copy = sign_in(&sessions, 0).await;
        assert!(is_good(&sessions, &copy, Access::Read, 1).await);
        store.set_away(true);
        assert_eq!(sign_out(&sessions, &copy, 1).await.unwrap(), Outcome::Remove, "{state}");
        store.set_away(false);
        for _ in 0..20 {
            let visitor = sign_in(&sessions, 2).await;
            assert!(is_good(&sessions, &visitor, Access::Read, 2).await);
            assert!(!is_good(&sessions, &copy, Access::Read, 2).await, "{state}");
        }
        assert_eq!(sessions.finish_ends(at(3)).await.unwrap(), 0, "{state}");
        // Now the store knows it.
        for _ in 0..20 {
            let visitor = sign_in(&sessions, 3).await;
            assert!(is_good(&sessions, &visitor, Access::Read, 3).await);
            assert!(!is_good(&sessions, &copy, Access::Read, 3).await, "{state}");
        }
    }
}

#[tokio::test]
async fn what_waits_to_be_ended_is_not_saved_by_a_request_under_way() {
    let store = FaultyStore::new(MemoryStore::new());
    for (state, sessions) in in_each_state(&store, 1_000, 1_000) {
        for renews in [false, true] {
            let token = sign_in(&sessions, 0).await;
            let opened = sessions.open(token.as_bytes(), Access::Change, at(1)).unwrap();
            let under_way = opened.load(at(1)).await.unwrap();
            store.set_away(true);
            assert_eq!(sign_out(&sessions, &token, 2).await.unwrap(), Outcome::Remove, "{state}");
            store.set_away(false);
            under_way.insert("name", 1).unwrap();
            if renews {
                under_way.renew().unwrap();
            }
            let saved = sessions.commit(&under_way, at(2)).await;
            assert!(matches!(saved, Err(Error::Session(SessionError::Gone))), "{state}: {saved:?}");
            assert_eq!(sessions.finish_ends(at(3)).await.unwrap(), 0, "{state}");
        }
    }
}
