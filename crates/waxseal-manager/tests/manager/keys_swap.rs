//! Keys that change while requests are at work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{KeyId, Keyring, SecretKey};
use waxseal_manager::{Access, Outcome, SessionManager};

const NOON: u64 = 1_790_000_000;
const SWAPS: usize = 1_000;
const WORKERS: usize = 4;
/// Old keys that a ring keeps: a worker's cookie is never older than that.
const OLD_KEYS: usize = 12;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key(number: usize) -> SecretKey {
    let mut root = [7; 32];
    root[..8].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(root)
}

/// The ring after so many rotations: that key seals, the next is a fallback already, and a few old ones open.
fn ring(number: usize) -> Keyring {
    let fallbacks = (number.saturating_sub(OLD_KEYS)..number).rev();
    std::iter::once(number + 1)
        .chain(fallbacks)
        .fold(Keyring::new(key(number)), |ring, old| ring.with_fallback(key(old)).unwrap())
}

/// Opens, changes and commits once, and says which key sealed the new token.
fn visit(sessions: &SessionManager, token: &mut String) -> KeyId {
    let session = sessions
        .open(token.as_bytes(), Access::Read, at(NOON))
        .expect("no good cookie is refused")
        .ready()
        .unwrap();
    session.add("visits", 1).unwrap();
    thread::yield_now();
    *token = commit(sessions, &session);
    KeyId::of_text(token.as_bytes()).unwrap()
}

fn commit(sessions: &SessionManager, session: &waxseal_manager::Visit) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(sessions.commit(session, at(NOON))).unwrap() {
        Outcome::Set { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thousand_swaps_refuse_no_good_cookie_and_seal_none_with_a_foreign_key() {
    let ids: Vec<KeyId> = (0..SWAPS + 2).map(|number| key(number).id()).collect();
    let sessions = SessionManager::cookie(&ring(0), "__Host-session", "demo").unwrap();
    let (now, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let visits: [AtomicUsize; WORKERS] = std::array::from_fn(|_| AtomicUsize::new(0));
    thread::scope(|scope| {
        for visited in &visits {
            let (sessions, ids, now, done) = (&sessions, &ids, &now, &done);
            scope.spawn(move || {
                let session = sessions.create();
                session.insert("visits", 0).unwrap();
                let mut token = commit(sessions, &session);
                let mut expected = 0;
                while !done.load(Ordering::SeqCst) {
                    let before = now.load(Ordering::SeqCst);
                    let sealed_by = visit(sessions, &mut token);
                    let after = now.load(Ordering::SeqCst);
                    expected += 1;
                    // The number rises just after the ring is set, so one more may be at work.
                    let allowed = &ids[before..=after + 1];
                    assert!(allowed.contains(&sealed_by), "{sealed_by} after {before} and before {after}");
                    visited.fetch_add(1, Ordering::SeqCst);
                }
                let session =
                    sessions.open(token.as_bytes(), Access::Read, at(NOON)).unwrap().ready().unwrap();
                assert_eq!(session.get::<usize>("visits").unwrap(), Some(expected));
            });
        }
        for number in 1..=SWAPS {
            if number % OLD_KEYS == 0 {
                let counts: Vec<usize> = visits.iter().map(|count| count.load(Ordering::SeqCst)).collect();
                // Twice: the first may have begun before the last wait.
                while visits.iter().zip(&counts).any(|(count, old)| count.load(Ordering::SeqCst) < old + 2) {
                    thread::yield_now();
                }
            }
            sessions.set_keyring(&ring(number));
            now.store(number, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_request_is_finished_with_the_keys_it_began_with() {
    let sessions = SessionManager::cookie(&ring(0), "__Host-session", "demo").unwrap();
    let snapshot = sessions.snapshot();
    let opened_before = sessions.create();
    opened_before.insert("name", "Merlin").unwrap();
    sessions.set_keyring(&Keyring::new(key(9)));
    let token = commit(&sessions, &opened_before);
    assert_eq!(KeyId::of_text(token.as_bytes()), Ok(key(0).id()));
    assert!(sessions.open(token.as_bytes(), Access::Read, at(NOON)).is_err());
    assert!(snapshot.open(token.as_bytes(), Access::Read, at(NOON)).is_ok());
}

#[test]
fn a_promotion_re_seals_what_is_a_minute_old_and_created_survives() {
    let (old, new) = (key(1), key(2));
    let ids = [old.id(), new.id()];
    let sessions = SessionManager::cookie(&Keyring::new(old), "__Host-session", "demo").unwrap();
    let session = sessions.create();
    session.insert("name", "Merlin").unwrap();
    let token = commit(&sessions, &session);
    sessions.set_keyring(&Keyring::new(new).with_fallback(key(1)).unwrap());

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (age, expected) in [(59, None), (60, Some(ids[1]))] {
        let session = sessions.open(token.as_bytes(), Access::Read, at(NOON + age)).unwrap().ready().unwrap();
        assert!(session.contains_key("name"));
        let outcome = runtime.block_on(sessions.commit(&session, at(NOON + age))).unwrap();
        let sealed_by = match &outcome {
            Outcome::Set { token, .. } => Some(KeyId::of_text(token.as_bytes()).unwrap()),
            _ => None,
        };
        assert_eq!(sealed_by, expected, "{age} s");
        if let Outcome::Set { token, .. } = outcome {
            let seen = sessions.inspect(token.as_bytes(), at(NOON + age)).unwrap();
            assert_eq!((seen.times().created(), seen.times().sealed()), (NOON, NOON + age));
        }
    }
}

#[test]
fn an_inspection_shows_what_has_expired_and_can_send_nothing() {
    let sessions = SessionManager::cookie(&ring(0), "__Host-session", "demo").unwrap();
    let session = sessions.create();
    session.insert("name", "Merlin").unwrap();
    session.set_permanent(true).unwrap();
    let token = commit(&sessions, &session);
    let month = 31 * 24 * 60 * 60;
    for (now, word) in [(NOON, None), (NOON + month, Some("idle")), (NOON - 61, Some("future"))] {
        let seen = sessions.inspect(token.as_bytes(), at(now)).unwrap();
        assert_eq!(seen.refused().map(waxseal_manager::Reason::word), word);
        assert_eq!(seen.times().idle_end(seen.limits()), NOON + u64::from(seen.limits().idle));
        assert_eq!((seen.key(), seen.key_position()), (key(0).id(), 0));
        let session = seen.session().unwrap();
        assert!(session.is_permanent() && session.insert("name", "Morgana").is_err());
        assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Merlin"));
        assert!(!format!("{seen:?}").contains("Merlin"));
    }
    let error = sessions.inspect(b"AAAA", at(NOON)).unwrap_err();
    assert_eq!((error.reason().step(), error.reason().word()), (Some(2), "length"));
}
