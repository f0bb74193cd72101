use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to set before opening an SQLite store; from [`SqliteStore::options`](crate::SqliteStore::options).
#[derive(Debug, Clone)]
#[must_use = "nothing is opened until `open` is called"]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) durability: SqliteDurability,
    pub(crate) busy_timeout: Duration,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) queue: usize,
}

/// When an acknowledged write is safe.
///
/// The end of the process, kill -9 included, loses no acknowledged write at any level: it lies with the
/// operating system then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SqliteDurability {
    /// Nothing is ever forced to the disk. A power cut may lose anything and may damage the file: for tests,
    /// and for machines whose disk does not outlive them.
    Off,
    /// Forced to the disk at checkpoints. A power cut may lose the last commits and never damages the file.
    /// A lost commit may be a sign-out.
    #[default]
    Normal,
    /// Forced to the disk with every commit. A power cut loses no acknowledged write, as far as the disk keeps
    /// what it said it wrote.
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
        }
    }

    /// When an acknowledged write is safe; [`SqliteDurability::Normal`] unless told otherwise.
    pub fn durability(mut self, durability: SqliteDurability) -> Self {
        self.durability = durability;
        self
    }

    /// How long a write waits for another process that is writing; 5 s unless told otherwise. Beyond it, the
    /// write fails as an outage.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How large the database may become, in whole pages of 4 KiB; as large as the disk unless told otherwise.
    /// Beyond it, writes fail as on a full disk. The log of recent writes, usually some 32 MiB, is not counted.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// How many writes may wait for the writer; 16,384 unless told otherwise. More fail at once, as an outage.
    pub fn queue(mut self, writes: usize) -> Self {
        self.queue = writes;
        self
    }
}
