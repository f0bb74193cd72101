//! The store.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rusqlite::Connection;

use crate::error::SqliteError;
use crate::file::File;
use crate::options::SqliteOptions;
use crate::readers::Readers;
use crate::rows;
use crate::usage;
use crate::writer::Writer;
use waxseal_store::{
    Answers, Creation, Cursor, Fault, Found, Listed, Page, PublicId, Record, RecordHead, RecordKey, Revision,
    SessionStore, Swap, Timestamp, Usage,
};

/// Keeps records in an SQLite file. SQLite is built in, so there is nothing to install or start.
///
/// Reads run on the calling thread, on pooled connections, and take a few microseconds. Writes go to one thread, which
/// commits all waiting writes together; a write is answered after its commit. Several stores, in one process or in
/// several on the same machine, may share a file. Do not use a network file system, because SQLite cannot rely on its
/// locks.
///
/// The next write detects if the file has disappeared or was replaced. A connection that no longer works is opened
/// again by the next call, so an outage ends by itself. [`SqliteDurability`](crate::SqliteDurability) says what an
/// acknowledged write survives.
///
/// Clones share the connections and the writing thread. Dropping the last one waits for the queued writes.
///
/// # Example
///
/// ```
/// use waxseal_sqlite::{SqliteDurability, SqliteStore};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data/sessions.db");
/// let store = SqliteStore::options(&path).durability(SqliteDurability::Full).open()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    readers: Readers,
    writer: Writer,
    file: Arc<File>,
}

impl SqliteStore {
    /// Opens the store in the file at `path` with default [options](Self::options).
    ///
    /// # Errors
    ///
    /// As for [`SqliteOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SqliteError> {
        Self::options(path).open()
    }

    /// Settings for a store in the file at `path`.
    pub fn options(path: impl AsRef<Path>) -> SqliteOptions {
        SqliteOptions::new(path.as_ref())
    }

    fn with(options: SqliteOptions) -> Result<Self, SqliteError> {
        let queue = options.queue;
        let file = Arc::new(File::new(options));
        let connection = file.create()?;
        // The writer raises it when readers' connections are to a file that has disappeared or was replaced.
        let epoch = Arc::new(AtomicU64::new(0));
        let writer = Writer::start(connection, Arc::clone(&file), Arc::clone(&epoch), queue)?;
        let readers = Readers::new(Arc::clone(&file), epoch)?;
        Ok(Self { shared: Arc::new(Shared { readers, writer, file }) })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        self.shared.readers.read(read)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SqliteError> {
        self.shared.writer.write(work).await
    }
}

impl SqliteOptions {
    /// Opens the store. Missing folders and a missing file are created with access only for this user; a file of an
    /// older release is migrated.
    ///
    /// # Errors
    ///
    /// [`SqliteError`] says why it cannot be opened.
    pub fn open(self) -> Result<SqliteStore, SqliteError> {
        SqliteStore::with(self)
    }
}

impl SessionStore for SqliteStore {
    type Error = SqliteError;

    fn fault(error: &SqliteError) -> Fault {
        error.fault()
    }

    fn answers(&self) -> Answers {
        Answers::LoadsAtOnce
    }

    async fn load(&self, key: &RecordKey, now: Timestamp) -> Result<Option<Found<Record>>, SqliteError> {
        self.read(|connection| rows::load(connection, key, now))
    }

    async fn revalidate(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, SqliteError> {
        self.read(|connection| rows::revalidate(connection, key, now))
    }

    async fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Creation, SqliteError> {
        let (key, record) = (*key, record.clone());
        self.write(move |connection| rows::create(connection, &key, &record, now)).await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, SqliteError> {
        let (key, expected, record) = (*key, *expected, record.clone());
        self.write(move |connection| rows::update(connection, &key, &expected, &record, now)).await
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> Result<bool, SqliteError> {
        let key = *key;
        self.write(move |connection| rows::touch(connection, &key, idle_end, now)).await
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        now: Timestamp,
    ) -> Result<Swap, SqliteError> {
        let (old, expected, new, record) = (*old, *expected, *new, record.clone());
        self.write(move |connection| {
            rows::renew(connection, &old, &expected, &new, &record, tombstone_expires, now)
        })
        .await
    }

    async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, SqliteError> {
        let key = *key;
        self.write(move |connection| rows::delete(connection, &key, now)).await
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, SqliteError> {
        let (key, revision, sealed) = (*key, *revision, sealed.to_vec());
        self.write(move |connection| rows::rewrap(connection, &key, &revision, kid, &sealed, now)).await
    }

    async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, SqliteError> {
        self.read(|connection| rows::sealed_otherwise(connection, kid, after, limit, now))
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, SqliteError> {
        self.read(|connection| rows::list(connection, owner, after, limit, now))
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, SqliteError> {
        self.read(|connection| rows::owned(connection, owner, public_id, now))
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, SqliteError> {
        let owner = owner.to_owned();
        self.write(move |connection| rows::end(connection, &owner, public_id, now)).await
    }

    async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> Result<(), SqliteError> {
        let (owner, keep) = (owner.to_owned(), keep.copied());
        self.write(move |connection| rows::end_all(connection, &owner, keep.as_ref(), now)).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, SqliteError> {
        self.write(move |connection| rows::purge(connection, now, limit)).await
    }

    /// Writes a row, which needs space, and deletes it in the same transaction.
    async fn ready(&self) -> Result<(), SqliteError> {
        self.write(|connection| {
            let row = "INSERT OR REPLACE INTO tombstones (hash, expires) VALUES (zeroblob(5000), 0)";
            connection.prepare_cached(row)?.execute(())?;
            connection.prepare_cached("DELETE FROM tombstones WHERE hash = zeroblob(5000)")?.execute(())?;
            Ok(())
        })
        .await
    }

    async fn usage(&self) -> Result<Usage, SqliteError> {
        let max_pages = self.shared.file.max_pages();
        self.read(|connection| usage::usage(connection, max_pages))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.shared.file.path()).finish_non_exhaustive()
    }
}
