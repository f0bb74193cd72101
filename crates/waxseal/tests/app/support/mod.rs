//! An app with a route for everything that can go wrong.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod canary;
pub(crate) mod device_key;
pub(crate) mod log;

use std::io;

use serde::Deserialize;
use waxseal::testing::{Client, TestResponse};
use waxseal::{
    App, Error, Method, Request, Response, Result, Route, Settings, context, folder, redirect, typed,
};

/// A value of the session that must not be seen where it was not asked for.
pub(crate) const CANARY: &str = "canary-in-the-session";

pub(crate) fn app() -> App {
    App::new("demo")
        .templates(folder!("$CARGO_MANIFEST_DIR/tests/templates"))
        .get("/", async |_| Ok(text("hello")))
        .get("/name", async |request: Request| request.render("name.html", context! {}).await)
        .post("/name", set_name)
        .post("/sign-out", sign_out)
        .get("/search", search)
        .get("/wizard/{name}", async |request: Request| Ok(text(request.param("name")?.to_owned())))
        .post("/count", async |request: Request| Ok(text(request.body().await?.len().to_string())))
        .post("/ignore", async |_| Ok(text("ignored")))
        .get("/panic", async |_| panic!("out of ink"))
        .post("/panic", set_name_and_panic)
        .get("/fail", fail)
        .get("/broken", broken)
        .get("/mistyped", mistyped)
        .get("/too-large", too_large)
        .get("/abort/{status}", abort)
        .get("/elsewhere", async |request: Request| Ok(redirect(&request.query::<Elsewhere>()?.next)))
        .get("/twice", twice)
        .get("/parameter", async |request: Request| Ok(text(request.param("nothing")?.to_owned())))
        .get("/stuck", async |_| std::future::pending().await)
        .route(Route::new(Method::POST, "/hook", set_hook).allow_cross_site())
        .route(Route::new(Method::PUT, "/put", async |_: Request| Ok(text("put"))))
}

/// The same app with an `error.html` of its own.
pub(crate) fn app_with_error_page() -> App {
    app().templates(folder!("$CARGO_MANIFEST_DIR/tests/own_error_page"))
}

pub(crate) fn client() -> Client {
    client_of(app())
}

pub(crate) fn client_of(app: App) -> Client {
    log::start();
    Client::new(app).unwrap()
}

pub(crate) fn developer() -> Client {
    log::start();
    Client::with_settings(app(), &development()).unwrap()
}

pub(crate) fn development() -> Settings {
    Settings { development: true, ..Settings::default() }
}

/// A client whose session holds the canary.
pub(crate) async fn known(client: Client) -> Client {
    assert_eq!(client.post_form("/name", &[("name", CANARY)]).await.status(), 303);
    client
}

pub(crate) fn header<'a>(answer: &'a TestResponse, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

/// All that a session may add to an answer's head.
pub(crate) fn traces(answer: &TestResponse) -> Vec<&str> {
    ["set-cookie", "vary", "cache-control"].iter().filter_map(|name| header(answer, name)).collect()
}

fn text(text: impl Into<waxseal::Body>) -> Response {
    typed("text/plain; charset=utf-8", text)
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Elsewhere {
    next: String,
}

#[derive(Deserialize)]
struct Search {
    words: String,
    page: Option<u16>,
}

async fn set_name(request: Request) -> Result<Response> {
    let Name { name } = request.form().await?;
    request.session().await?.insert("name", name)?;
    Ok(redirect("/name"))
}

async fn set_name_and_panic(request: Request) -> Result<Response> {
    request.session().await?.insert("name", "panicked")?;
    tokio::task::yield_now().await;
    panic!("out of {}", "ink")
}

async fn set_hook(request: Request) -> Result<Response> {
    request.session().await?.insert("hooked", true)?;
    Ok(text("hooked"))
}

async fn sign_out(request: Request) -> Result<Response> {
    request.session().await?.destroy()?;
    Err(io::Error::other("the audit log is full").into())
}

async fn search(request: Request) -> Result<Response> {
    let Search { words, page } = request.query()?;
    Ok(text(format!("{words} {}", page.unwrap_or(1))))
}

async fn fail(request: Request) -> Result<Response> {
    #[derive(Debug, thiserror::Error)]
    #[error("the shelf {0:?} is empty")]
    struct Shelf(&'static str, #[source] io::Error);

    request.session().await?.insert("name", "changed")?;
    let cause = io::Error::other("no such book\r\n2026-01-01T00:00:00Z  INFO all is well");
    Err(Shelf("restricted", cause).into())
}

async fn broken(request: Request) -> Result<Response> {
    request.session().await?.insert("number", 7_777_777)?;
    let kind = request.uri().query().unwrap_or_default().to_owned();
    request.render("broken.html", context! { kind }).await
}

async fn mistyped(request: Request) -> Result<Response> {
    #[derive(Debug, Deserialize)]
    enum House {
        Gryffindor,
    }

    let session = request.session().await?;
    Ok(text(match request.uri().query() {
        Some("letter") => format!("{:?}", session.get::<char>("name")?),
        Some("choice") => format!("{:?} {:?}", session.get::<House>("name")?, House::Gryffindor),
        _ => format!("{:?}", session.get::<u32>("name")?),
    }))
}

async fn too_large(request: Request) -> Result<Response> {
    request.session().await?.insert("essay", CANARY.repeat(1000))?;
    Ok(text("fits"))
}

async fn abort(request: Request) -> Result<Response> {
    let status = request.param("status")?.parse()?;
    Err(Error::status(status).message("a <b>reason</b>"))
}

async fn twice(request: Request) -> Result<Response> {
    request.body().await?;
    request.body().await?;
    Ok(text("twice"))
}

/// A folder as `folder!` makes it, but lying elsewhere: what is read from there was read at run time.
pub(crate) fn folder_at(path: &std::path::Path) -> waxseal_templates::Folder {
    use waxseal_templates::include_dir;
    static EMBEDDED: include_dir::Dir<'static> =
        include_dir::include_dir!("$CARGO_MANIFEST_DIR/tests/static");
    let path = path.to_str().expect("a temporary folder's path is text");
    waxseal_templates::Folder::new(&EMBEDDED, Some((path, "$CARGO_MANIFEST_DIR")))
}
