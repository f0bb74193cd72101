//! Limits of size and time for requests and their connections.

use std::time::Duration;

/// The sizes and times that a request and its connection may take.
///
/// The defaults suit a server on the open internet. Every value is fine, including zero, which refuses everything.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_server::Limits;
///
/// let limits = Limits::default().body(64 * 1024).request_time(Duration::from_secs(20));
/// assert_eq!(limits.body, 65_536);
/// assert_eq!(limits.head, 16_384);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a request's body; more is answered 413. Default 2 MiB.
    pub body: usize,
    /// Bytes of a request's head, request line included; more is answered 431. Default 16 KiB.
    pub head: usize,
    /// Header fields in a head; more is answered 431. At most 4096. Repeated `Content-Length`s count once up to 100
    /// fields. Default 64.
    pub head_fields: usize,
    /// The time for a head from the moment the server waits for it: the first byte of a connection, the rest of
    /// the head, and the next request on a connection kept alive. Then the connection is closed. Default 10 s.
    pub head_time: Duration,
    /// The time that a request's body may stand still between two frames (408). Default 15 s.
    ///
    /// The connection is closed if the other side takes nothing of a response for so long, and has had so long for each
    /// 48 KB that it took before: a slow reader's system takes nothing until its buffer is nearly empty. It is 16 times as
    /// long at most. Whoever reads 3.3 KB/s or more from a buffer of up to 750 KB thus gets all, and a client that reads
    /// nothing at all is closed after a minute or less.
    pub body_idle: Duration,
    /// The time for a request from its head to the head of its answer; then 503. Default 60 s.
    pub request_time: Duration,
    /// Connections open at the same time; others wait to be accepted. At least one. Default 10,000.
    ///
    /// Each needs a file descriptor. At most three quarters of the system's limit of open files (`ulimit -n`) are taken,
    /// less if that would leave fewer than 64 for all else; the log says so at start.
    pub connections: u32,
    /// The time for which a server that is told to stop goes on as before, except that each answer closes its connection:
    /// for the load balancer to notice. Default 0.
    pub shutdown_delay: Duration,
    /// The time for requests in flight to end once the server has closed its listener. Default 10 s.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 2 * 1024 * 1024,
            head: 16 * 1024,
            head_fields: 64,
            head_time: Duration::from_secs(10),
            body_idle: Duration::from_secs(15),
            request_time: Duration::from_secs(60),
            connections: 10_000,
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Sets the bytes of a request's body.
    #[must_use]
    pub fn body(mut self, bytes: usize) -> Self {
        self.body = bytes;
        self
    }

    /// Sets the bytes of a request's head, request line included.
    #[must_use]
    pub fn head(mut self, bytes: usize) -> Self {
        self.head = bytes;
        self
    }

    /// Sets the header fields in a head.
    #[must_use]
    pub fn head_fields(mut self, fields: usize) -> Self {
        self.head_fields = fields;
        self
    }

    /// Sets the time for a head, from the moment the server waits for it.
    #[must_use]
    pub fn head_time(mut self, time: Duration) -> Self {
        self.head_time = time;
        self
    }

    /// Sets the time that a body may stand still.
    #[must_use]
    pub fn body_idle(mut self, time: Duration) -> Self {
        self.body_idle = time;
        self
    }

    /// Sets the time for a request until the head of its answer.
    #[must_use]
    pub fn request_time(mut self, time: Duration) -> Self {
        self.request_time = time;
        self
    }

    /// Sets the connections open at the same time.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Sets the time between being told to stop and closing the listener.
    #[must_use]
    pub fn shutdown_delay(mut self, time: Duration) -> Self {
        self.shutdown_delay = time;
        self
    }

    /// Sets the time for requests in flight to end once the listener is closed.
    #[must_use]
    pub fn shutdown_grace(mut self, time: Duration) -> Self {
        self.shutdown_grace = time;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_sets_its_own_field_and_no_other() {
        let second = Duration::from_secs(1);
        let all = Limits::default()
            .body(1)
            .head(2)
            .head_fields(3)
            .head_time(second)
            .body_idle(2 * second)
            .request_time(3 * second)
            .connections(4)
            .shutdown_delay(5 * second)
            .shutdown_grace(4 * second);
        let expected = Limits {
            body: 1,
            head: 2,
            head_fields: 3,
            head_time: second,
            body_idle: 2 * second,
            request_time: 3 * second,
            connections: 4,
            shutdown_delay: 5 * second,
            shutdown_grace: 4 * second,
        };
        assert_eq!(all, expected);
    }
}
