//! tower-sessions over whichever store, and axum with it.

use std::sync::Arc;

use axum::extract::{Form, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use peers::{Error, Page, address};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tower_sessions::session::Error as SessionError;
use tower_sessions::{Session, SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};
use tower_sessions_sqlx_store::SqliteStore;

/// The store in a file of SQLite: write-ahead log, and synchronous as Waxseal has it.
///
/// # Errors
///
/// If the file cannot be opened.
pub async fn sqlite(path: &str) -> Result<SqliteStore, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let store = SqliteStore::new(SqlitePool::connect_with(options).await?);
    store.migrate().await?;
    Ok(store)
}

/// The store in the Redis at a URL.
///
/// # Errors
///
/// If it does not answer.
pub async fn redis(url: &str) -> Result<RedisStore<Pool>, Error> {
    let pool = Pool::new(Config::from_url(url)?, None, None, None, 6)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(RedisStore::new(pool))
}

/// Serves the benchmark's app with sessions in `store`.
///
/// # Errors
///
/// If the port is taken.
pub async fn serve<S: SessionStore + Clone>(store: S) -> Result<(), Error> {
    let app = axum::Router::new()
        .route("/plain", get(async || "hello"))
        .route("/wizard/create", post(create))
        .route("/wizard/success", get(success))
        .layer(SessionManagerLayer::new(store))
        .with_state(Arc::<Page>::default());
    Ok(axum::serve(tokio::net::TcpListener::bind(address()?).await?, app).await?)
}

/// The command line's second argument: where the store is.
///
/// # Errors
///
/// If there is none.
pub fn place() -> Result<String, Error> {
    Ok(std::env::args().nth(2).ok_or("the second argument says where the store is")?)
}

async fn create(session: Session, Form(form): Form<Vec<(String, String)>>) -> Result<Redirect, String> {
    for (name, value) in form {
        session.insert(&name, value).await.map_err(text)?;
    }
    Ok(Redirect::to("/wizard/success"))
}

async fn success(State(page): State<Arc<Page>>, session: Session) -> Result<Html<String>, String> {
    let name: Option<String> = session.get("name").await.map_err(text)?;
    let magic_school: Option<String> = session.get("magic_school").await.map_err(text)?;
    Ok(Html(page.render(name.as_deref(), magic_school.as_deref())))
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn text(error: SessionError) -> String {
    error.to_string()
}
