//! Connections that read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::SqliteError;
use crate::file::{File, READ_TIMEOUT};

/// Connections that wait for work; as many as were ever busy at once, up to this.
const MAX_IDLE: usize = 64;

pub(crate) struct Readers {
    file: Arc<File>,
    epoch: Arc<AtomicU64>,
    pool: Mutex<Pool>,
    /// A connection was given back, or dropped.
    given_back: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Reader>,
    /// How many are reading.
    busy: usize,
}

struct Reader {
    epoch: u64,
    connection: Connection,
}

impl Readers {
    /// Opens the first one, and with a read also the log and its index: a process that has no descriptor left still reads.
    pub(crate) fn new(file: Arc<File>, epoch: Arc<AtomicU64>) -> Result<Self, SqliteError> {
        const SQL: &str = "SELECT count(*) FROM (SELECT 1 FROM sessions LIMIT 1)";
        let reader = Reader { epoch: epoch.load(Ordering::Acquire), connection: file.reader()? };
        file.patiently(|| reader.connection.query_row(SQL, (), |row| row.get::<_, i64>(0)))?;
        let pool = Mutex::new(Pool { idle: vec![reader], busy: 0 });
        Ok(Self { file, epoch, pool, given_back: Condvar::new() })
    }

    /// Reads on this thread: a hop to another costs more than the read.
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
        // Closed outside the lock, and before anybody opens another.
        drop(dropped);
        self.given_back.notify_one();
        outcome
    }

    /// A new one; or if that cannot be opened, as in a process without a free descriptor, the next that is given back.
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
    /// One whose file is still at its path.
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
