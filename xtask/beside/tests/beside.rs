//! Opens a sessions' database by waxseal-sqlite and an app's by sqlx, in one program with one SQLite, and runs the
//! examples.
//!
//! `cargo xtask test` runs it. That it builds says that cargo accepts the two beside each other.

#[path = "../examples/blog.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod blog;
#[path = "../examples/sign_in/main.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod sign_in;

use std::error::Error;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderName, Request, Response};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tower::ServiceExt;
use waxseal::testing::Client;
use waxseal_axum::Waxseal;
use waxseal_sqlite::SqliteStore;
use waxseal_store::{Creation, Lifespan, Record, Revision, SessionId, SessionStore, Timestamp};

#[tokio::test]
async fn two_databases_are_open_at_once() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    sessions(&SqliteStore::open(folder.path().join("sessions.db"))?).await?;
    app(SqliteConnectOptions::new().filename(folder.path().join("app.db"))).await
}

async fn sessions(store: &impl SessionStore) -> Result<(), Box<dyn Error>> {
    let (id, now) = (SessionId::generate()?, Timestamp::from_millis(1_790_000_000_000));
    let life = Lifespan::new(now, now, Timestamp::MAX, Timestamp::MAX);
    let (revision, sealed) = (Revision::first()?, b"sealed".to_vec());
    let record = Record { revision, kid: [0; 4], life, owner: None, device: String::new(), sealed };
    assert_eq!(store.create(&id.key(), &record, now).await?, Creation::Created);
    assert!(store.load(&id.key(), now).await?.is_some());
    Ok(())
}

async fn app(options: SqliteConnectOptions) -> Result<(), Box<dyn Error>> {
    let pool = SqlitePool::connect_with(options.create_if_missing(true)).await?;
    sqlx::query("CREATE TABLE spells (name TEXT)").execute(&pool).await?;
    sqlx::query("INSERT INTO spells VALUES ('lumos')").execute(&pool).await?;
    let name: String = sqlx::query_scalar("SELECT name FROM spells").fetch_one(&pool).await?;
    assert_eq!(name, "lumos");
    pool.close().await;
    Ok(())
}

#[tokio::test]
async fn a_blog_shows_its_posts() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new().filename(folder.path().join("blog.db"));
    let pool = SqlitePool::connect_with(options.create_if_missing(true)).await?;
    sqlx::query("CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT)").execute(&pool).await?;
    sqlx::query("INSERT INTO post (title) VALUES ('Owls & toads')").execute(&pool).await?;
    let page = Client::new(blog::app(pool))?.get("/").await;
    assert_eq!(page.text().trim(), "<h2 id=\"post-1\">Owls &amp; toads</h2>");
    Ok(())
}

#[tokio::test]
async fn passwords_let_in_and_a_sign_out_lets_nobody_back() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let app = sign_in::app(Waxseal::ephemeral(), &folder.path().join("sign_in.db")).await?;
    let away = send(&app, Request::get("/"), "", "").await;
    assert_eq!((away.status().as_u16(), header(&away, LOCATION)), (303, "/sign-in?next=%2F"));
    let page =
        to_bytes(send(&app, Request::get("/sign-in?next=/a%22b"), "", "").await.into_body(), 4096).await?;
    assert!(String::from_utf8_lossy(&page).contains("name=\"next\" value=\"/a"));

    let wrong = send(&app, Request::post("/sign-in"), "", "name=ferris&password=hunter43").await;
    assert_eq!(header(&wrong, LOCATION), "/sign-in?next=%2F");
    let right = send(&app, Request::post("/sign-in"), "", "name=ferris&password=hunter42&next=/").await;
    assert_eq!(header(&right, LOCATION), "/");
    let cookie = header(&right, SET_COOKIE).split(';').next().unwrap_or_default();
    let home = send(&app, Request::get("/"), cookie, "").await;
    assert_eq!(to_bytes(home.into_body(), 4096).await?, "Hello, ferris.");

    assert_eq!(send(&app, Request::post("/sign-out"), cookie, "").await.status(), 303);
    assert_eq!(send(&app, Request::get("/"), cookie, "").await.status(), 303, "a copy is worth nothing");
    Ok(())
}

async fn send(
    app: &Router,
    request: axum::http::request::Builder,
    cookie: &str,
    form: &str,
) -> Response<Body> {
    let request = request.header(COOKIE, cookie).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    app.clone()
        .oneshot(request.body(Body::from(form.to_owned())).expect("a request"))
        .await
        .expect("an answer")
}

fn header(answer: &Response<Body>, name: HeaderName) -> &str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
