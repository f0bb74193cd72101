//! What the guides in `docs` show of axum, with its surroundings, and run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::Query;
use axum::response::Redirect;
use axum::{Form, Router, routing::get};
use http::Request;
use http::header::{COOKIE, SET_COOKIE};
use serde::Deserialize;
use tower::ServiceExt;
use waxseal_axum::{Clock, LocalPath, Owner, RequireSignIn, Result, Session, Waxseal, days};

use crate::browser::Browser;

#[derive(Deserialize)]
struct Credentials {
    name: String,
    remember: Option<String>,
    #[serde(default)]
    next: LocalPath,
}

async fn sign_in(session: Session, Form(form): Form<Credentials>) -> Result<Redirect> {
    // … the password is right …
    session.sign_in(&form.name).await?;
    match form.remember {
        Some(_) => session.set_permanent_for(days(30))?,
        None => session.set_permanent(false)?,
    }
    Ok(Redirect::to(&form.next))
}

async fn sign_in_page(Query(query): Query<HashMap<String, String>>) -> String {
    format!("a form with next={}", query["next"])
}

fn shop() -> Router {
    let members = Router::new()
        .route("/orders", get(async |Owner(name): Owner| format!("orders of {name}")))
        .route_layer(RequireSignIn::at("/sign-in"));
    Router::new().route("/sign-in", get(sign_in_page).post(sign_in)).nest("/members", members)
}

#[tokio::test]
async fn members_are_let_in_and_remembered_if_they_say_so() {
    let mut browser = Browser::new(shop().layer(Waxseal::ephemeral().layer().unwrap()));
    let sent_away = browser.get("/members/orders").await;
    assert_eq!(sent_away.location(), "/sign-in?next=%2Fmembers%2Forders");
    let ordinary = browser.post_form("/sign-in", "name=merlin").await;
    assert!(!ordinary.set_cookie().contains("Max-Age"), "{}", ordinary.set_cookie());
    assert_eq!(browser.get(sent_away.location()).await.text, "a form with next=/members/orders");
    let remembered = browser.post_form("/sign-in", "name=merlin&remember=on&next=/members/orders").await;
    assert_eq!(remembered.location(), "/members/orders");
    assert!(remembered.set_cookie().contains("Max-Age=2592000"), "{}", remembered.set_cookie());
    assert_eq!(browser.get("/members/orders").await.text, "orders of merlin");
    let no_longer = browser.post_form("/sign-in", "name=merlin").await;
    assert!(!no_longer.set_cookie().contains("Max-Age"), "{}", no_longer.set_cookie());
}

async fn count(session: Session) -> Result<String> {
    session.add("visits", 1)?;
    Ok(format!("visit number {}", session.get::<u32>("visits")?.unwrap_or_default()))
}

#[tokio::test]
async fn a_visit_is_counted() {
    let sessions = Waxseal::ephemeral().layer().unwrap();
    let app: Router = Router::new().route("/", get(count)).layer(sessions);

    let first = app.clone().oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    let cookie = first.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();

    let again = Request::get("/").header(COOKIE, cookie).body(Body::empty()).unwrap();
    let page = app.oneshot(again).await.unwrap();
    assert_eq!(to_bytes(page.into_body(), 1_000).await.unwrap(), "visit number 2");
}

#[tokio::test]
async fn half_an_hour_later_the_session_is_over() {
    let time = Arc::new(AtomicU64::new(1_800_000_000));
    let hands = time.clone();
    let clock =
        Clock::from_fn(move || SystemTime::UNIX_EPOCH + Duration::from_secs(hands.load(Ordering::Relaxed)));
    let sessions = Waxseal::ephemeral().layer().unwrap().with_clock(clock);
    let mut browser = Browser::new(Router::new().route("/", get(count)).layer(sessions));

    assert_eq!(browser.get("/").await.text, "visit number 1");
    time.fetch_add(29 * 60, Ordering::Relaxed);
    assert_eq!(browser.get("/").await.text, "visit number 2");
    time.fetch_add(30 * 60, Ordering::Relaxed);
    assert_eq!(browser.get("/").await.text, "visit number 1");
}
