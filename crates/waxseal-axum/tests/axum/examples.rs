//! The examples: what a visitor of each sees, and that they are no longer than those they were written after.

#[path = "../../examples/counter.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod counter;
#[path = "../../examples/events.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod events;
#[path = "../../examples/guest.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod guest;
#[path = "../../examples/htmx/main.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod htmx;
#[path = "../../examples/quick_start.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod quick_start;
#[path = "../../examples/sign_in/main.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod sign_in;
#[path = "../../examples/single_page/main.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod single_page;
#[path = "../../examples/tenants.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod tenants;
#[path = "../../examples/two_apps.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod two_apps;

use std::time::Duration;

use http::{HeaderMap, Request};
use tokio::sync::watch;
use waxseal_axum::{Keyring, MemoryStore, SecretKey, Waxseal};

use crate::browser::Browser;

#[tokio::test]
async fn the_books_first_page_is_one_that_somebody_is_signed_in_to() {
    let mut browser = Browser::new(quick_start::app(Waxseal::ephemeral().development(true)).unwrap());
    assert!(browser.get("/").await.text.contains("Sign in"));
    browser.post_form("/sign-in", "name=merlin&password=eleven+toads").await;
    assert!(browser.get("/").await.text.contains("Sign in"));
    let let_in = browser.post_form("/sign-in", "name=merlin&password=eleven+owls").await;
    assert!(let_in.set_cookie().contains("Max-Age=2592000"), "{}", let_in.set_cookie());
    assert!(browser.get("/").await.text.contains("Hello, merlin."));
    let copy = browser.copy();
    browser.post("/sign-out").await;
    for mut browser in [browser, copy] {
        assert!(browser.get("/").await.text.contains("Sign in"));
    }
}

