//! The identity of a file.

use std::fs;
use std::io;
use std::path::Path;

/// The device and inode of a file, which distinguish it from another file that replaced it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity([u64; 2]);

impl Identity {
    /// The identity of the file at `path`.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    #[cfg(unix)]
    fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self([metadata.dev(), metadata.ino()])
    }

    /// On other systems an open file cannot be replaced.
    #[cfg(not(unix))]
    fn of(_: &fs::Metadata) -> Self {
        Self([0; 2])
    }
}
