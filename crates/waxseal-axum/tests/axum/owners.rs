//! The sessions of another owner, ended by a handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use waxseal_axum::{Clock, MemoryStore, Owner, Result, Revocable, Session, Waxseal};

use crate::browser::Browser;

/// For who may lock a user: each visitor here.
async fn lock(session: Session, Path(user): Path<String>) -> Result<()> {
    // … the user can no longer sign in …
    session.end_all_sessions(&user).await
}

async fn sign_in(session: Session, Path(user): Path<String>) -> Result<()> {
    session.sign_in(&user).await
}

/// The app, and the hands of its clock.
fn app(waxseal: Waxseal) -> (Router, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(1_800_000_000));
    let hands = time.clone();
    let clock =
        Clock::from_fn(move || SystemTime::UNIX_EPOCH + Duration::from_secs(hands.load(Ordering::Relaxed)));
    let app = Router::new()
        .route("/", get(async |Owner(name): Owner| name))
        .route("/in/{user}", post(sign_in))
        .route("/lock/{user}", post(lock))
        .layer(waxseal.layer().unwrap().with_clock(clock));
    (app, time)
}

#[tokio::test]
async fn a_user_who_is_locked_is_signed_out_everywhere_and_nobody_else_is() {
    for (state, waxseal) in [
        ("store", Waxseal::ephemeral().store(MemoryStore::new())),
        ("mirrored", Waxseal::ephemeral().mirrored(MemoryStore::new())),
        ("a list", Waxseal::ephemeral().state(Revocable::new(MemoryStore::new()))),
    ] {
        let (app, time) = app(waxseal);
        let mut browsers = [(); 3].map(|()| Browser::new(app.clone()));
        for (browser, user) in browsers.iter_mut().zip(["7", "7", "admin"]) {
            browser.post(&format!("/in/{user}")).await;
            assert_eq!(browser.get("/").await.text, user, "{state}");
        }
        let [stolen, own, admin] = &mut browsers;
        assert_eq!(admin.post("/lock/7").await.status, StatusCode::OK, "{state}");
        // Pages may be shown from the copy in the cookie, for as long as it is fresh.
        time.fetch_add(60, Ordering::Relaxed);
        for browser in [stolen, own] {
            assert_eq!(browser.get("/").await.status, StatusCode::UNAUTHORIZED, "{state}");
        }
        assert_eq!(admin.get("/").await.text, "admin", "{state}");
    }
}

async fn end_own(session: Session) -> Result<String> {
    let own = session.own_sessions().await?.into_iter().find(|own| own.current).unwrap();
    let ended = session.end_session(&own.public_id).await?;
    session.flash("success", "It was ended.")?;
    Ok(ended.to_string())
}

/// As the handler of a forgotten password may do it, in a browser that still is signed in.
async fn reset(session: Session, Path(user): Path<String>) -> Result<()> {
    session.end_all_sessions(&user).await?;
    session.sign_in(&user).await
}

async fn messages(session: Session) -> String {
    session.flashed_messages(&[]).into_iter().map(|flash| flash.message).collect()
}

#[tokio::test]
async fn who_ends_the_session_that_they_are_in_may_go_on_in_a_new_one() {
    for (state, waxseal, lists) in [
        ("store", Waxseal::ephemeral().store(MemoryStore::new()), true),
        ("mirrored", Waxseal::ephemeral().mirrored(MemoryStore::new()), true),
        ("a list", Waxseal::ephemeral().state(Revocable::new(MemoryStore::new())), false),
    ] {
        let app = Router::new()
            .route("/", get(async |Owner(name): Owner| name))
            .route("/in/{user}", post(sign_in))
            .route("/reset/{user}", post(reset))
            .route("/end-own", post(end_own))
            .route("/messages", get(messages))
            .layer(waxseal.layer().unwrap());
        let mut browser = Browser::new(app);
        browser.post("/in/7").await;
        let mut copy = browser.copy();
        assert_eq!(browser.post("/reset/7").await.status, StatusCode::OK, "{state}");
        assert_eq!(browser.get("/").await.text, "7", "{state}");
        assert_eq!(copy.post("/in/8").await.status, StatusCode::OK, "{state}");
        assert_eq!(copy.get("/").await.text, "8", "{state}");
        if lists {
            let mut copy = browser.copy();
            assert_eq!(browser.post("/end-own").await.text, "true", "{state}");
            assert_eq!(browser.get("/").await.status, StatusCode::UNAUTHORIZED, "{state}");
            assert_eq!(browser.get("/messages").await.text, "It was ended.", "{state}");
            assert_eq!(copy.get("/").await.status, StatusCode::UNAUTHORIZED, "{state}");
        }
    }
}

#[tokio::test]
async fn without_a_list_nothing_can_be_ended_and_that_is_said() {
    let mut admin = Browser::new(app(Waxseal::ephemeral()).0);
    assert_eq!(admin.post("/lock/7").await.status, StatusCode::NOT_IMPLEMENTED);
}
