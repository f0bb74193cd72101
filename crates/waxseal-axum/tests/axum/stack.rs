//! The layer among others: nested and merged routers, state, tower-http, requests of other sites.

use std::time::Duration;

use axum::extract::State;
use axum::{Router, routing::get, routing::post};
use http::{HeaderValue, Method, Request, StatusCode};
use tower::ServiceBuilder;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use waxseal_axum::{CrossOrigin, MemoryStore, Result, Session, SessionLayer, Waxseal};

use crate::browser::Browser;

async fn count(session: Session, State(step): State<i64>) -> Result<String> {
    session.add("visits", step)?;
    Ok(session.get::<i64>("visits")?.unwrap_or_default().to_string())
}

fn sessions() -> SessionLayer {
    Waxseal::ephemeral().store(MemoryStore::new()).layer().unwrap()
}

fn routes() -> Router {
    let deep = Router::new().route("/deep", get(count).post(count));
    let merged = Router::new().route("/merged", get(count).post(count));
    Router::new().route("/", get(count).post(count)).nest("/nested", deep).merge(merged).with_state(2)
}

#[tokio::test]
async fn one_session_is_in_nested_and_merged_routers_with_state() {
    let mut browser = Browser::new(routes().layer(sessions()));
    for (visit, path) in ["/", "/nested/deep", "/merged"].iter().enumerate() {
        assert_eq!(browser.get(path).await.text, (4 * visit + 2).to_string(), "{path}");
        assert_eq!(browser.post(path).await.text, (4 * visit + 4).to_string(), "{path}, without a Host");
    }
}

#[tokio::test]
async fn the_layer_goes_with_those_of_tower_http_in_either_order() {
    let timeout = || TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(9));
    let cors = || CorsLayer::new().allow_origin(HeaderValue::from_static("https://app.example"));
    let around = routes()
        .layer(sessions())
        .layer(timeout())
        .layer(cors())
        .layer(RequestBodyLimitLayer::new(1_000))
        .layer(TraceLayer::new_for_http());
    let within = routes()
        .layer(RequestBodyLimitLayer::new(1_000))
        .layer(cors())
        .layer(timeout())
        .layer(TraceLayer::new_for_http())
        .layer(sessions());
    let built = routes().layer(
        ServiceBuilder::new()
            .layer(TraceLayer::new_for_http())
            .layer(RequestBodyLimitLayer::new(1_000))
            .layer(timeout())
            .layer(cors())
            .layer(sessions())
            .layer(timeout()),
    );
    for (case, app) in [("around", around), ("within", within), ("built", built)] {
        let mut browser = Browser::new(app);
        assert_eq!(browser.get("/").await.text, "2", "{case}");
        assert_eq!(browser.post("/").await.text, "4", "{case}");
        let preflight = Request::options("/").header("origin", "https://app.example");
        let preflight = preflight.header("access-control-request-method", "GET");
        let answer = browser.send(preflight, "".into()).await;
        assert_eq!(
            (answer.status, &*answer.text),
            (StatusCode::OK, ""),
            "{case}: an answer of the outer layer's own"
        );
        let read = browser.send(Request::get("/").header("origin", "https://app.example"), "".into()).await;
        let allowed = &read.headers["access-control-allow-origin"];
        assert_eq!((&*read.text, allowed), ("6", &HeaderValue::from_static("https://app.example")), "{case}");
        let large = Request::post("/").header("content-length", "1001");
        assert_eq!(browser.send(large, "a".repeat(1_001).into()).await.status, 413, "{case}");
        assert_eq!(browser.get("/").await.text, "8", "{case}: of what was too large nothing was done");
    }
}

#[tokio::test]
async fn a_handler_that_a_time_limit_ends_changes_nothing() {
    async fn slow(session: Session) -> Result<()> {
        session.insert("visits", 100)?;
        std::future::pending().await
    }
    let limit = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::ZERO);
    let slow = Router::new().route("/slow", post(slow)).layer(limit);
    let mut browser = Browser::new(routes().merge(slow).layer(sessions()));
    browser.get("/").await;
    assert_eq!(browser.post("/slow").await.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(browser.get("/").await.text, "4");
}

#[tokio::test]
async fn a_single_page_app_on_a_trusted_origin_may_write() {
    const APP: &str = "https://app.example";
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static(APP))
        .allow_methods([Method::POST])
        .allow_credentials(true);
    let waxseal = Waxseal::ephemeral().cross_origin(CrossOrigin::refuse().trust([APP]).unwrap());
    let mut browser = Browser::new(routes().layer(waxseal.layer().unwrap()).layer(cors));
    let from = |origin: &str, method: &str| {
        let request = Request::builder().method(method).uri("/").header("origin", origin);
        request.header("host", "api.example").header("sec-fetch-site", "same-site")
    };
    let asked = from(APP, "OPTIONS").header("access-control-request-method", "POST");
    let asked = browser.send(asked, "".into()).await;
    assert_eq!(
        (asked.status, &asked.headers["access-control-allow-origin"]),
        (StatusCode::OK, &APP.parse().unwrap())
    );
    let written = browser.send(from(APP, "POST"), "".into()).await;
    assert_eq!(
        (&*written.text, &written.headers["access-control-allow-origin"]),
        ("2", &APP.parse().unwrap())
    );

    let refused = browser.send(from("https://evil.example", "POST"), "".into()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("`CrossOrigin::refuse().trust("), "{}", refused.text);
}