#[test]
fn the_books_first_page_adds_each_crate_that_its_program_uses() {
    let page = include_str!("../../../../docs/quick-start.md");
    for name in ["axum", "serde", "tokio", "tracing-subscriber", "waxseal-axum"] {
        let used = format!("{}::", name.replace('-', "_"));
        assert!(include_str!("../../examples/quick_start.rs").contains(&used), "{name}");
        assert!(
            page.lines().any(|line| line.split(" --").next() == Some(&format!("cargo add {name}"))),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_counter_counts_for_each_visitor() {
    let app = counter::app().unwrap();
    let (mut one, mut other) = (Browser::new(app.clone()), Browser::new(app));
    for count in 0..3 {
        assert_eq!(one.get("/").await.text, format!("Current count: {count}"));
    }
    assert_eq!(other.get("/").await.text, "Current count: 0");
}

#[tokio::test]
async fn a_guest_is_remembered_with_their_first_and_last_visit() {
    let mut browser = Browser::new(guest::app().unwrap());
    let first = browser.get("/").await.text;
    assert!(first.starts_with("Guest { pageviews: 1, first_seen: "), "{first}");
    let second = browser.get("/").await.text;
    let seen = |text: &str| text.split("first_seen: ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(second.starts_with("Guest { pageviews: 2, "), "{second}");
    assert_eq!(seen(&first), seen(&second));
}

#[tokio::test]
async fn passwords_let_in_and_a_sign_out_lets_nobody_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sign_in.db");
    let app = sign_in::app(Waxseal::ephemeral(), &file).unwrap();
    let mut browser = Browser::new(app.clone());

    let sent_away = browser.get("/?from=mail").await;
    assert_eq!((sent_away.status.as_u16(), sent_away.location()), (303, "/login?next=%2F%3Ffrom%3Dmail"));
    let page = browser.get("/login?next=%2F%3Ffrom%3Dmail").await.text;
    assert!(page.contains(r#"name="next" value="&#x2f;?from=mail""#), "{page}");

    for wrong in ["username=ferris&password=hunter43", "username=corro&password=hunter42"] {
        let refused = browser.post_form("/login", wrong).await;
        assert_eq!((refused.status.as_u16(), refused.location()), (303, "/login?next=%2F"));
        assert!(browser.get("/login").await.text.contains("<strong>Invalid credentials</strong>"));
        assert!(!browser.get("/login").await.text.contains("<strong>"), "shown once");
    }

    let away = "username=ferris&password=hunter42&next=https://evil.example/";
    assert_eq!(Browser::new(app.clone()).post_form("/login", away).await.location(), "/");
    let form = "username=ferris&password=hunter42&next=/?from=mail";
    let let_in = browser.post_form("/login", form).await;
    assert_eq!((let_in.status.as_u16(), let_in.location()), (303, "/?from=mail"));
    assert!(let_in.set_cookie().contains("Max-Age=86400"), "{}", let_in.set_cookie());
    let home = browser.get("/?from=mail").await.text;
    assert!(
        home.contains("Logged in as ferris") && home.contains("Successfully logged in as ferris"),
        "{home}"
    );

    let mut thief = browser.copy();
    assert_eq!(browser.post("/logout").await.location(), "/login");
    for browser in [&mut browser, &mut thief] {
        assert_eq!(browser.get("/").await.location(), "/login?next=%2F");
    }
}

#[tokio::test]
async fn htmx_sends_the_pages_token_in_a_header() {
    let mut browser = Browser::new(htmx::app().unwrap());
    let page = browser.get("/").await.text;
    let token = page.split(r#""X-CSRF-Token": ""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let with_token = |request: http::request::Builder| {
        request.header("x-csrf-token", &token).header("content-type", "application/x-www-form-urlencoded")
    };
    for text in ["milk", "%3Cb%3E"] {
        browser.send(with_token(Request::post("/")), format!("text={text}").into()).await;
    }
    let list = browser.send(with_token(Request::delete("/0")), "".into()).await.text;
    assert!(list.contains("<li>&lt;b&gt; <button hx-delete=\"/0\"") && !list.contains("milk"), "{list}");
    assert!(browser.get("/").await.text.contains(&*list));
    browser.send(with_token(Request::delete("/7")), "".into()).await;

    assert_eq!(browser.post_form("/", "text=cheese").await.status, 403);
    assert_eq!(browser.send(Request::delete("/0"), "".into()).await.status, 403);
    assert!(browser.get("/").await.text.contains(&*list), "without a token nothing changes");
}

#[tokio::test]
async fn a_page_of_another_origin_signs_in_by_json() {
    let mut browser = Browser::new(single_page::api().unwrap());
    let from = |origin: &str, method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header("host", "localhost:3000");
        request.header("origin", origin).header("sec-fetch-site", "same-site")
    };
    let json = |request: http::request::Builder| request.header("content-type", "application/json");
    const APP: &str = "http://localhost:5173";
    let is_readable = |headers: &HeaderMap| {
        headers.get("access-control-allow-origin").is_some_and(|origin| origin == APP)
            && headers.get("access-control-allow-credentials").is_some_and(|allowed| allowed == "true")
    };
    let preflight = from(APP, "OPTIONS", "/sign-in")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let preflight = browser.send(preflight, "".into()).await;
    assert!(preflight.status == 200 && is_readable(&preflight.headers), "{preflight:?}");
    let nobody = browser.send(from(APP, "GET", "/me"), "".into()).await;
    assert!(nobody.status == 401 && is_readable(&nobody.headers), "{nobody:?}");

    let sign_in = |origin: &str| json(from(origin, "POST", "/sign-in"));
    let forged = browser.send(sign_in("http://localhost:8000"), r#"{"name": "Morgana"}"#.into()).await;
    assert_eq!((forged.status.as_u16(), browser.cookies.len()), (403, 0));
    let signed_in = browser.send(sign_in(APP), r#"{"name": "Merlin"}"#.into()).await;
    assert!(signed_in.status == 200 && is_readable(&signed_in.headers), "{signed_in:?}");
    assert_eq!(browser.send(from(APP, "GET", "/me"), "".into()).await.text, r#"{"name":"Merlin"}"#);
    browser.send(from(APP, "POST", "/sign-out"), "".into()).await;
    assert_eq!(browser.send(from(APP, "GET", "/me"), "".into()).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn events_reach_who_is_signed_in_and_end_with_the_sign_out() {
    let (_running, stop) = watch::channel(());
    let app = events::app(stop).unwrap();
    let mut browser = Browser::new(app.clone());
    assert_eq!(browser.get("/events").await.status, 401);
    assert!(browser.get("/").await.text.contains("action=\"/sign-in\""));
    browser.post_form("/sign-in", "text=Merlin").await;
    assert!(browser.get("/").await.text.contains("EventSource"));
    let mut other_tab = browser.copy();
    let (heard, ()) = tokio::join!(browser.get("/events"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        other_tab.post_form("/say", "text=tea").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        other_tab.post("/sign-out").await;
    });
    assert_eq!(heard.text, "data: Merlin: tea\n\n");
    assert_eq!(other_tab.post_form("/say", "text=more").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn events_end_when_the_server_stops() {
    let (sender, stop) = watch::channel(());
    let mut browser = Browser::new(events::app(stop).unwrap());
    browser.post_form("/sign-in", "text=Merlin").await;
    let stopping = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sender.send_replace(());
    };
    let heard = tokio::time::timeout(Duration::from_secs(5), browser.get("/events"));
    let (heard, ()) = tokio::join!(heard, stopping);
    assert_eq!(heard.expect("the stream ends with the server").text, "");
}

#[tokio::test]
async fn each_tenant_has_sessions_of_its_own() {
    let app = tenants::app(&Keyring::new(SecretKey::generate().unwrap())).unwrap();
    let mut browser = Browser::new(app);
    let at = |host: &str, method: &str, path: &str| {
        Request::builder().method(method).uri(path).header("host", format!("{host}.localhost:3000"))
    };
    browser.send(at("red", "POST", "/add"), "".into()).await;
    assert_eq!(browser.send(at("red", "GET", "/"), "".into()).await.text, "red: 1 books");
    // A browser keeps the two hosts' cookies apart; this one does not, as a thief would not.
    assert_eq!(browser.send(at("blue", "GET", "/"), "".into()).await.text, "blue: 0 books");
    assert_eq!(browser.send(at("green", "GET", "/"), "".into()).await.status, 421);
}

#[tokio::test]
async fn two_apps_have_one_sign_in_and_one_sign_out() {
    let (keyring, store) = (Keyring::new(SecretKey::generate().unwrap()), MemoryStore::new());
    let layer = || two_apps::common(&keyring, store.clone()).unwrap();
    let (mut shop, mut blog) = (Browser::new(two_apps::shop(layer())), Browser::new(two_apps::blog(layer())));
    assert_eq!(blog.get("/").await.status, 401);
    shop.post("/sign-in").await;
    blog.cookies = shop.cookies.clone();
    assert_eq!(blog.get("/").await.text, "the blog of merlin");
    blog.post("/sign-out").await;
    assert_eq!(shop.get("/").await.text, "the shop of a stranger", "with the cookie of before");
}

#[test]
fn the_projects_first_page_quotes_the_counter_word_for_word() {
    let (_, code) = include_str!("../../examples/counter.rs").split_once("\n\n").unwrap();
    // For this test alone.
    let code = code.replace("pub(crate) ", "");
    assert!(include_str!("../../../../README.md").contains(&format!("```rust\n{code}```\n")));
}

/// The lines of tower-sessions' `counter` and `strongly-typed` (0.14), and of the Rust files of axum-login's `sqlite` (0.18).
#[test]
fn the_examples_are_no_longer_than_those_of_others() {
    let lines = |text: &str| text.lines().count();
    assert!(lines(include_str!("../../examples/counter.rs")) <= 33);
    assert!(lines(include_str!("../../examples/guest.rs")) <= 117);
    let sign_in =
        [include_str!("../../examples/sign_in/main.rs"), include_str!("../../examples/sign_in/users.rs")];
    assert!(sign_in.into_iter().map(lines).sum::<usize>() <= 372);
}
