//! The examples `hyper` and `visits`: what a visitor is told, also when it fails.

#[path = "../examples/hyper.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod hyper_alone;
#[path = "../examples/visits.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod visits;

use std::time::SystemTime;

use axum::body::{Body, to_bytes};
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Request, Response};
use axum::{Router, routing::get};
use http_body_util::BodyExt;
use hyper::service::{Service as _, service_fn};
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

#[tokio::test]
async fn raw_hyper_counts_visits_until_they_are_forgotten() {
    let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = SessionManager::store(&keyring, "__Host-session", "counter", store.clone()).unwrap();
    let layer = SessionLayer::new(sessions, SessionCookie::builder().build().unwrap()).without_maintenance();
    let service = layer.layer(service_fn(hyper_alone::app));
    let ask = async |method: &str, path: &str, cookie: &str| -> Response<String> {
        let request = Request::builder().method(method).uri(path).header("host", "a.example");
        let (head, body) = service
            .call(request.header(COOKIE, cookie).body(Body::empty()).unwrap())
            .await
            .unwrap()
            .into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
    };
    let first = ask("GET", "/", "").await;
    assert!(first.body().starts_with("<p>visit number 1</p>"), "{first:?}");
    let cookie = first.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert!(ask("GET", "/", &cookie).await.body().starts_with("<p>visit number 2</p>"));
    assert_eq!(ask("GET", "/visits", &cookie).await.status(), 404);
    store.set_away(true);
    assert_eq!(ask("GET", "/", &cookie).await.status(), 503);
    store.set_away(false);
    let forgotten = ask("POST", "/forget", &cookie).await;
    assert_eq!((forgotten.status().as_u16(), forgotten.headers()[LOCATION].to_str().unwrap()), (303, "/"));
    assert!(ask("GET", "/", &cookie).await.body().starts_with("<p>visit number 1</p>"));
}
