//! Opens a sessions' database by waxseal-sqlite and an app's by sqlx, in one program with one SQLite.
//!
//! `cargo xtask test` runs it. That it builds says that cargo accepts the two beside each other.

use std::error::Error;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use waxseal_sqlite::SqliteStore;
use waxseal_store::{Creation, Lifespan, Record, Revision, SessionId, SessionStore, Timestamp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
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
