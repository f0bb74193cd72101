//! Tokens of a server that kept its sessions in another state before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Outcome, SessionManager};
use waxseal_store::MemoryStore;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// Sessions in each state, of the same keys, cookie and app but where another is said.
fn states(keys: &[u8], cookie: &str, app: &str) -> [(&'static str, SessionManager); 3] {
    let key = |byte: &u8| SecretKey::from_bytes([*byte; 32]);
    let ring = Keyring::new(key(&keys[0]));
    let ring = keys[1..].iter().fold(ring, |ring, byte| ring.with_fallback(key(byte)).unwrap());
    [
        ("cookie", SessionManager::cookie(&ring, cookie, app).unwrap()),
        ("store", SessionManager::store(&ring, cookie, app, MemoryStore::new()).unwrap()),
        ("mirrored", SessionManager::mirrored(&ring, cookie, app, MemoryStore::new()).unwrap()),
    ]
}

async fn token(sessions: &SessionManager) -> String {
    let session = sessions.create();
    session.insert("name", "Merlin").unwrap();
    match sessions.commit(&session, now()).await.unwrap() {
        Outcome::Set { token, .. } => token,
        other => panic!("{other:?}"),
    }
}

fn refusal(sessions: &SessionManager, token: &str) -> Option<(String, &'static str, Option<u8>)> {
    let rejected = sessions.open(token.as_bytes(), Access::Read, now()).err()?;
    let reason = rejected.reason();
    let inspected = sessions.inspect(token.as_bytes(), now()).unwrap_err();
    assert_eq!(inspected.reason().to_string(), reason.to_string());
    Some((reason.to_string(), reason.word(), reason.step()))
}

#[tokio::test]
async fn a_token_of_another_state_is_refused_and_says_of_which_it_is() {
    for (before, old) in states(&[1], "session", "demo") {
        let token = token(&old).await;
        // Also by a key that is a fallback by now.
        for keys in [&[1][..], &[2, 1]] {
            for (after, new) in states(keys, "session", "demo") {
                let expected = (before != after).then(|| {
                    let said = format!(
                        "sealed in state `{before}`, and this server keeps sessions in another state"
                    );
                    (said, "commitment", Some(5))
                });
                assert_eq!(refusal(&new, &token), expected, "{before} to {after}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_of_another_app_or_cookie_says_nothing_of_a_state() {
    for (before, old) in states(&[1], "session", "demo") {
        let token = token(&old).await;
        for (cookie, app) in [("other", "demo"), ("session", "shop")] {
            for (_, new) in states(&[1], cookie, app) {
                let (said, ..) = refusal(&new, &token).expect(before);
                // A signed token has another length than a sealed one.
                let reasons = ["commitment differs", "MAC differs", "length is not"];
                assert!(reasons.iter().any(|reason| said.starts_with(reason)), "{said}");
            }
        }
        let mut damaged = token.into_bytes();
        let at = damaged.len() / 2;
        damaged[at] ^= 1;
        let damaged = String::from_utf8(damaged).unwrap();
        for (_, new) in states(&[1], "session", "demo") {
            let (said, ..) = refusal(&new, &damaged).expect(before);
            assert!(!said.contains("sealed in state"), "{said}");
        }
    }
}
