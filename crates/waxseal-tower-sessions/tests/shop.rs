//! The example `shop`, before and after it moves from tower-sessions to Waxseal, and the diff that the book shows.

#[path = "../examples/shop_after.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod shop_after;
#[path = "../examples/shop_before.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod shop_before;

use std::error::Error;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::Request;
use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use tower::ServiceExt;
use tower_sessions::{MemoryStore as OldStore, SessionManagerLayer};
use waxseal_axum::{Adoption, MemoryStore, SessionLayer, Waxseal, days};
use waxseal_tower_sessions::TowerSessions;

/// What a browser with `cookie` sees at `/` after a form was sent to `path`, and the cookie it has then.
async fn send(app: &Router, path: &str, form: &str, cookie: &mut String) -> String {
    let ask = async |request: http::request::Builder, body: &str, cookie: &mut String| {
        let request = request.header(COOKIE, cookie.as_str());
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = app.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        for line in answer.headers().get_all(SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            // A cookie that goes is set to nothing.
            if !pair.ends_with('=') {
                *cookie = pair.to_owned();
            }
        }
        String::from_utf8(to_bytes(answer.into_body(), 4096).await.unwrap().to_vec()).unwrap()
    };
    ask(Request::post(path), form, cookie).await;
    ask(Request::get("/"), "", cookie).await
}

#[tokio::test]
async fn before_and_after_a_visitor_sees_the_same() {
    let before = shop_before::app().layer(SessionManagerLayer::new(OldStore::default()));
    let sessions = Waxseal::ephemeral().store(MemoryStore::new()).lasting(days(1));
    let after = shop_after::app().layer(sessions.layer().unwrap());
    for app in [before, after] {
        let mut cookie = String::new();
        assert_eq!(send(&app, "/sign-in", "user=merlin&password=wrong", &mut cookie).await, "guest: ");
        assert_eq!(send(&app, "/add", "name=owl", &mut cookie).await, "guest: owl");
        let (planted, right) = (cookie.clone(), "user=merlin&password=eleven+owls");
        assert_eq!(send(&app, "/sign-in", right, &mut cookie).await, "merlin: owl");
        assert_ne!(cookie, planted, "another id");
        assert_eq!(send(&app, "/add", "name=hat", &mut cookie).await, "merlin: owl, hat");
        assert_eq!(send(&app, "/sign-out", "", &mut cookie.clone()).await, "guest: ");
        assert_eq!(
            send(&app, "/add", "name=hat", &mut cookie).await,
            "guest: hat",
            "with the cookie of before"
        );
    }
}

/// As the book shows it.
fn taking_over(
    secret: &str,
    store: MemoryStore,
    old_store: OldStore,
) -> Result<SessionLayer, Box<dyn Error>> {
    use waxseal_axum::{Adoption, Waxseal};
    use waxseal_tower_sessions::TowerSessions;

    let old = TowerSessions::new(old_store).owner(|data| Some(data.get("user")?.as_str()?.to_owned()));
    let layer = Waxseal::new(secret)
        .store(store)
        .migrate_from(old, Adoption::between("2027-02-01", "2027-02-15")?)
        .layer()?;
    Ok(layer)
}

#[tokio::test]
async fn who_was_signed_in_before_is_after() {
    let old_store = OldStore::default();
    let before = shop_before::app().layer(SessionManagerLayer::new(old_store.clone()));
    let mut cookie = String::new();
    send(&before, "/sign-in", "user=merlin&password=eleven+owls", &mut cookie).await;
    assert_eq!(send(&before, "/add", "name=owl", &mut cookie).await, "merlin: owl");

    assert!(taking_over(&"an owl for eleven toads".repeat(2), MemoryStore::new(), old_store.clone()).is_ok());
    // The same on terms of today.
    let old = TowerSessions::new(old_store).owner(|data| Some(data.get("user")?.as_str()?.to_owned()));
    let today = SystemTime::now() + Duration::from_secs(60);
    let sessions = Waxseal::ephemeral().store(MemoryStore::new());
    let sessions = sessions.migrate_from(old, Adoption::new(today, today + days(1)));
    let after = shop_after::app().layer(sessions.layer().unwrap());
    assert_eq!(send(&after, "/add", "name=hat", &mut cookie).await, "merlin: owl, hat");
}

/// The file that comes of `old` by a diff whose hunks begin with `@@`, without numbers of lines.
fn patched(old: &str, diff: &str) -> String {
    let (mut old, mut new) = (old.lines().collect::<Vec<_>>().into_iter().peekable(), Vec::new());
    for hunk in diff.split("@@\n").filter(|hunk| !hunk.is_empty()) {
        let first = hunk.lines().find_map(|line| line.strip_prefix([' ', '-'])).expect("a line of before");
        while old.peek().is_some_and(|line| *line != first) {
            new.extend(old.next());
        }
        for line in hunk.lines() {
            match line.split_at_checked(1).unwrap_or((" ", "")) {
                ("+", added) => new.push(added),
                (mark, kept) => {
                    assert_eq!(old.next(), Some(kept), "{hunk}");
                    new.extend((mark == " ").then_some(kept));
                }
            }
        }
    }
    new.extend(old);
    new.join("\n") + "\n"
}

#[test]
fn the_diff_in_the_book_makes_one_of_the_other_by_fewer_than_fifteen_lines() {
    let page = include_str!("../../../docs/migrate.md");
    let (_, diff) = page.split_once("```diff\n").expect("the page has it");
    let diff = diff.split("```").next().expect("something is before");
    assert_eq!(
        patched(include_str!("../examples/shop_before.rs"), diff),
        include_str!("../examples/shop_after.rs")
    );
    for mark in ['-', '+'] {
        let changed = diff.lines().filter(|line| line.starts_with(mark)).count();
        assert!((1..15).contains(&changed), "{changed} of {mark}");
    }
}
