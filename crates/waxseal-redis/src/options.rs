use std::fmt;
use std::time::Duration;

use crate::error::RedisError;
use waxseal_store::NetworkOptions;

/// What to set before opening a store in Redis or Valkey; from [`RedisStore::options`](crate::RedisStore::options).
#[derive(Clone)]
#[must_use = "nothing is opened until `open` is called"]
pub struct RedisOptions {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) durability: RedisDurability,
    pub(crate) allow_eviction: bool,
    pub(crate) network: NetworkOptions,
}

/// When a write is acknowledged.
///
/// What the server's own `appendonly` and `appendfsync` add to that stands in `docs/stores.md`. Notes of activity
/// wait for nothing but the primary at any level: what a lost one costs is being signed out a little earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RedisDurability {
    /// When the primary has done it. What it had not yet sent to its replicas is lost with it; a sign-out may be
    /// among that.
    #[default]
    Primary,
    /// When also so many replicas have it in memory (`WAIT`). Fewer within the time is an error, although the
    /// write may have been done.
    Replicas {
        /// How many, at least 1.
        count: u32,
        /// How long they are waited for; less than [`NetworkOptions::command_timeout`].
        timeout: Duration,
    },
    /// When the primary's disk has it, and those of so many replicas (`WAITAOF`, since Redis 7.2). The primary
    /// needs `appendonly yes`.
    Disks {
        /// How many replicas beside the primary; may be 0.
        replicas: u32,
        /// How long all of them are waited for; less than [`NetworkOptions::command_timeout`].
        timeout: Duration,
    },
}

impl RedisOptions {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: "waxseal:".to_owned(),
            durability: RedisDurability::default(),
            allow_eviction: false,
            network: NetworkOptions::new(),
        }
    }

    /// What all keys begin with: letters, digits and `:._-`, at most 64; `waxseal:` unless told otherwise. Two
    /// apps on one server need two.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// When a write is acknowledged; [`RedisDurability::Primary`] unless told otherwise.
    pub fn durability(mut self, durability: RedisDurability) -> Self {
        self.durability = durability;
        self
    }

    /// Whether to work on a server that may evict any key when its memory is full, which signs visitors out and
    /// can bring back sessions that "end all" ended; refused unless told otherwise.
    pub fn allow_eviction(mut self, allow: bool) -> Self {
        self.allow_eviction = allow;
        self
    }

    /// Timeouts, connections, repeats, and when to stop asking.
    pub fn network(mut self, network: NetworkOptions) -> Self {
        self.network = network;
        self
    }
}

/// The URL may hold a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, prefix, durability, allow_eviction, network } = self;
        f.debug_struct("RedisOptions")
            .field("prefix", prefix)
            .field("durability", durability)
            .field("allow_eviction", allow_eviction)
            .field("network", network)
            .finish_non_exhaustive()
    }
}

impl RedisDurability {
    /// Whether the timeouts leave time for the command itself.
    pub(crate) fn check(self, network: &NetworkOptions) -> Result<(), RedisError> {
        let command = network.limits().command_timeout;
        match self {
            Self::Replicas { timeout, .. } | Self::Disks { timeout, .. }
                if timeout >= command || timeout.as_millis() == 0 =>
            {
                Err(RedisError::Wait { timeout, command })
            }
            Self::Replicas { count: 0, .. } => Err(RedisError::NoReplicas),
            _ => Ok(()),
        }
    }
}
