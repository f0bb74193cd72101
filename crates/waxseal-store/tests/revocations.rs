//! State `cookie`, when what was handed out can be taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_store::{Access, Error, MemoryStore, Opened, Outcome, Session, Sessions};

const NOON: u64 = 1_790_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOON + seconds)
}

fn sessions(store: &MemoryStore) -> Sessions {
    let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
    Sessions::cookie(&keyring, "__Host-session", "demo").unwrap().revocable(store.clone())
}

async fn token(sessions: &Sessions, session: &Session, now: u64) -> String {
    match sessions.commit(session, at(now)).await.unwrap() {
        Outcome::Set { token, .. } => token,
        other => panic!("expected a token, found {other:?}"),
    }
}

async fn sign_in(sessions: &Sessions, owner: &str, now: u64) -> String {
    let session = sessions.create();
    session.sign_in(owner, at(now)).unwrap();
    token(sessions, &session, now).await
}

async fn open(sessions: &Sessions, token: &str, access: Access, now: u64) -> Session {
    sessions.open(token.as_bytes(), access, at(now)).unwrap().load(at(now)).await.unwrap()
}

async fn is_good(sessions: &Sessions, token: &str, access: Access, now: u64) -> bool {
    !open(sessions, token, access, now).await.is_new()
}

#[tokio::test]
async fn a_copy_of_a_destroyed_session_is_refused_here_at_once_and_elsewhere_within_the_window() {
    let store = MemoryStore::new();
    let (here, there) = (sessions(&store), sessions(&store));
    let copy = sign_in(&here, "albus", 0).await;
    assert!(is_good(&there, &copy, Access::Read, 9).await);
    let session = open(&here, &copy, Access::Change, 10).await;
    session.destroy().unwrap();
    assert_eq!(here.commit(&session, at(10)).await.unwrap(), Outcome::Remove);

    assert!(!is_good(&here, &copy, Access::Read, 10).await);
    assert!(is_good(&there, &copy, Access::Read, 13).await, "asked 4 seconds ago");
    assert!(!is_good(&there, &copy, Access::Change, 13).await);
    assert!(!is_good(&there, &copy, Access::Read, 13).await, "an end that is known is final");
    assert!(!is_good(&sessions(&store), &copy, Access::Read, 14).await, "who never met it asks");
}

#[tokio::test]
async fn a_renewed_sessions_old_token_is_a_strangers() {
    let store = MemoryStore::new();
    let (here, there) = (sessions(&store), sessions(&store));
    let planted = sign_in(&here, "albus", 0).await;
    let session = open(&here, &planted, Access::Change, 5).await;
    session.sign_in("minerva", at(5)).unwrap();
    let new = token(&here, &session, 5).await;
    for sessions in [&here, &there] {
        assert!(!is_good(sessions, &planted, Access::Read, 5).await);
        assert!(is_good(sessions, &new, Access::Read, 5).await);
    }
}

#[tokio::test]
async fn ending_all_ends_what_had_begun_and_a_sign_in_of_the_same_second_holds() {
    let store = MemoryStore::new();
    let (here, there) = (sessions(&store), sessions(&store));
    let tokens = [sign_in(&here, "albus", 0).await, sign_in(&there, "albus", 7).await];
    let other = sign_in(&here, "minerva", 0).await;
    here.end_all("albus", at(7)).await.unwrap();
    let after = sign_in(&there, "albus", 7).await;
    for sessions in [&here, &there] {
        for token in &tokens {
            assert!(!is_good(sessions, token, Access::Change, 8).await);
        }
        assert!(is_good(sessions, &after, Access::Change, 8).await);
        assert!(is_good(sessions, &other, Access::Change, 8).await);
    }
    // A moment earlier than the one on record does not bring anything back.
    there.end_all("albus", at(3)).await.unwrap();
    assert!(!is_good(&there, &tokens[1], Access::Change, 9).await);
}

#[tokio::test]
async fn ending_all_others_keeps_this_one() {
    let store = MemoryStore::new();
    let sessions = sessions(&store);
    let (mine, others) = (sign_in(&sessions, "albus", 0).await, sign_in(&sessions, "albus", 1).await);
    let session = open(&sessions, &mine, Access::Change, 2).await;
    sessions.end_others(&session).unwrap();
    let renewed = token(&sessions, &session, 2).await;
    assert!(is_good(&sessions, &renewed, Access::Change, 2).await);
    assert!(!is_good(&sessions, &others, Access::Change, 2).await);
    assert!(!is_good(&sessions, &mine, Access::Change, 2).await);
    let stranger = sessions.create();
    assert!(matches!(sessions.end_others(&stranger), Err(Error::Owner)));
}

#[tokio::test]
async fn a_page_read_again_within_the_window_asks_nobody() {
    let sessions = sessions(&MemoryStore::new());
    let token = sign_in(&sessions, "albus", 0).await;
    let asked = Arc::new(AtomicUsize::new(0));
    for now in 0..20 {
        match sessions.open(token.as_bytes(), Access::Read, at(now)).unwrap() {
            Opened::Ready(session) => assert!(!session.is_new()),
            Opened::Pending(pending) => {
                asked.fetch_add(1, Ordering::Relaxed);
                pending.load(at(now)).await.unwrap();
            }
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 4, "once in five seconds");
}

#[tokio::test]
async fn entries_are_purged_when_what_they_name_is_over() {
    let store = MemoryStore::new();
    let sessions = sessions(&store);
    let token = sign_in(&sessions, "albus", 0).await;
    let session = open(&sessions, &token, Access::Change, 1).await;
    session.destroy().unwrap();
    sessions.commit(&session, at(1)).await.unwrap();
    let purged = async |now| sessions.upkeep(|| at(now)).await.unwrap().unwrap().purged;
    assert_eq!((purged(12 * 3_600 - 1).await, purged(12 * 3_600).await), (0, 1));
    assert!(matches!(sessions.list("albus", None, 10, at(1)).await, Err(Error::NoStore)));
}
