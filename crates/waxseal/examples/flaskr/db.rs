use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, Params, Row};
use waxseal::Result;

/// The database: one connection.
#[derive(Clone)]
pub(crate) struct Db(Arc<Mutex<Connection>>);

impl Db {
    pub(crate) fn open(path: impl AsRef<Path>) -> rusqlite::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Connection::open(path)?))))
    }

    /// The rows of a query.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        sql: impl AsRef<str> + Send + 'static,
        params: impl Params + Send + 'static,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Vec<T>> {
        self.with(move |db| db.prepare(sql.as_ref())?.query_map(params, row)?.collect()).await
    }

    /// Runs `work` where it may block: SQLite waits for the disk.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let db = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&db.0.lock().expect("no statement panics")));
        Ok(done.await??)
    }
}
