//! axum with tower-sessions in a file of SQLite: write-ahead log, and synchronous as Waxseal has it.

use peers::{Error, run};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use store_peers::{place, serve};
use tower_sessions_sqlx_store::SqliteStore;

fn main() -> Result<(), Error> {
    run(async {
        let options = SqliteConnectOptions::new()
            .filename(place()?)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        let store = SqliteStore::new(SqlitePool::connect_with(options).await?);
        store.migrate().await?;
        serve(store).await
    })
}
