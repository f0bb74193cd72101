//! Sessions that are bound to devices.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::Request;
use waxseal_axum::{DeviceBinding, DevicePolicy, MemoryStore, Result, Session, Waxseal};

use crate::browser::{Answer, Browser};
use crate::device_key::{Key, quoted};

async fn sign_in(session: Session) -> Result<()> {
    session.sign_in("user-7").await
}

async fn home(session: Session) -> Result<String> {
    let own = session.own_sessions().await?;
    let since = own.first().and_then(|own| own.bound_since).is_some();
    Ok(format!("{:?} {} {since}", session.device().await?, session.owner().unwrap_or_default()))
}

fn app(binding: Option<DeviceBinding>) -> Result<Router> {
    let waxseal = Waxseal::ephemeral().mirrored(MemoryStore::new());
    let waxseal = match binding {
        Some(binding) => waxseal.device_bound(binding),
        None => waxseal,
    };
    let routes = Router::new().route("/", get(home)).route("/in", post(sign_in));
    Ok(routes.layer(waxseal.layer()?))
}

#[tokio::test]
async fn a_sign_in_is_offered_a_binding_if_the_layer_binds() {
    for binds in [true, false] {
        let mut browser =
            Browser::new(app(binds.then(|| DeviceBinding::new(DevicePolicy::Require))).unwrap());
        assert_eq!(browser.get("/").await.text, "Unbound  false");
        let signed_in = browser.post("/in").await;
        assert_eq!(signed_in.headers.contains_key("secure-session-registration"), binds);
        let expected = if binds { "Offered user-7 false" } else { "Unbound user-7 false" };
        assert_eq!(browser.get("/").await.text, expected);
        let refresh = browser.post("/_device/refresh").await;
        assert_eq!(refresh.status, if binds { 400 } else { 404 }, "the layer answers it");
    }
}

/// As the crate's documentation says it of the order of layers.
#[tokio::test]
async fn the_paths_of_the_devices_belong_to_the_fallback_that_counts() {
    let binding = || DeviceBinding::new(DevicePolicy::Require);
    let other = || Router::new().route("/health", get(async || ""));
    let merged_before = other().merge(app(Some(binding())).unwrap());
    let merged_after = app(Some(binding())).unwrap().merge(other());
    let fallback_after = app(Some(binding())).unwrap().fallback(async || http::StatusCode::NOT_FOUND);
    for (case, app, status) in
        [("before", merged_before, 400), ("after", merged_after, 404), ("fallback", fallback_after, 404)]
    {
        assert_eq!(Browser::new(app).post("/_device/refresh").await.status, status, "{case}");
    }
}

/// Through the layer alone, as a browser does it: nothing of it is a route of the app.
#[tokio::test]
async fn a_browser_registers_and_refreshes_and_its_pages_are_proven() {
    let (key, other) = (Key::new(7), Key::new(8));
    let mut browser = Browser::new(app(Some(DeviceBinding::new(DevicePolicy::Require))).unwrap());
    let signed_in = browser.post("/in").await;
    let offer = signed_in.headers["secure-session-registration"].to_str().unwrap();
    let registration = key.register(quoted(offer, "challenge=\""));
    let registered = call(&mut browser, "register", &[("secure-session-response", &registration)]).await;
    assert_eq!(registered.status, 200);
    assert!(is_proven(&mut browser).await);

    // At the end of its time the browser forgets the device cookie.
    let (name, proof) = browser.cookies.iter().find(|(name, _)| is_device_cookie(name)).unwrap();
    let (name, proof) = (name.clone(), proof.clone());
    browser.cookies.remove(&name);
    assert_eq!(browser.get("/").await.text, "Settling user-7 true");
    let text = registered.text;
    let id = ("sec-secure-session-id", quoted(&text, r#""session_identifier":""#));
    let challenged = call(&mut browser, "refresh", &[id]).await;
    assert_eq!(challenged.status, 403);
    let challenge = challenged.headers["secure-session-challenge"].to_str().unwrap();
    let challenge = quoted(challenge, "\"");
    for (key, status) in [(&other, 400), (&key, 200)] {
        assert!(!browser.cookies.contains_key(&name));
        let response = key.refresh(challenge);
        let refreshed = call(&mut browser, "refresh", &[id, ("secure-session-response", &response)]).await;
        assert_eq!(refreshed.status, status);
    }
    assert_ne!(browser.cookies[&name], proof);
    assert!(is_proven(&mut browser).await);
}

async fn is_proven(browser: &mut Browser) -> bool {
    let page = browser.get("/").await.text;
    page.starts_with("Proven(") && page.ends_with(") user-7 true")
}

fn is_device_cookie(name: &str) -> bool {
    name.starts_with("__Host-session-")
}

async fn call(browser: &mut Browser, endpoint: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::post(format!("/_device/{endpoint}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    browser.send(request, Body::empty()).await
}

#[test]
fn settings_that_cannot_be_are_said_at_the_start() {
    let short = DeviceBinding::new(DevicePolicy::Require).proof_time(Duration::from_secs(1));
    assert!(matches!(app(Some(short)), Err(waxseal_axum::Error::Setup(_))));
}
