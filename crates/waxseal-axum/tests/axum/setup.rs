//! The set-up: states, lifetimes, cookies, secrets.

use std::path::Path;
use std::time::{Duration, SystemTime};

use axum::{Router, routing::get, routing::post};
use waxseal_axum::{
    Clock, Error, Lifetimes, MemoryStore, Result, SecretKey, Session, SessionCookie, SessionLayer, Waxseal,
    days,
};
use waxseal_keys::KeyFile;

use crate::browser::Browser;

async fn count(session: Session) -> Result<String> {
    session.add("visits", 1)?;
    Ok(format!("{}", session.get::<u32>("visits")?.unwrap_or_default()))
}

async fn peek(session: Session) -> Result<String> {
    Ok(format!("{}", session.get::<u32>("visits")?.unwrap_or_default()))
}

async fn ordinary(session: Session) -> Result<()> {
    session.set_permanent(false)?;
    session.sign_in("user-7").await
}

async fn sign_in(session: Session) -> Result<()> {
    session.sign_in("user-7").await
}

fn app(waxseal: Waxseal, after: Duration) -> Router {
    // Noon of some day.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + after;
    let layer = waxseal.layer().unwrap().with_clock(Clock::from_fn(move || now));
    Router::new()
        .route("/", get(count))
        .route("/peek", get(peek))
        .route("/sign-in", post(sign_in))
        .route("/ordinary", post(ordinary))
        .layer(layer)
}

#[tokio::test]
async fn a_session_is_kept_in_each_state() {
    for (state, waxseal) in [
        ("cookie", Waxseal::ephemeral()),
        ("store", Waxseal::ephemeral().store(MemoryStore::new())),
        ("mirrored", Waxseal::ephemeral().mirrored(MemoryStore::new())),
    ] {
        let mut browser = Browser::new(app(waxseal, Duration::ZERO));
        let first = browser.get("/").await;
        let line = first.set_cookie();
        assert!(line.starts_with("__Host-session=") && line.contains("; Secure"), "{state}: {line}");
        assert!(!line.contains("Max-Age"), "{state}: {line}");
        assert_eq!(first.text, "1", "{state}");
        assert_eq!(browser.get("/").await.text, "2", "{state}");
    }
}

#[tokio::test]
async fn a_month_is_one_call_and_is_in_the_browser_and_on_the_server() {
    let secret = SecretKey::generate().unwrap().to_text();
    let place = || Waxseal::new(&secret).lasting(days(30));
    let at = |after: Duration| app(place(), after);
    let mut browser = Browser::new(at(Duration::ZERO));
    let line = browser.get("/").await.set_cookie().to_owned();
    assert!(line.contains("; Max-Age=2592000"), "{line}");
    // Each visit begins the month anew, up to half a year.
    for month in 1..=5 {
        let mut visit = Browser::new(at(days(29) * month));
        visit.cookies.clone_from(&browser.cookies);
        assert_eq!(visit.get("/").await.text, format!("{}", month + 1));
        browser.cookies = visit.cookies;
    }
    let mut late = Browser::new(at(days(29 * 5 + 31)));
    late.cookies.clone_from(&browser.cookies);
    assert_eq!(late.get("/peek").await.text, "0", "a month without a visit");

    let mut guest = Browser::new(at(Duration::ZERO));
    assert!(!guest.post("/ordinary").await.set_cookie().contains("Max-Age"), "who was asked and declined");
    assert!(guest.post("/sign-in").await.set_cookie().contains("Max-Age"), "and did not the next time");
    let looked = Browser::new(at(Duration::ZERO)).get("/peek").await;
    assert!(!looked.headers.contains_key("set-cookie"), "nothing begins for who only looks");

    let years = Waxseal::ephemeral().lasting(days(3 * 365)).store(MemoryStore::new());
    let line = Browser::new(app(years, Duration::ZERO)).get("/").await.set_cookie().to_owned();
    assert!(line.contains("; Max-Age=94608000"), "{line}");
}

#[tokio::test]
async fn a_month_holds_in_each_state() {
    for (state, waxseal) in [
        ("store", Waxseal::ephemeral().store(MemoryStore::new())),
        ("mirrored", Waxseal::ephemeral().mirrored(MemoryStore::new())),
    ] {
        let mut browser = Browser::new(app(waxseal.lasting(days(30)), Duration::ZERO));
        browser.get("/").await;
        let line = browser.post("/sign-in").await.set_cookie().to_owned();
        assert!(line.contains("; Max-Age=2592000"), "{state}: {line}");
        assert_eq!(browser.get("/peek").await.text, "1", "{state}");
    }
}

