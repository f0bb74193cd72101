//! Extractors of the session, of structs in it and of messages; errors as answers.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Router, routing::get, routing::post};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use waxseal_axum::{
    Error, Flash, Keyed, LazySession, MemoryStore, Messages, Result, Session, SessionData, SessionError,
    Stored, Waxseal,
};
use waxseal_store::Promise;
use waxseal_store::testing::FaultyStore;

use crate::browser::Browser;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
}

impl Keyed for Cart {
    const KEY: &'static str = "cart";
}

async fn add(mut cart: SessionData<Cart>) -> Result<String> {
    cart.update(|cart| cart.items.push("wand".to_owned()))?;
    Ok(cart.items.len().to_string())
}

async fn replace(mut cart: SessionData<Cart>) -> Result<String> {
    cart.set(Cart { items: vec!["owl".to_owned()] })?;
    Ok(cart.items.join(","))
}

async fn look(cart: Option<SessionData<Cart>>) -> String {
    cart.map_or_else(|| "none".to_owned(), |cart| cart.items.join(","))
}

async fn empty(cart: SessionData<Cart>) -> Result<String> {
    Ok(cart.remove()?.items.join(","))
}

async fn spoil(session: Session) -> Result<()> {
    Ok(session.insert("cart", 7)?)
}

async fn is_known(session: Option<Session>) -> String {
    session.is_some().to_string()
}

fn shop(waxseal: Waxseal) -> Browser {
    let app = Router::new()
        .route("/cart", get(look).post(add).put(replace).delete(empty))
        .route("/spoil", post(spoil))
        .route("/known", get(is_known))
        .layer(waxseal.layer().unwrap());
    Browser::new(app)
}

#[tokio::test]
async fn a_struct_is_kept_under_its_key() {
    let mut browser = shop(Waxseal::ephemeral().store(MemoryStore::new()));
    assert_eq!(browser.get("/cart").await.text, "none");
    assert_eq!(browser.post("/cart").await.text, "1");
    assert_eq!(browser.post("/cart").await.text, "2");
    assert_eq!(browser.get("/cart").await.text, "wand,wand");
    assert_eq!(browser.send(http::Request::put("/cart"), "".into()).await.text, "owl");
    assert_eq!(browser.send(http::Request::delete("/cart"), "".into()).await.text, "owl");
    assert_eq!(browser.get("/cart").await.text, "none");
}

#[tokio::test]
async fn a_value_of_another_type_is_a_500_that_tells_the_visitor_nothing() {
    let mut browser = shop(Waxseal::ephemeral());
    browser.post("/spoil").await;
    for answer in [browser.get("/cart").await, browser.post("/cart").await] {
        assert_eq!((answer.status.as_u16(), &*answer.text), (500, "internal server error\n"));
    }
}

#[tokio::test]
async fn a_session_is_there_once_something_was_written() {
    let mut browser = shop(Waxseal::ephemeral());
    let stranger = browser.get("/known").await;
    assert_eq!((&*stranger.text, &stranger.headers["vary"]), ("false", &"Cookie".parse().unwrap()));
    browser.post("/cart").await;
    assert_eq!(browser.get("/known").await.text, "true");
}

