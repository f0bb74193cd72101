//! The pool of connections for reading.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::SqliteError;
use crate::file::{File, READ_TIMEOUT};

/// The largest number of idle connections. Up to this, the pool keeps as many as were ever busy at once.
const MAX_IDLE: usize = 64;

/// A pool of connections for reading.
pub(crate) struct Readers {
    file: Arc<File>,
    epoch: Arc<AtomicU64>,
    pool: Mutex<Pool>,
    /// Notified when a connection is returned or dropped.
    given_back: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Reader>,
    /// The number of connections that are reading.
    busy: usize,
}

struct Reader {
    epoch: u64,
    connection: Connection,
}

impl Readers {
    /// Opens the first connection and, by a read, its log and index.
    ///
    /// So a process that later runs out of file descriptors can still read.
    pub(crate) fn new(file: Arc<File>, epoch: Arc<AtomicU64>) -> Result<Self, SqliteError> {
        const SQL: &str = "SELECT count(*) FROM (SELECT 1 FROM sessions LIMIT 1)";
        let reader = Reader { epoch: epoch.load(Ordering::Acquire), connection: file.reader()? };
        file.patiently(|| reader.connection.query_row(SQL, (), |row| row.get::<_, i64>(0)))?;
        let pool = Mutex::new(Pool { idle: vec![reader], busy: 0 });
        Ok(Self { file, epoch, pool, given_back: Condvar::new() })
    }

    /// Reads on the calling thread, because passing the read to another thread costs more than the read.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SqliteError> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let idle = self.lock().take(epoch);
        let reader = match idle {
            Some(reader) => reader,
            None => self.open(epoch)?,
        };
        let outcome = read(&reader.connection).map_err(|error| self.file.error(error));
        let is_spared = outcome.as_ref().err().is_none_or(SqliteError::spares_the_connection);
        let mut pool = self.lock();
        pool.busy = pool.busy.saturating_sub(1);
        let dropped = if is_spared && pool.idle.len() < MAX_IDLE {
            pool.idle.push(reader);
            None
        } else {
            Some(reader)
        };
        drop(pool);
        // Closed outside the lock, and before another one is opened.
        drop(dropped);
        self.given_back.notify_one();
        outcome
    }

    /// Opens a connection, or waits for the next one that is returned.
    ///
    /// It waits if none can be opened, for example in a process without a free file descriptor.
    fn open(&self, epoch: u64) -> Result<Reader, SqliteError> {
        match self.file.reader() {
            Ok(connection) => {
                self.lock().busy += 1;
                Ok(Reader { epoch, connection })
            }
            Err(error) => {
                let nothing_yet = |pool: &mut Pool| pool.idle.is_empty() && pool.busy > 0;
                let waited = self.given_back.wait_timeout_while(self.lock(), READ_TIMEOUT, nothing_yet);
                let (mut pool, _) = waited.unwrap_or_else(PoisonError::into_inner);
                pool.take(epoch).ok_or(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Takes an idle connection whose file is still at its path.
    fn take(&mut self, epoch: u64) -> Option<Reader> {
        loop {
            let reader = self.idle.pop()?;
            if reader.epoch == epoch {
                self.busy += 1;
                return Some(reader);
            }
        }
    }
}
