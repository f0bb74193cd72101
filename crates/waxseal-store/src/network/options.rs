use std::time::Duration;

/// How patient a store across a network is; the same for every engine.
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
    pub(crate) connect_timeout: Duration,
    pub(crate) command_timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) waiting: usize,
    pub(crate) repeats: u32,
    pub(crate) outages: u32,
    pub(crate) probe: Duration,
}

impl NetworkOptions {
    /// The usual ones, each named at its method.
    pub fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(2),
            connections: 8,
            waiting: 1_024,
            repeats: 2,
            outages: 5,
            probe: Duration::from_secs(1),
        }
    }

    /// How long making a connection may take, TLS and signing in included; 1 s unless told otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// When a call has failed, everything included: waiting for a place, connecting, repeats; 2 s unless told
    /// otherwise.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// How many connections there are at most, at least 1; 8 unless told otherwise.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How many calls may wait for their turn; 1,024 unless told otherwise. More fail at once.
    pub fn waiting(mut self, calls: usize) -> Self {
        self.waiting = calls;
        self
    }

    /// How often a call that found the store out of reach is repeated, if doing it twice does no harm: a read, a
    /// touch, a delete, a purge; twice unless told otherwise. Never beyond
    /// [`command_timeout`](Self::command_timeout).
    pub fn repeats(mut self, repeats: u32) -> Self {
        self.repeats = repeats;
        self
    }

    /// How many calls in a row must find the store out of reach, at least 1, for the breaker to open; 5 unless told
    /// otherwise. While it is open, calls fail at once.
    pub fn breaker_after(mut self, outages: u32) -> Self {
        self.outages = outages.max(1);
        self
    }

    /// How often one call is let through an open breaker; once a second unless told otherwise. The first that gets
    /// an answer closes it.
    pub fn probe_every(mut self, interval: Duration) -> Self {
        self.probe = interval;
        self
    }
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self::new()
    }
}
