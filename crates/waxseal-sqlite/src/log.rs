//! The write-ahead log beside the file.
//!
//! SQLite finds a log only by its name, whichever file it was written for.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::identity::Identity;

/// Keeps SQLite from applying a file's log to another file that replaced it.
///
/// A file is replaced when a backup is restored while the app runs. SQLite would then write pages of the former file
/// over those of the new one.
#[derive(Default)]
pub(crate) struct Log(Mutex<Option<Pair>>);

/// A file and its log.
struct Pair {
    file: Identity,
    log: Identity,
}

impl Log {
    /// Records the identities of file and log, while a connection has both open.
    pub(crate) fn note(&self, path: &Path) {
        let pair =
            Identity::at(path).and_then(|file| Ok(Pair { file, log: Identity::at(&beside(path, "-wal"))? }));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pair.ok();
    }

    /// Moves the recorded file's log away if another file is at `path`. It is called before a file is opened.
    pub(crate) fn part(&self, path: &Path) -> io::Result<()> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(noted) = &*noted else { return Ok(()) };
        let (log, aside) = (beside(path, "-wal"), beside(path, ".replaced-wal"));
        let replaced = Identity::at(path).is_ok_and(|file| file != noted.file);
        // Another process may have done so already; then the log belongs to the new file.
        if !replaced || Identity::at(&log).ok() != Some(noted.log) {
            return Ok(());
        }
        // The log's index is removed before the log, so that a process that finds no log finds no index either.
        match fs::remove_file(beside(path, "-shm")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::rename(&log, &aside)?,
        }
        tracing::warn!(
            "another file took the place of {}; the former one's log lies in {}",
            path.display(),
            aside.display()
        );
        Ok(())
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}
