//! Connections that read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::SqliteError;
use super::file::File;

/// Connections that wait for work; as many as were ever busy at once, up to this.
const MAX_IDLE: usize = 64;

pub(super) struct Readers {
    file: Arc<File>,
    epoch: Arc<AtomicU64>,
    idle: Mutex<Vec<Reader>>,
}

struct Reader {
    epoch: u64,
    connection: Connection,
}

impl Readers {
    pub(super) fn new(file: Arc<File>, epoch: Arc<AtomicU64>) -> Self {
        Self { file, epoch, idle: Mutex::default() }
    }

    /// Reads on this thread: a hop to another costs more than the read.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SqliteError> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let reader = match self.idle(epoch) {
            Some(reader) => reader,
            None => Reader { epoch, connection: self.file.reader()? },
        };
        let outcome = read(&reader.connection).map_err(|error| self.file.error(error));
        if outcome.as_ref().err().is_none_or(SqliteError::spares_the_connection) {
            let mut idle = self.lock();
            if idle.len() < MAX_IDLE {
                idle.push(reader);
            }
        }
        outcome
    }

    /// One whose file is still at its path.
    fn idle(&self, epoch: u64) -> Option<Reader> {
        let mut idle = self.lock();
        loop {
            let reader = idle.pop()?;
            if reader.epoch == epoch {
                return Some(reader);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