#[tokio::test]
async fn development_is_for_localhost() {
    let mut browser = Browser::new(app(Waxseal::new("dev").development(true), Duration::ZERO));
    let line = browser.get("/").await.set_cookie().to_owned();
    assert!(line.starts_with("waxseal-dev-session=") && !line.contains("Secure"), "{line}");

    let named = Waxseal::ephemeral().cookie(SessionCookie::builder().name("shop"));
    let line = Browser::new(app(named, Duration::ZERO)).get("/").await.set_cookie().to_owned();
    assert!(line.starts_with("shop=") && line.contains("Secure"), "{line}");
}

#[test]
fn what_does_not_fit_is_said_at_the_start() {
    let weak = Waxseal::new("secret").layer().unwrap_err();
    assert!(matches!(weak, Error::Secret(_)) && weak.to_string().contains("waxseal gen-secret"), "{weak}");
    assert!(!weak.to_string().contains("`secret`"), "{weak}");
    assert!(Waxseal::new("secret").allow_weak_secret(true).layer().is_ok());
    let cookie = SessionCookie::builder().domain("example.org");
    assert!(matches!(Waxseal::ephemeral().cookie(cookie).layer(), Err(Error::Setup(_))));
    let span = Waxseal::ephemeral().lasting(Duration::ZERO).layer().unwrap_err();
    assert!(matches!(span, Error::Sessions(_)), "{span}");
    assert!(Lifetimes::new().idle(Duration::ZERO).is_err());
}

/// Rust prints the `Debug` form of an error that `main` returns.
#[test]
fn an_error_that_main_returns_is_printed_with_what_to_do() {
    let weak: Box<dyn std::error::Error> = Waxseal::new("secret").layer().unwrap_err().into();
    assert_eq!(format!("{weak:?}"), weak.to_string());
    assert!(format!("{weak:?}").contains("waxseal gen-secret"), "{weak:?}");
    let file = Waxseal::from_file("/no/such/folder/secret").layer().unwrap_err();
    let cause = std::error::Error::source(&file).expect("the system's error");
    assert_eq!(format!("{file:?}"), format!("{file}: {cause}"));
    let lines = Error::other("taken\r\n2026-01-01 INFO all is well");
    assert_eq!(format!("{lines:?}"), "taken\\r\\n2026-01-01 INFO all is well");
}

/// As the book shows it.
fn following(path: &Path, store: MemoryStore) -> Result<SessionLayer> {
    let (sessions, keys) = Waxseal::from_file(path).mirrored(store).layer_following_keys()?;
    tokio::spawn(keys);
    Ok(sessions)
}

#[tokio::test(start_paused = true)]
async fn a_running_app_takes_the_keys_of_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = (folder.path().join("secret"), MemoryStore::new());
    assert!(matches!(following(&path, store.clone()), Err(Error::Secret(_))), "it is not there");
    std::fs::write(&path, &*SecretKey::generate().unwrap().to_text()).unwrap();
    let app = Router::new().route("/", get(count)).layer(following(&path, store.clone()).unwrap());
    let mut browser = Browser::new(app);
    assert_eq!(browser.get("/").await.text, "1");

    KeyFile::new(&path).rotate(SystemTime::now()).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut newcomer = browser.copy();
    newcomer.cookies.clear();
    newcomer.get("/").await;
    assert_eq!(browser.get("/").await.text, "2", "the old key opens");
    let file = std::fs::read_to_string(&path).unwrap();
    let new = Waxseal::new(file.lines().next().unwrap()).mirrored(store).layer().unwrap();
    let mut elsewhere = Browser::new(Router::new().route("/", get(count)).layer(new));
    elsewhere.cookies = newcomer.cookies;
    assert_eq!(elsewhere.get("/").await.text, "2", "the new key seals");
}

#[tokio::test]
async fn sessions_of_one_app_are_not_anothers() {
    let secret = SecretKey::generate().unwrap().to_text();
    let mut browser = Browser::new(app(Waxseal::new(&secret).app("shop"), Duration::ZERO));
    browser.get("/").await;
    for (name, visits) in [("shop", "2"), ("forum", "1")] {
        let mut there = Browser::new(app(Waxseal::new(&secret).app(name), Duration::ZERO));
        there.cookies.clone_from(&browser.cookies);
        assert_eq!(there.get("/").await.text, visits, "{name}");
    }
}
