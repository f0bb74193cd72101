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
    /// Bytes a second that a request's body must bring while the server waits for it, once it has waited 5 s in all; a
    /// slower one is answered 408. 0 for no such rule. Default 0.
    pub body_rate: u32,
    /// Fields of a form or a query, and parts of an upload; more is answered 400. Default 1,000.
    pub form_parts: usize,
    /// Bytes of one field of an upload that is no file; more is answered 413. Default 256 KiB.
    pub form_memory: u64,
    /// Bytes of a request's head, request line included; more is answered 431. Default 16 KiB.
    pub head: usize,
    /// Header fields in a head; more is answered 431. At most 4096. Repeated `Content-Length`s count once up to 100
    /// fields. Default 64.
    pub head_fields: usize,
    /// The time for the first byte of a new connection; then it is closed. Default 10 s.
    pub first_byte_time: Duration,
    /// The time for a head from its first byte; then the connection is closed. Default 10 s.
    pub head_time: Duration,
    /// The time for which a connection kept alive may be silent before its next request; then it is closed. Default 65 s:
    /// longer than the 60 s for which proxies such as nginx keep a connection to reuse it, since a request sent on one
    /// that is just being closed is lost.
    pub keep_alive_time: Duration,
    /// The time that a request's body may stand still between two frames (408). Default 15 s.
    pub body_idle: Duration,
    /// The time in which a client must take something of an answer. Default 15 s.
    ///
    /// The connection is closed if the other side takes nothing of a response for so long, and has had so long for each
    /// 48 KB that it took before: a slow reader's system takes nothing until its buffer is nearly empty. It is 16 times as
    /// long at most. Whoever reads 3.3 KB/s or more from a buffer of up to 750 KB thus gets all, and a client that reads
    /// nothing at all is closed after a minute or less.
    pub answer_idle: Duration,
    /// The time for a request from its head to the head of its answer; then 503. Default 60 s.
    pub request_time: Duration,
    /// Connections open at the same time; others wait to be accepted. At least one. Default 10,000.
    ///
    /// Each needs a file descriptor. At most three quarters of the system's limit of open files (`ulimit -n`) are taken,
    /// less if that would leave fewer than 64 for all else; the log says so at start.
    pub connections: u32,
    /// Connections of one address open at the same time, of one IPv6 network of 64 bits counted together; more are closed
    /// at once. Addresses of [trusted proxies](crate::HttpServer::trust) have no such limit. 0 for none. Default 0: a proxy
    /// that nobody named as trusted has one address for all its visitors.
    pub connections_per_address: u32,
    /// The time for which a server that is told to stop goes on as before, except that each answer closes its connection:
    /// for the load balancer to notice. Default 0.
    pub shutdown_delay: Duration,
    /// The time for requests in flight to end once the server has closed its listener. It should be longer than
    /// [`request_time`](Self::request_time). Default 65 s.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 2 * 1024 * 1024,
            body_rate: 0,
            form_parts: 1000,
            form_memory: 256 * 1024,
            head: 16 * 1024,
            head_fields: 64,
            first_byte_time: Duration::from_secs(10),
            head_time: Duration::from_secs(10),
            keep_alive_time: Duration::from_secs(65),
            body_idle: Duration::from_secs(15),
            answer_idle: Duration::from_secs(15),
            request_time: Duration::from_secs(60),
            connections: 10_000,
            connections_per_address: 0,
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(65),
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

    /// Sets the bytes a second that a request's body must bring; 0 for no such rule.
    #[must_use]
    pub fn body_rate(mut self, bytes: u32) -> Self {
        self.body_rate = bytes;
        self
    }

    /// Sets the fields of a form or a query, and the parts of an upload.
    #[must_use]
    pub fn form_parts(mut self, parts: usize) -> Self {
        self.form_parts = parts;
        self
    }

    /// Sets the bytes of one field of an upload that is no file.
    #[must_use]
    pub fn form_memory(mut self, bytes: u64) -> Self {
        self.form_memory = bytes;
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

    /// Sets the time for the first byte of a new connection.
    #[must_use]
    pub fn first_byte_time(mut self, time: Duration) -> Self {
        self.first_byte_time = time;
        self
    }

    /// Sets the time for a head, from its first byte.
    #[must_use]
    pub fn head_time(mut self, time: Duration) -> Self {
        self.head_time = time;
        self
    }

    /// Sets the time for which a connection kept alive may be silent.
    #[must_use]
    pub fn keep_alive_time(mut self, time: Duration) -> Self {
        self.keep_alive_time = time;
        self
    }

    /// Sets the time that a request's body may stand still.
    #[must_use]
    pub fn body_idle(mut self, time: Duration) -> Self {
        self.body_idle = time;
        self
    }

    /// Sets the time in which a client must take something of an answer.
    #[must_use]
    pub fn answer_idle(mut self, time: Duration) -> Self {
        self.answer_idle = time;
        self
    }

    /// Sets the time for a request until the head of its answer. A [`shutdown_grace`](Self::shutdown_grace) that is not
    /// longer becomes 5 s longer.
    #[must_use]
    pub fn request_time(mut self, time: Duration) -> Self {
        self.request_time = time;
        if self.shutdown_grace <= time {
            self.shutdown_grace = time.saturating_add(Duration::from_secs(5));
        }
        self
    }

    /// Sets the connections open at the same time.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Sets the connections of one address open at the same time; 0 for no limit.
    #[must_use]
    pub fn connections_per_address(mut self, connections: u32) -> Self {
        self.connections_per_address = connections;
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
        let seconds = Duration::from_secs;
        let all = Limits::default()
            .body(1)
            .body_rate(2)
            .form_parts(3)
            .form_memory(4)
            .head(5)
            .head_fields(6)
            .first_byte_time(seconds(1))
            .head_time(seconds(2))
            .keep_alive_time(seconds(3))
            .body_idle(seconds(4))
            .answer_idle(seconds(5))
            .request_time(seconds(6))
            .connections(7)
            .connections_per_address(8)
            .shutdown_delay(seconds(8))
            .shutdown_grace(seconds(7));
        let expected = Limits {
            body: 1,
            body_rate: 2,
            form_parts: 3,
            form_memory: 4,
            head: 5,
            head_fields: 6,
            first_byte_time: seconds(1),
            head_time: seconds(2),
            keep_alive_time: seconds(3),
            body_idle: seconds(4),
            answer_idle: seconds(5),
            request_time: seconds(6),
            connections: 7,
            connections_per_address: 8,
            shutdown_delay: seconds(8),
            shutdown_grace: seconds(7),
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn the_grace_grows_with_the_time_for_a_request_and_never_shrinks() {
        for (request, grace) in [(30, 65), (60, 65), (64, 65), (65, 70), (300, 305)] {
            let limits = Limits::default().request_time(Duration::from_secs(request));
            assert_eq!(limits.shutdown_grace.as_secs(), grace, "{request} s");
        }
        assert_eq!(Limits::default().request_time(Duration::MAX).shutdown_grace, Duration::MAX);
    }
}
