//! Sessions that are bound to devices.

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use waxseal_axum::{DeviceBinding, DevicePolicy, MemoryStore, Result, Session, Waxseal};

use crate::browser::Browser;

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

#[test]
fn settings_that_cannot_be_are_said_at_the_start() {
    let short = DeviceBinding::new(DevicePolicy::Require).proof_time(Duration::from_secs(1));
    assert!(matches!(app(Some(short)), Err(waxseal_axum::Error::Setup(_))));
}
