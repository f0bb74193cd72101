use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, Params, Row};
use waxseal::Result;

/// The database: one connection, which is opened when it is first needed.
#[derive(Clone)]
pub(crate) struct Db {
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Db {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), connection: Arc::default() }
    }

    pub(crate) async fn init(&self) -> Result<()> {
        self.with(|db| db.execute_batch(include_str!("schema.sql"))).await
    }

    /// The number of rows that a statement changes.
    pub(crate) async fn execute(
        &self,
        sql: &'static str,
        params: impl Params + Send + 'static,
    ) -> Result<usize> {
        self.with(move |db| db.execute(sql, params)).await
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
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let db = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = db.connection.lock().expect("no statement panics");
            match &mut *connection {
                Some(connection) => work(connection),
                none => work(none.insert(Connection::open(&db.path)?)),
            }
        });
        Ok(done.await??)
    }
}
