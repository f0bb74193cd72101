//! Stores that do not make every promise: what needs the promise is refused with a sentence, and the rest works.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_key_value::{KeyValue, KeyValueStore};
use waxseal_manager::{Access, Adoption, Error, FormerState, Outcome, Revocable, SessionManager};
use waxseal_store::{Promise, Timestamp};

/// Values without an order of their keys.
#[derive(Clone, Default)]
struct Unordered(Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>);

impl KeyValue for Unordered {
    type Error = Infallible;

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn swap(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        _expires: Timestamp,
    ) -> Result<bool, Infallible> {
        let mut values = self.0.lock().unwrap();
        if values.get(key).map(Vec::as_slice) != before {
            return Ok(false);
        }
        match after {
            Some(after) => values.insert(key.to_vec(), after.to_vec()),
            None => values.remove(key),
        };
        Ok(true)
    }
}

fn keyring() -> Keyring {
    Keyring::new(SecretKey::from_bytes([1; 32]))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

fn lacks<T>(result: Result<T, Error>, promise: Promise) -> bool {
    matches!(result, Err(Error::NotPromised(lacking)) if lacking == promise)
}

#[tokio::test]
async fn without_lists_sessions_are_signed_in_and_ended_and_only_lists_are_refused() {
    let store = KeyValueStore::new(Unordered::default());
    let sessions = SessionManager::mirrored(&keyring(), "__Host-session", "demo", store).unwrap();
    let visit = sessions.create();
    visit.sign_in("albus", now()).unwrap();
    let Outcome::Set { token, .. } = sessions.commit(&visit, now()).await.unwrap() else {
        panic!("it is new")
    };
    let open =
        async || sessions.open(token.as_bytes(), Access::Change, now()).unwrap().load(now()).await.unwrap();
    assert_eq!(open().await.owner().as_deref(), Some("albus"));

    assert!(lacks(sessions.list("albus", None, 10, now()).await, Promise::Lists));
    assert!(lacks(sessions.last_used(&visit, 10, now()).await, Promise::Lists));
    assert!(lacks(sessions.rewrap(None, 10, now()).await, Promise::Keys));

    sessions.end_all("albus", now()).await.unwrap();
    assert_eq!(open().await.owner(), None);
}

#[test]
fn a_list_of_revoked_sessions_needs_a_store_with_lists() {
    let store = || KeyValueStore::new(Unordered::default());
    let made = SessionManager::new(&keyring(), "__Host-session", "demo", Revocable::new(store()));
    assert!(lacks(made.map(drop), Promise::Lists));

    let sessions = SessionManager::mirrored(&keyring(), "__Host-session", "demo", store()).unwrap();
    let from_cookies = Adoption::new(now(), now() + Duration::from_secs(60));
    let error = sessions.adopting(from_cookies.from_state(FormerState::Cookie)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this store does not make the promise `lists`, so it is not fit for a list of one's own sessions, nor for state \
         `cookie` with a list of revoked sessions"
    );
}
