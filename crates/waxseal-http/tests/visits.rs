//! The example `visits`: what a visitor is told, also when it fails.

#[path = "../examples/visits.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod visits;

use std::time::SystemTime;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header::COOKIE};
use axum::{Router, routing::get};
use tower_service::Service;
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::{SessionCookie, SessionLayer};
use waxseal_manager::{Outcome, SessionManager};
use waxseal_store::MemoryStore;
use waxseal_store::testing::FaultyStore;

/// Status and text of a visit by a session whose `visits` are `earlier`.
async fn visit(sessions: SessionManager, earlier: Option<&str>, before: impl FnOnce()) -> (u16, String) {
    let mut request = Request::get("/").header("host", "a.example");
    if let Some(earlier) = earlier {
        let session = sessions.create();
        session.insert("visits", earlier).unwrap();
        let Outcome::Set { token, .. } = sessions.commit(&session, SystemTime::now()).await.unwrap() else {
            panic!("a session that was written is sealed")
        };
        request = request.header(COOKIE, format!("__Host-session={token}"));
    }
    before();
    let layer = SessionLayer::new(sessions, SessionCookie::builder().build().unwrap()).without_maintenance();
    let mut app: Router = Router::new().route("/", get(visits::visits)).layer(layer);
    let answer = app.call(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_error_is_no_page_of_status_200() {
    let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
    let cookie = || SessionManager::cookie(&keyring, "__Host-session", "counter").unwrap();
    assert_eq!(visit(cookie(), None, || ()).await, (200, "visit number 1\n".to_owned()));
    assert_eq!(visit(cookie(), Some("many"), || ()).await, (500, "session[\"visits\"]\n".to_owned()));

    let store = FaultyStore::new(MemoryStore::new());
    let kept = SessionManager::store(&keyring, "__Host-session", "counter", store.clone()).unwrap();
    let away = "the session store does not answer; try again in some seconds\n".to_owned();
    assert_eq!(visit(kept, Some("many"), || store.fail_next(9)).await, (503, away));
}
