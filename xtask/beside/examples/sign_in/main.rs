//! Sign-in with passwords in axum; users, by sqlx, and sessions share one SQLite file.
//!
//! `cargo run --manifest-path xtask/beside/Cargo.toml --target-dir target/beside --example sign_in`, then
//! http://localhost:3000, where ferris has the password `hunter42`.

use std::path::Path;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use waxseal_axum::{Error, LazySession, LoadUser, LocalPath, Result, Session, SignedIn, Waxseal, days};
use waxseal_sqlite::SqliteStore;

#[derive(sqlx::FromRow)]
struct Member {
    id: i64,
    name: String,
    password: String,
}

impl LoadUser for Member {
    type Source = SqlitePool;
    type Error = sqlx::Error;
    const SIGN_IN_PAGE: Option<&'static str> = Some("/sign-in");

    async fn load(owner: &str, pool: &SqlitePool) -> sqlx::Result<Option<Self>> {
        sqlx::query_as("SELECT * FROM member WHERE id = ?").bind(owner).fetch_optional(pool).await
    }
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    next: LocalPath,
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: LocalPath,
}

async fn home(member: SignedIn<Member>) -> String {
    format!("Hello, {}.", member.name)
}

async fn page(Query(Next { next }): Query<Next>) -> Html<String> {
    let next = next.replace('&', "&amp;").replace('"', "&quot;");
    Html(include_str!("sign_in.html").replace("NEXT", &next))
}

async fn sign_in(
    State(pool): State<SqlitePool>,
    session: Session,
    Form(form): Form<Credentials>,
) -> Result<Redirect> {
    let found: Option<Member> = sqlx::query_as("SELECT * FROM member WHERE name = ?")
        .bind(&form.name)
        .fetch_optional(&pool)
        .await
        .map_err(Error::other)?;
    // Argon2 keeps its thread for some 20 ms.
    let right = tokio::task::spawn_blocking(move || {
        found.filter(|member| {
            Argon2::default().verify_password(form.password.as_bytes(), member.password.as_str()).is_ok()
        })
    });
    let Some(member) = right.await.map_err(Error::other)? else {
        return Ok(Redirect::to(&form.next.after("/sign-in")));
    };
    session.sign_in(&member.id.to_string()).await?;
    Ok(Redirect::to(&form.next))
}

async fn sign_out(session: LazySession) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::to("/sign-in"))
}

/// The app, whose file `file` is made with its first member, ferris.
pub(crate) async fn app(waxseal: Waxseal, file: &Path) -> Result<Router, Box<dyn std::error::Error>> {
    // First, since it takes no file that has tables and is not its own.
    let store = SqliteStore::open(file)?;
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    let table = "CREATE TABLE IF NOT EXISTS member \
        (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, password TEXT NOT NULL)";
    sqlx::query(table).execute(&pool).await?;
    let hash = Argon2::default().hash_password(b"hunter42").map_err(|error| error.to_string())?;
    let ferris = "INSERT OR IGNORE INTO member (name, password) VALUES ('ferris', ?)";
    sqlx::query(ferris).bind(hash.to_string()).execute(&pool).await?;

    let sessions = waxseal.store(store).lasting(days(1)).layer()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/sign-in", get(page).post(sign_in))
        .route("/sign-out", post(sign_out))
        .layer(sessions)
        .with_state(pool))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = app(Waxseal::from_env().development(true), Path::new("sign_in.db")).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}
