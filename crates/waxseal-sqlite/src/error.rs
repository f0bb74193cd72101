//! The error of the store.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::ErrorCode;

use waxseal_store::Fault;

/// The error of a store in an SQLite file.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The file, or a folder in its path, could not be created or opened.
    #[error("the session database {path} could not be opened; check that this user may read and write it and its folder", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the operating system or of SQLite.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The file is not an SQLite database, or it is damaged.
    #[error(
        "{path} is not an SQLite database, or damaged; move it away and a new one is made, or put back a backup",
        path = path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is an SQLite database of another program.
    #[error("{path} is another program's database; give the sessions a file of their own", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer release has migrated the file.
    #[error(
        "the session database {path} has schema {found}, and this release knows up to {known}; run the newer release",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The newest schema that this release knows.
        known: i64,
    },
    /// The file has no tables or those of an older release, and only an [existing](crate::SqliteOptions::existing) one of this
    /// release was asked for.
    #[error(
        "the session database {path} has schema {found}, and this program needs {known} and changes none; is it the app's \
         file, and this program of the app's release?",
        path = path.display()
    )]
    Unmigrated {
        /// The file.
        path: PathBuf,
        /// The schema it has; 0 if there are no tables.
        found: i64,
        /// The schema needed.
        known: i64,
    },
    /// Another process holds the file's lock.
    #[error("the session database was locked by another process for {0:?}")]
    Locked(Duration),
    /// The disk is full, or the database has reached its largest size.
    #[error("no room for the session database; free disk space or allow it to be larger")]
    Full,
    /// The file is read-only.
    #[error("the session database is read-only; check its permissions, its folder's and the disk's")]
    ReadOnly,
    /// Reading or writing the file failed, or the file is damaged.
    #[error("the session database could not be read or written")]
    Disk(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The queue of writes is full.
    #[error("{0} writes are waiting for the session database")]
    Queue(usize),
    /// The thread that writes has ended.
    #[error("the session database's writer has ended")]
    Stopped,
    /// A statement failed because of a defect of this crate, or because another program changed the tables.
    #[error("a statement of the session database failed")]
    Statement(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl SqliteError {
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Statement(_) => Fault::Defect,
            Self::Full => Fault::Full,
            Self::Locked(_) | Self::Queue(_) => Fault::Locked,
            Self::ReadOnly => Fault::ReadOnly,
            _ => Fault::Outage,
        }
    }

    /// Returns `true` if the connection that caused the error can still be used.
    pub(crate) fn spares_the_connection(&self) -> bool {
        matches!(self, Self::Locked(_) | Self::Full | Self::Queue(_) | Self::Statement(_))
    }

    /// The error of making or opening the file.
    pub(crate) fn open(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Open { path: path.to_owned(), source: Arc::new(source) },
        }
    }

    /// The error of a statement, or of a connection's set-up.
    pub(crate) fn new(path: &Path, waited: Duration, error: rusqlite::Error) -> Self {
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match error.sqlite_error_code() {
            // The log's index could not be enlarged.
            _ if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(waited),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path: path.to_owned() },
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::AuthorizationForStatementDenied,
            ) => Self::Open { path: path.to_owned(), source: Arc::new(error) },
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::SystemIoFailure
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::OperationInterrupted
                | ErrorCode::OperationAborted,
            ) => Self::Disk(Arc::new(error)),
            _ => Self::Statement(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_waiting_or_an_operator_heals_is_an_outage() {
        for (code, fault) in [
            (ffi::SQLITE_BUSY, Fault::Locked),
            (ffi::SQLITE_BUSY_SNAPSHOT, Fault::Locked),
            (ffi::SQLITE_FULL, Fault::Full),
            (ffi::SQLITE_READONLY, Fault::ReadOnly),
            (ffi::SQLITE_READONLY_DIRECTORY, Fault::ReadOnly),
            (ffi::SQLITE_CANTOPEN, Fault::Outage),
            (ffi::SQLITE_IOERR_FSYNC, Fault::Outage),
            (ffi::SQLITE_CORRUPT, Fault::Outage),
            (ffi::SQLITE_NOTADB, Fault::Outage),
            (ffi::SQLITE_CONSTRAINT, Fault::Defect),
            (ffi::SQLITE_MISUSE, Fault::Defect),
            (ffi::SQLITE_ERROR, Fault::Defect),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = SqliteError::new(Path::new("sessions.db"), Duration::ZERO, error);
            assert_eq!(error.fault(), fault, "{code}: {error}");
        }
    }
}
