//! Settings of the call policy.

use std::time::Duration;

/// Settings for calls to a store across a network; the same for every engine.
///
/// ```
/// use std::time::Duration;
/// use waxseal_store::NetworkOptions;
///
/// let network = NetworkOptions::new().command_timeout(Duration::from_millis(500)).connections(4);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "these take effect with the store that is opened with them"]
pub struct NetworkOptions {
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
    pub(super) connections: usize,
    pub(super) queue: usize,
    pub(super) retries: u32,
    pub(super) breaker_after: u32,
    pub(super) half_open_interval: Duration,
}

/// The settings that a store applies itself; the rest is applied by [`CallPolicy`](super::CallPolicy).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkLimits {
    /// The longest time that making a connection may take.
    pub connect_timeout: Duration,
    /// The longest time that a call may take, everything included.
    pub command_timeout: Duration,
    /// The largest number of connections, at least 1.
    pub connections: usize,
}

impl NetworkOptions {
    /// The defaults, each named at its method.
    pub fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(2),
            connections: 8,
            queue: 1_024,
            retries: 2,
            breaker_after: 5,
            half_open_interval: Duration::from_secs(1),
        }
    }

    /// The longest time that making a connection may take, TLS and signing in included. Default: 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest time that a call may take, everything included: the queue, connecting, retries. Default: 2 s.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// The largest number of connections, at least 1. Default: 8.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// The number of calls that may wait for the concurrency limit. More fail at once. Default: 1,024.
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// The number of retries after a call that found the server out of reach. Default: 2.
    ///
    /// Only calls that do no harm when they are done twice are retried: a read, a touch, a delete, a purge. No retry
    /// begins after [`command_timeout`](Self::command_timeout).
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The number of calls in a row that must find the server out of reach for the circuit breaker to open, at least
    /// 1. Calls fail at once while it is open. Default: 5.
    pub fn breaker_after(mut self, outages: u32) -> Self {
        self.breaker_after = outages.max(1);
        self
    }

    /// The interval at which an open circuit breaker lets one call through. The first that gets an answer closes it.
    /// Default: 1 s.
    pub fn half_open_interval(mut self, interval: Duration) -> Self {
        self.half_open_interval = interval;
        self
    }

    /// Returns the settings that the store itself has to apply. For authors of stores.
    #[must_use]
    pub fn limits(&self) -> NetworkLimits {
        let Self { connect_timeout, command_timeout, connections, .. } = *self;
        NetworkLimits { connect_timeout, command_timeout, connections }
    }
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self::new()
    }
}
