//! Sign-outs that still wait for the session store when the server has stopped.

use std::time::Duration;

use waxseal_http::SessionLayer;

/// The longest time for a last attempt: a store that is away must not keep a restart waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries once more to tell the store of ended sessions, and says how many it could not be told of. Does nothing if none
/// waits.
pub(crate) async fn finish(layer: &SessionLayer) {
    let sessions = layer.sessions();
    if sessions.ends_waiting() > 0 {
        // Its result is in what is left.
        let _ = tokio::time::timeout(PATIENCE, sessions.finish_ends(layer.now())).await;
    }
    let left = sessions.ends_waiting();
    if left > 0 {
        tracing::warn!(
            left,
            "sessions were ended here, and the session store could not be told until the server stopped; they are valid \
             again until they expire: end them once more when the store is back"
        );
    }
}

#[cfg(test)]
mod tests {
    use waxseal_crypto::{Keyring, SecretKey};
    use waxseal_http::SessionCookie;
    use waxseal_manager::{Access, SessionManager};
    use waxseal_store::MemoryStore;
    use waxseal_store::testing::FaultyStore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_is_made_once_and_is_bounded() {
        let store = FaultyStore::new(MemoryStore::new());
        let cookie = SessionCookie::builder().build().unwrap();
        let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
        let sessions = SessionManager::store(&keyring, cookie.name(), "demo", store.clone()).unwrap();
        let layer = SessionLayer::new(sessions, cookie);
        let sessions = layer.sessions();
        let visit = sessions.create();
        visit.session().insert("name", "Albus").unwrap();
        let waxseal_manager::Outcome::Set { token, .. } = sessions.commit(&visit, layer.now()).await.unwrap()
        else {
            panic!("a new session has a token")
        };
        let now = layer.now();
        let visit = sessions.open(token.as_bytes(), Access::Change, now).unwrap().load(now).await.unwrap();
        visit.session().destroy().unwrap();
        store.set_away(true);
        sessions.commit(&visit, now).await.unwrap();
        assert_eq!(sessions.ends_waiting(), 1);
        finish(&layer).await;
        assert_eq!(sessions.ends_waiting(), 1, "the store is away");

        store.set_away(false);
        store.set_held(true);
        let since = tokio::time::Instant::now();
        finish(&layer).await;
        assert_eq!(sessions.ends_waiting(), 1, "it is silent");
        assert!(since.elapsed() <= PATIENCE + Duration::from_millis(1), "{:?}", since.elapsed());

        store.set_held(false);
        finish(&layer).await;
        assert_eq!(sessions.ends_waiting(), 0);
    }
}
