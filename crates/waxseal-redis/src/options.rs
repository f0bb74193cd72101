//! Settings of the store.

use std::fmt;
use std::time::Duration;

use crate::error::RedisError;
use redis::Client;
use waxseal_store::NetworkOptions;

/// Settings of a store in Redis or Valkey; made by [`RedisStore::options`](crate::RedisStore::options).
///
/// The URL can set each of them, as in `?prefix=shop:&connections=4&command_timeout=500ms`, and overrides the code, so
/// that an operator has to set only the URL.
#[derive(Clone)]
#[must_use = "nothing is opened until `open` is called"]
pub struct RedisOptions {
    pub(crate) url: String,
    /// The app's own client, in place of a URL.
    pub(crate) client: Option<Client>,
    pub(crate) prefix: String,
    pub(crate) durability: RedisDurability,
    pub(crate) allow_eviction: bool,
    pub(crate) network: NetworkOptions,
}

/// The copies that a write waits for before it is acknowledged.
///
/// The server's own settings `appendonly` and `appendfsync` add to that. Notes of activity wait only for the primary at
/// every level: a lost note only means that a visitor is signed out a little earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RedisDurability {
    /// The primary. If it fails, writes that it had not yet sent to its replicas are lost, possibly including a
    /// sign-out.
    #[default]
    Primary,
    /// The primary, and the memory of `count` replicas (`WAIT`). If fewer confirm in time, the call is an error,
    /// although the primary has done the write.
    Replicas {
        /// The number of replicas, at least 1.
        count: u32,
        /// The longest time to wait for them; less than [`NetworkOptions::command_timeout`].
        timeout: Duration,
    },
    /// The primary's disk, and those of `replicas` replicas (`WAITAOF`, since Redis 7.2). The primary needs
    /// `appendonly yes`.
    Disks {
        /// The number of replicas in addition to the primary; may be 0.
        replicas: u32,
        /// The longest time to wait for all of them; less than [`NetworkOptions::command_timeout`].
        timeout: Duration,
    },
}

impl RedisOptions {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            client: None,
            prefix: "waxseal:".to_owned(),
            durability: RedisDurability::default(),
            allow_eviction: false,
            network: NetworkOptions::new(),
        }
    }

    /// The prefix of all keys: 1 to 64 letters, digits and `:._-`. Two apps on one server need different prefixes.
    /// Default: `waxseal:`.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// The copies that a write waits for before it is acknowledged. Default: [`RedisDurability::Primary`].
    pub fn durability(mut self, durability: RedisDurability) -> Self {
        self.durability = durability;
        self
    }

    /// Allows a server that may evict keys when its memory is full, even if it evicts only keys with an expiry.
    /// Default: such a server is refused.
    ///
    /// Eviction signs visitors out, and can bring back sessions that were ended.
    pub fn allow_eviction(mut self, allow: bool) -> Self {
        self.allow_eviction = allow;
        self
    }

    /// Timeouts, connections, retries and the circuit breaker. Default: [`NetworkOptions::new`].
    pub fn network(mut self, network: NetworkOptions) -> Self {
        self.network = network;
        self
    }
}

/// Does not show the URL, which may contain a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, client: _, prefix, durability, allow_eviction, network } = self;
        f.debug_struct("RedisOptions")
            .field("prefix", prefix)
            .field("durability", durability)
            .field("allow_eviction", allow_eviction)
            .field("network", network)
            .finish_non_exhaustive()
    }
}

impl RedisDurability {
    /// Checks that the timeouts leave time for the command itself.
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
