//! Settings of the call policy.

use std::time::Duration;

use crate::url_value;

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

/// The settings that a store applies itself; [`CallPolicy`](super::CallPolicy) applies the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkLimits {
    /// The longest time for making a connection.
    pub connect_timeout: Duration,
    /// The longest time for a whole call.
    pub command_timeout: Duration,
    /// The largest number of connections, at least 1.
    pub connections: usize,
}

impl NetworkOptions {
    /// The defaults, which each method documents.
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

    /// The longest time for making a connection, including TLS and authentication. Default: 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest time for a call, including the queue, connecting and retries. Default: 2 s.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// The largest number of connections, at least 1. Default: 8.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// The number of calls that may wait for the concurrency limit. Further ones fail at once. Default: 1,024.
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// The number of retries after a call that found the server out of reach. Default: 2.
    ///
    /// Only calls that can safely be done twice are retried, such as a read, a touch, a delete or a purge, and calls
    /// that were certainly not done. No retry begins after [`command_timeout`](Self::command_timeout).
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The number of calls in a row that cannot reach the server after which the circuit breaker opens, at least 1.
    /// Calls fail at once while it is open. Default: 5.
    pub fn breaker_after(mut self, outages: u32) -> Self {
        self.breaker_after = outages.max(1);
        self
    }

    /// The interval at which an open circuit breaker lets one call through. The first of these that is answered closes
    /// it. Default: 1 s.
    pub fn half_open_interval(mut self, interval: Duration) -> Self {
        self.half_open_interval = interval;
        self
    }

    /// Sets an option from a parameter of a store's URL, whose name is that of the method here. Times are written as
    /// `500ms` or `2s`. Returns `false` if there is no option of this name. For authors of stores.
    ///
    /// # Errors
    ///
    /// A text that says what a valid value is.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use waxseal_store::NetworkOptions;
    ///
    /// let mut network = NetworkOptions::new();
    /// assert_eq!(network.set("command_timeout", "500ms"), Ok(true));
    /// assert_eq!(network, NetworkOptions::new().command_timeout(Duration::from_millis(500)));
    /// assert_eq!(network.set("schema", "shop"), Ok(false));
    /// assert!(network.set("connections", "many").is_err());
    /// ```
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool, &'static str> {
        let time = |wrong: &'static str| url_value::duration(value).ok_or(wrong);
        match name {
            "connect_timeout" => {
                self.connect_timeout = time("connect_timeout is a time, such as 500ms or 2s")?
            }
            "command_timeout" => {
                self.command_timeout = time("command_timeout is a time, such as 500ms or 2s")?
            }
            "half_open_interval" => {
                self.half_open_interval = time("half_open_interval is a time, such as 500ms or 2s")?;
            }
            "connections" => {
                let connections = url_value::number(value).filter(|connections| *connections > 0);
                self.connections = connections.ok_or("connections is a number from 1 up")?;
            }
            "queue" => self.queue = url_value::number(value).ok_or("queue is a number")?,
            "retries" => self.retries = url_value::number(value).ok_or("retries is a number")?,
            "breaker_after" => {
                let outages = url_value::number(value).filter(|outages| *outages > 0);
                self.breaker_after = outages.ok_or("breaker_after is a number from 1 up")?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Returns the settings that the store has to apply itself. For authors of stores.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_a_parameter_that_sets_it_and_no_other() {
        let second = Duration::from_secs(7);
        for (name, value, expected) in [
            ("connect_timeout", "7s", NetworkOptions::new().connect_timeout(second)),
            ("command_timeout", "7", NetworkOptions::new().command_timeout(second)),
            ("connections", "7", NetworkOptions::new().connections(7)),
            ("queue", "7", NetworkOptions::new().queue(7)),
            ("retries", "0", NetworkOptions::new().retries(0)),
            ("breaker_after", "7", NetworkOptions::new().breaker_after(7)),
            ("half_open_interval", "7000ms", NetworkOptions::new().half_open_interval(second)),
        ] {
            let mut options = NetworkOptions::new();
            assert_eq!(options.set(name, value), Ok(true));
            assert_eq!(options, expected, "{name}");
            for wrong in ["", "-1", "many"] {
                assert!(options.set(name, wrong).unwrap_err().starts_with(name), "{name}={wrong}");
            }
        }
        for (name, value) in [("connections", "0"), ("breaker_after", "0"), ("command_timeout", "0s")] {
            assert!(NetworkOptions::new().set(name, value).is_err(), "{name}={value}");
        }
        assert_eq!(NetworkOptions::new().set("sslmode", "require"), Ok(false));
    }
}
