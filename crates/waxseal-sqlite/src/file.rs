//! The database file and its connections.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::SqliteError;
use crate::identity::Identity;
use crate::log::Log;
use crate::options::{SqliteDurability, SqliteOptions};
use crate::schema;

/// The pause between two attempts to get a lock that another process holds: about as long as one or two commits.
const RETRY: Duration = Duration::from_micros(500);
/// The longest time that a read waits for a lock.
///
/// In WAL mode a read does not wait for writers, only for a process that is the first to open the file or the last to
/// close it. It waits on a thread that other tasks need.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_millis(250);
const PAGE_BYTES: u64 = 4096;

/// A database file with its options.
pub(crate) struct File {
    options: SqliteOptions,
    log: Log,
}

impl File {
    pub(crate) fn new(options: SqliteOptions) -> Self {
        Self { options, log: Log::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.options.path
    }

    /// The largest size of the database in pages, if there is one.
    pub(crate) fn max_pages(&self) -> Option<u64> {
        self.options.max_bytes.map(|bytes| (bytes / PAGE_BYTES).max(1))
    }

    /// Opens a connection for writing, and creates the file and its folders if they are missing and may be created.
    pub(crate) fn create(&self) -> Result<Connection, SqliteError> {
        if !self.options.existing {
            self.make().map_err(|error| SqliteError::open(self.path(), error))?;
        }
        self.writer()
    }

    /// Opens a connection for writing to an existing file, and migrates its schema.
    pub(crate) fn writer(&self) -> Result<Connection, SqliteError> {
        let mut connection = self.connect()?;
        self.patiently(|| schema::look(&connection))?.check(self.path(), self.options.existing)?;
        // In WAL mode readers and the writer do not wait for each other. The file keeps the mode.
        self.patiently(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
        let level = match self.options.durability {
            SqliteDurability::Off => "OFF",
            SqliteDurability::Normal => "NORMAL",
            SqliteDurability::Full => "FULL",
        };
        let tune = || {
            connection.pragma_update(None, "synchronous", level)?;
            // 16 MiB instead of 2 hold the upper levels of the trees for several million records.
            connection.pragma_update(None, "cache_size", -16_384)?;
            // 32 MiB of log between checkpoints instead of 4, so that pages that are written often are copied less
            // often, and the disk is waited for less often.
            connection.pragma_update(None, "wal_autocheckpoint", 8_000)?;
            // A log that grew because of a long read is truncated to 64 MiB afterwards.
            connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
            match self.max_pages() {
                Some(pages) => {
                    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(()))
                }
                None => Ok(()),
            }
        };
        self.patiently(tune)?;
        self.patiently(|| schema::migrate(&mut connection))?;
        self.log.note(self.path());
        Ok(connection)
    }

    /// Opens a connection for reading.
    pub(crate) fn reader(&self) -> Result<Connection, SqliteError> {
        let connection = self.connect()?;
        let tune = || {
            connection.busy_timeout(READ_TIMEOUT)?;
            // 8 MiB instead of 2 hold the upper levels of the tree for about three million records.
            connection.pragma_update(None, "cache_size", -8_192)?;
            // A mistake in a statement must not write past the writer.
            connection.pragma_update(None, "query_only", true)
        };
        tune().map_err(|error| self.error(error))?;
        Ok(connection)
    }

    fn connect(&self) -> Result<Connection, SqliteError> {
        self.log.part(self.path()).map_err(|error| SqliteError::open(self.path(), error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.path(), flags);
        let connection = connection.map_err(|error| self.error(error))?;
        connection.set_prepared_statement_cache_capacity(32);
        let tune = || {
            // `patiently` does the waiting; readers set a short timeout of their own.
            connection.busy_timeout(Duration::ZERO)?;
            // Another program may have changed the schema, which must not call functions.
            connection.pragma_update(None, "trusted_schema", false)?;
            // Plans do not depend on bound values. Otherwise SQLite looks at a bound LIMIT, and plans the statement anew
            // with each call, which costs more than to read some rows.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        };
        tune().map_err(|error| self.error(error))?;
        Ok(connection)
    }

    /// Retries `work` while another process holds a lock, for up to the busy timeout.
    ///
    /// SQLite's own waiting sleeps for up to 100 ms at a time, which starves one of two busy writers.
    pub(crate) fn patiently<T>(
        &self,
        mut work: impl FnMut() -> rusqlite::Result<T>,
    ) -> Result<T, SqliteError> {
        let start = Instant::now();
        loop {
            match work().map_err(|error| self.error(error)) {
                Err(SqliteError::Locked(_)) if start.elapsed() < self.options.busy_timeout => {
                    std::thread::sleep(RETRY);
                }
                outcome => return outcome,
            }
        }
    }

    /// The identity of the file that is at the path now.
    pub(crate) fn identity(&self) -> Result<Identity, SqliteError> {
        Identity::at(self.path()).map_err(|error| SqliteError::open(self.path(), error))
    }

    pub(crate) fn error(&self, error: rusqlite::Error) -> SqliteError {
        SqliteError::new(self.path(), self.options.busy_timeout, error)
    }

    /// Creates the file and its folders, with access only for this user.
    ///
    /// SQLite would create them readable for others. Its log and index get the file's mode.
    fn make(&self) -> io::Result<()> {
        if self.path().try_exists()? {
            return Ok(());
        }
        if let Some(folder) = self.path().parent() {
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder)?;
        }
        let mut options = fs::OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.write(true).create_new(true).open(self.path()) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            // Another process was first.
            _ => Ok(()),
        }
    }
}
