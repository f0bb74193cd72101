//! Sign-outs that still wait for the session store when the server has stopped.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::carrier::Carrier;

/// The longest time for a last attempt: a store that is away must not keep a restart waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for commits that are under way, tries once more to tell the store of ended sessions, and says how many it could
/// not be told of. Does nothing if none waits.
pub(crate) async fn finish(carrier: &Carrier) {
    let (sessions, commits) = (carrier.sessions(), carrier.commits());
    let last = Instant::now() + PATIENCE;
    // A commit may end a session while the store is away.
    let _ = timeout_at(last, commits.done()).await;
    if sessions.ends_waiting() > 0 {
        // Its result is in what is left.
        let _ = timeout_at(last, sessions.finish_ends(carrier.now())).await;
    }
    let unsaved = commits.len();
    if unsaved > 0 {
        tracing::warn!(
            unsaved,
            "sessions were being saved or ended, and the session store had not answered until the server stopped; \
             whether it did so is not known"
        );
    }
    let left = sessions.ends_waiting();
    if left > 0 {
        tracing::warn!(
            left,
            "sessions were ended here, and the session store could not be told until the server stopped; for whoever \
             has a copy of their cookies they are valid again until they expire"
        );
    }
}

#[cfg(test)]
mod tests {
    use waxseal_crypto::{Keyring, SecretKey};
    use waxseal_manager::{Access, Outcome, SessionManager};
    use waxseal_store::MemoryStore;
    use waxseal_store::testing::FaultyStore;

    use super::*;
    use crate::session_cookie::SessionCookie;
    use crate::session_layer::SessionLayer;

    /// A layer over `store`, and the token of a visitor whose session it holds.
    async fn with_a_session(store: &FaultyStore<MemoryStore>) -> (SessionLayer, String) {
        let cookie = SessionCookie::builder().build().unwrap();
        let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
        let sessions = SessionManager::store(&keyring, cookie.name(), "demo", store.clone()).unwrap();
        let layer = SessionLayer::new(sessions, cookie);
        let visit = layer.sessions().create();
        visit.session().insert("name", "Albus").unwrap();
        match layer.sessions().commit(&visit, layer.now()).await.unwrap() {
            Outcome::Set { token, .. } => (layer, token.to_string()),
            other => panic!("a new session has a token: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_attempt_is_made_once_and_is_bounded() {
        let store = FaultyStore::new(MemoryStore::new());
        let (layer, token) = with_a_session(&store).await;
        let sessions = layer.sessions();
        let now = layer.now();
        let visit = sessions.open(token.as_bytes(), Access::Change, now).unwrap().load(now).await.unwrap();
        visit.session().destroy().unwrap();
        store.set_away(true);
        sessions.commit(&visit, now).await.unwrap();
        assert_eq!(sessions.ends_waiting(), 1);
        layer.finish_ends().await;
        assert_eq!(sessions.ends_waiting(), 1, "the store is away");

        store.set_away(false);
        store.set_held(true);
        let since = tokio::time::Instant::now();
        layer.finish_ends().await;
        assert_eq!(sessions.ends_waiting(), 1, "it is silent");
        assert!(since.elapsed() <= PATIENCE + Duration::from_millis(1), "{:?}", since.elapsed());

        store.set_held(false);
        layer.finish_ends().await;
        assert_eq!(sessions.ends_waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_out_whose_visitor_has_hung_up_is_waited_for() {
        let store = FaultyStore::new(MemoryStore::new());
        let (layer, token) = with_a_session(&store).await;
        let open = async || {
            let (now, sessions) = (layer.now(), layer.sessions());
            sessions.open(token.as_bytes(), Access::Change, now).unwrap().load(now).await.unwrap()
        };
        let pair = format!("{}={token}", layer.cookie().name());
        let headers = http::HeaderMap::from_iter([(http::header::COOKIE, pair.parse().unwrap())]);
        let request = layer.session_of(&http::Method::POST, &http::Uri::default(), &headers);
        request.load().await.unwrap().destroy().unwrap();
        store.set_held(true);
        let mut response = http::Response::new(());
        assert!(tokio::time::timeout(Duration::ZERO, layer.finish(&request, &mut response)).await.is_err());

        let since = Instant::now();
        layer.finish_ends().await;
        assert!(since.elapsed() <= PATIENCE + Duration::from_millis(1), "{:?}", since.elapsed());
        assert_eq!(layer.carrier().commits().len(), 1, "it is silent");

        let release = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            store.set_held(false);
        };
        tokio::join!(layer.finish_ends(), release);
        assert_eq!(layer.carrier().commits().len(), 0);
        assert!(open().await.session().is_new());
    }
}