#[tokio::test]
async fn what_no_layer_is_around_says_what_to_do() {
    async fn ask(_: Session, request: Request, next: Next) -> Response {
        next.run(request).await
    }
    let layer = || Waxseal::ephemeral().layer().unwrap();
    let routes = || Router::new().route("/", get(is_known));
    for (case, app, path, said) in [
        ("no layer", routes(), "/", "call `.layer(Waxseal::new(…).layer()?)`"),
        ("a middleware around it", routes().layer(layer()).layer(from_fn(ask)), "/", "of a middleware"),
        ("a route after it", Router::new().layer(layer()).merge(routes()), "/", "after its routes"),
        ("a fallback after it", routes().layer(layer()).fallback(is_known), "/a", "after its `.fallback(…)`"),
    ] {
        let answer = Browser::new(app).get(path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{case}");
        assert!(answer.text.starts_with("no session layer is around what asks for the session; "), "{case}");
        assert!(answer.text.contains(said), "{case}: {}", answer.text);
    }
    let right = routes().fallback(is_known).layer(from_fn(ask)).layer(layer());
    for path in ["/", "/a"] {
        assert_eq!(Browser::new(right.clone()).get(path).await.text, "false", "{path}");
    }
}

#[tokio::test]
async fn messages_wait_for_the_next_page_and_are_shown_once() {
    async fn send(flash: Flash) -> Result<Redirect> {
        flash.success("It is on its way.")?;
        flash.error("No owl is called Errol.")?;
        flash.message("weather", "Rain.")?;
        Ok(Redirect::to("/"))
    }
    async fn home(messages: Messages) -> String {
        messages.into_iter().map(|message| format!("{}: {}\n", message.category, message.message)).collect()
    }
    let app = Router::new().route("/send", post(send)).route("/", get(home));
    let mut browser = Browser::new(app.layer(Waxseal::ephemeral().layer().unwrap()));
    assert_eq!(browser.post("/send").await.location(), "/");
    let page = browser.get("/").await.text;
    assert_eq!(page, "success: It is on its way.\nerror: No owl is called Errol.\nweather: Rain.\n");
    assert_eq!(browser.get("/").await.text, "");
}

#[tokio::test]
async fn while_the_store_is_away_pages_are_503_and_a_sign_out_holds() {
    async fn sign_in(session: Session) -> Result<()> {
        session.sign_in("user-7").await
    }
    async fn sign_out(session: LazySession) -> Result<()> {
        session.sign_out().await
    }
    async fn owner(session: Session) -> String {
        session.owner().unwrap_or_default()
    }
    let store = FaultyStore::new(MemoryStore::new());
    let layer = Waxseal::ephemeral().state(Stored::new(store.clone())).layer().unwrap().without_maintenance();
    let app = Router::new().route("/", get(owner)).route("/in", post(sign_in)).route("/out", post(sign_out));
    let mut browser = Browser::new(app.layer(layer));
    browser.post("/in").await;
    assert_eq!(browser.get("/").await.text, "user-7");
    let mut thief = browser.copy();

    store.set_away(true);
    let away = browser.get("/").await;
    assert_eq!((away.status.as_u16(), &away.headers["retry-after"]), (503, &"5".parse().unwrap()));
    assert!(away.text.contains("try again in some seconds"), "{}", away.text);
    assert_eq!(browser.post("/out").await.status, StatusCode::OK);
    store.set_away(false);
    assert_eq!(thief.get("/").await.text, "");
}

#[tokio::test]
async fn an_app_tells_the_errors_apart() {
    async fn keep(session: Session, text: String) -> Result<&'static str> {
        match session.insert("text", text).map_err(Error::from) {
            Err(Error::Session(SessionError::TooLarge { .. })) => Ok("that is too much"),
            done => done.map(|()| "kept"),
        }
    }
    let app = Router::new().route("/", post(keep)).layer(Waxseal::ephemeral().layer().unwrap());
    let mut browser = Browser::new(app);
    assert_eq!(browser.send(http::Request::post("/"), "a".repeat(100).into()).await.text, "kept");
    assert_eq!(
        browser.send(http::Request::post("/"), "a".repeat(5_000).into()).await.text,
        "that is too much"
    );
}

#[tokio::test]
async fn errors_have_their_status() {
    for (error, status) in [
        (Error::NoLayer, 500),
        (Error::SignedOut { redirect: None }, 401),
        (Error::SignedOut { redirect: Some("/".to_owned()) }, 303),
        (Error::NoFormToken, 403),
        (Error::PublicId, 400),
        (Error::other("a database's"), 500),
        (waxseal_session::Error::Gone.into(), 409),
        (waxseal_session::Error::Unconfirmed.into(), 503),
        (waxseal_manager::Error::NoStore.into(), 501),
        (waxseal_manager::Error::NotPromised(Promise::Lists).into(), 501),
        (waxseal_manager::Error::Contended.into(), 409),
    ] {
        let text = error.to_string();
        let answer = error.into_response();
        assert_eq!(answer.status(), status, "{text}");
        let body = axum::body::to_bytes(answer.into_body(), 1_000).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("database"), "{text}");
    }
}
