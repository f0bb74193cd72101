//! The layer around other services: which requests it refuses and in what words, more than one layer, bodies of any type,
//! and maintenance that runs by itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::service::Service as _;
use tower_service::Service as _;
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::{Clock, CrossOrigin, RequestSession, SessionCookie, SessionLayer};
use waxseal_manager::{SessionManager, Stored};
use waxseal_store::testing::FaultyStore;
use waxseal_store::{MemoryStore, SessionStore};

fn layer() -> SessionLayer {
    named("__Host-session")
}

fn named(cookie: &str) -> SessionLayer {
    let keyring = Keyring::new(SecretKey::generate().unwrap());
    let sessions = SessionManager::cookie(&keyring, cookie, "demo").unwrap();
    SessionLayer::new(sessions, SessionCookie::builder().name(cookie).build().unwrap())
}

async fn visits(Extension(session): Extension<RequestSession>) -> String {
    let session = session.load().await.unwrap();
    session.add("visits", 1).unwrap();
    session.get::<u32>("visits").unwrap().unwrap().to_string()
}

async fn send(app: &Router, request: Request<Body>) -> (StatusCode, http::HeaderMap, String) {
    let (head, body) = app.clone().call(request).await.unwrap().into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn cross_site(path: &str) -> Request<Body> {
    Request::post(path)
        .header("host", "a.example")
        .header("origin", "https://<b>.example")
        .header("sec-fetch-site", "cross-site")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn a_refusal_says_what_it_is_and_how_to_allow_it() {
    let app = Router::new().route("/", post(visits)).layer(layer());
    let (status, headers, text) = send(&app, cross_site("/")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(text.starts_with("the browser calls this request `cross-site`; "), "{text}");
    assert!(text.contains("`CrossOrigin::allow()`"), "{text}");

    let long = format!("https://{}.example/\u{e9}", "a".repeat(500));
    let request = Request::post("/").header("host", "a.example").header("origin", long.as_bytes());
    let (status, _, text) = send(&app, request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.is_ascii() && text.len() < 700, "{text}");
}

#[tokio::test]
async fn a_handshake_of_another_sites_page_is_refused_as_what_could_change_something() {
    let handshake = |site: &str| {
        let request = Request::get("/live").header("host", "a.example").header("origin", "https://b.example");
        let request = request.header("sec-fetch-site", site).header("connection", "upgrade");
        request.header("upgrade", "websocket").body(Body::empty()).unwrap()
    };
    let app = Router::new().route("/live", get(visits)).layer(layer());
    let (status, headers, text) = send(&app, handshake("cross-site")).await;
    assert_eq!((status, headers.contains_key("set-cookie")), (StatusCode::FORBIDDEN, false));
    assert!(text.contains("WebSocket") && text.contains("`CrossOrigin::refuse().trust("), "{text}");
    assert_eq!(send(&app, handshake("same-origin")).await.0, StatusCode::OK);
    let rule = CrossOrigin::refuse().trust(["https://b.example"]).unwrap();
    let trusting = Router::new().route("/live", get(visits)).layer(layer().cross_origin(rule));
    assert_eq!(send(&trusting, handshake("cross-site")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_test_without_host_passes() {
    let app = Router::new().route("/", post(visits)).layer(layer());
    let (status, _, text) = send(&app, Request::post("/").body(Body::empty()).unwrap()).await;
    assert_eq!((status, &*text), (StatusCode::OK, "1"));
}

#[tokio::test]
async fn the_rule_is_for_a_layer_a_path_or_a_clone_around_some_routes() {
    let sessions = layer();
    let all =
        Router::new().route("/", post(visits)).layer(sessions.clone().cross_origin(CrossOrigin::allow()));
    assert_eq!(send(&all, cross_site("/")).await.0, StatusCode::OK);

    let rule = CrossOrigin::refuse().except("/hook");
    let some = Router::new().route("/hook", post(visits)).route("/", post(visits));
    let some = some.layer(sessions.clone().cross_origin(rule));
    assert_eq!(send(&some, cross_site("/hook")).await.0, StatusCode::OK);
    assert_eq!(send(&some, cross_site("/")).await.0, StatusCode::FORBIDDEN);

    let hooks = Router::new().route("/hook", post(visits));
    let hooks = hooks.layer(sessions.clone().cross_origin(CrossOrigin::allow()));
    let merged = Router::new().route("/", post(visits)).layer(sessions).merge(hooks);
    assert_eq!(send(&merged, cross_site("/hook")).await.0, StatusCode::OK);
    assert_eq!(send(&merged, cross_site("/")).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_clone_within_applies_its_own_rule() {
    let sessions = layer();
    let strict = Router::new().route("/", post(visits)).layer(sessions.clone());
    let lax = sessions.cross_origin(CrossOrigin::allow());
    let app = Router::new().nest("/strict", strict).route("/lax", post(visits)).layer(lax);
    assert_eq!(send(&app, cross_site("/strict")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send(&app, cross_site("/lax")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_layer_twice_does_its_work_once() {
    let sessions = layer();
    let inner = Router::new().route("/", get(visits)).layer(sessions.clone());
    let app = Router::new().nest("/nested", inner).layer(sessions);
    let request = Request::get("/nested").body(Body::empty()).unwrap();
    let (status, headers, text) = send(&app, request).await;
    assert_eq!((status, &*text), (StatusCode::OK, "1"));
    assert_eq!(headers.get_all("set-cookie").iter().count(), 1);
}

#[tokio::test]
async fn layers_with_cookies_of_two_names_each_carry_their_session() {
    let outer = axum::middleware::from_fn(
        |Extension(session): Extension<RequestSession>,
         request: axum::extract::Request,
         next: axum::middleware::Next| async move {
            session.load().await.unwrap().insert("outer", true).unwrap();
            next.run(request).await
        },
    );
    let inner = Router::new().route("/", get(visits)).layer(named("__Host-inner"));
    let app = inner.layer(outer).layer(named("__Host-outer"));
    let (status, headers, _) = send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let sets: Vec<_> = headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(sets[0].starts_with("__Host-inner=") && sets[1].starts_with("__Host-outer="), "{sets:?}");
}

#[tokio::test]
async fn two_managers_for_one_cookie_are_refused_in_plain_words() {
    let app = Router::new().route("/", get(visits)).layer(layer()).layer(layer());
    let (status, headers, text) = send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.starts_with("two session layers with different managers are around this route"), "{text}");
    assert!(!headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn bodies_are_of_any_type_and_need_no_default() {
    type Boxed = BoxBody<Bytes, std::io::Error>;
    let boxed = hyper::service::service_fn(async |_: Request<Full<Bytes>>| {
        let body: Boxed = Full::from("boxed").map_err(|never: Infallible| match never {}).boxed();
        Ok::<_, Infallible>(Response::new(body))
    });
    let sessions = layer();
    let answer = sessions.layer(boxed).call(Request::new(Full::default())).await.unwrap();
    assert_eq!(hyper::body::Body::size_hint(answer.body()).exact(), Some(5));
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "boxed");

    let full = hyper::service::service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("full"))))
    });
    let refused = Request::post("/").header("sec-fetch-site", "cross-site").body(Full::default()).unwrap();
    let answer = sessions.layer(full).call(refused).await.unwrap();
    let size = hyper::body::Body::size_hint(answer.body()).exact().unwrap();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!((text.len() as u64, text.starts_with(b"the browser")), (size, true));
}

/// A layer in state `store`, whose clock counts how often it is asked.
fn stored(store: impl SessionStore) -> (SessionLayer, Arc<AtomicUsize>) {
    let keyring = Keyring::new(SecretKey::generate().unwrap());
    let sessions = SessionManager::new(&keyring, "__Host-session", "demo", Stored::new(store)).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let clock = Clock::from_fn(move || {
        count.fetch_add(1, Ordering::Relaxed);
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    });
    let layer = SessionLayer::new(sessions, SessionCookie::builder().build().unwrap());
    (layer.with_clock(clock), asked)
}

/// Rounds within ten minutes of a paused clock, told by the readings of the layer's.
async fn rounds(asked: &AtomicUsize) -> usize {
    let before = asked.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(600)).await;
    asked.load(Ordering::Relaxed) - before
}

#[tokio::test(start_paused = true)]
async fn the_first_request_begins_maintenance_and_the_last_layer_ends_it() {
    let (layer, asked) = stored(FaultyStore::new(MemoryStore::new()));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let at_rest = tasks();
    assert_eq!(rounds(&asked).await, 0, "nobody has come");

    let app: Router = Router::new().route("/", get(async || "")).layer(layer.clone()).layer(layer.clone());
    for _ in 0..3 {
        send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    }
    assert_eq!(tasks(), at_rest + 1, "one task for each manager");
    assert!(rounds(&asked).await >= 600, "each second a look, and each minute a round");

    drop(app);
    assert!(rounds(&asked).await >= 600, "a layer is left");
    drop(layer);
    tokio::task::yield_now().await;
    assert_eq!((tasks(), rounds(&asked).await), (at_rest, 0), "no layer is left");
}

#[test]
fn maintenance_begins_anew_in_another_runtime() {
    let (layer, asked) = stored(MemoryStore::new());
    let app: Router = Router::new().route("/", get(async || "")).layer(layer);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
            assert!(rounds(&asked).await >= 600);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_that_maintains_by_itself_is_left_to_it() {
    let (layer, _) = stored(MemoryStore::new());
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let app: Router = Router::new().route("/", get(async || "")).layer(layer.clone());
    send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    let at_rest = tasks();
    let own = tokio::spawn(async move { layer.maintain().await });
    for _ in 0..3 {
        tokio::task::yield_now().await;
        send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    }
    assert_eq!(tasks(), at_rest, "its task took the place of ours");
    own.abort();
    assert!(own.await.unwrap_err().is_cancelled());
    send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(tasks(), at_rest, "and ours its");
}
