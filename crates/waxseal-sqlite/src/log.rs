//! The write-ahead log beside the file.
//!
//! SQLite finds a log by its name alone, whichever file it was written for.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::identity::Identity;

/// Keeps a file's log out of another file that took its place.
///
/// That happens when a backup is put back while the app runs. SQLite would write pages of the former file over those
/// of the new one.
#[derive(Default)]
pub(crate) struct Log(Mutex<Option<Pair>>);

/// A file and its log.
struct Pair {
    file: Identity,
    log: Identity,
}

impl Log {
    /// Notes the identities of file and log, while a connection holds both.
    pub(crate) fn note(&self, path: &Path) {
        let pair =
            Identity::at(path).and_then(|file| Ok(Pair { file, log: Identity::at(&beside(path, "-wal"))? }));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pair.ok();
    }

    /// Moves the noted file's log away if the file at `path` is another. Called before a file is opened.
    pub(crate) fn part(&self, path: &Path) -> io::Result<()> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(noted) = &*noted else { return Ok(()) };
        let (log, aside) = (beside(path, "-wal"), beside(path, ".replaced-wal"));
        let replaced = Identity::at(path).is_ok_and(|file| file != noted.file);
        // Another process may have done so already, and the log is the new file's.
        if !replaced || Identity::at(&log).ok() != Some(noted.log) {
            return Ok(());
        }
        // The index of a log goes before the log: whoever finds no log is to find no index of it.
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
