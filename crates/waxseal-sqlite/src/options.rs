//! Settings of the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings of a store in an SQLite file; made by [`SqliteStore::options`](crate::SqliteStore::options).
#[derive(Debug, Clone)]
#[must_use = "nothing is opened until `open` is called"]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) durability: SqliteDurability,
    pub(crate) busy_timeout: Duration,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) queue: usize,
    pub(crate) existing: bool,
}

/// Levels of safety for an acknowledged write.
///
/// At every level, no acknowledged write is lost when the process ends, not even with `kill -9`, because the operating
/// system has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SqliteDurability {
    /// Forces nothing to the disk. A power cut may lose anything and may damage the file. For tests, and for disks that
    /// are lost with the machine anyway.
    Off,
    /// Forces checkpoints to the disk. A power cut may lose the last commits, including sign-outs, but never damages
    /// the file.
    #[default]
    Normal,
    /// Forces every commit to the disk. A power cut loses no acknowledged write, if the disk keeps what it reports as
    /// written.
    Full,
}

impl SqliteOptions {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            durability: SqliteDurability::default(),
            busy_timeout: Duration::from_secs(5),
            max_bytes: None,
            queue: 16_384,
            existing: false,
        }
    }

    /// The level of safety for an acknowledged write. Default: [`SqliteDurability::Normal`].
    pub fn durability(mut self, durability: SqliteDurability) -> Self {
        self.durability = durability;
        self
    }

    /// The longest time that a write waits for another process that is writing. Then it fails with
    /// [`SqliteError::Locked`](crate::SqliteError::Locked). Default: 5 s.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// The largest size of the database, in whole pages of 4 KiB. Default: none.
    ///
    /// Beyond it, writes fail as on a full disk. The log of recent writes, usually about 32 MiB, is not counted.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// The number of writes that may wait for the writing thread. Further ones fail at once with
    /// [`SqliteError::Queue`](crate::SqliteError::Queue). Default: 16,384.
    pub fn queue(mut self, writes: usize) -> Self {
        self.queue = writes;
        self
    }

    /// Opens only a file of this release that is there already, and changes no tables. For tools beside an app: a newer one
    /// must not migrate the file of an app that runs.
    pub fn existing(mut self) -> Self {
        self.existing = true;
        self
    }
}
