//! Limits of size and time for requests and their connections.

use std::time::Duration;

/// The sizes and times that a request and its connection may take.
///
/// The defaults suit a server on the open internet. Every value is valid, including zero, which refuses everything.
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
    /// The largest body of a request, in bytes; a larger one is answered with 413. Default 2 MiB.
    pub body: usize,
    /// The rate at which a request's body must come while the server waits for it, in bytes a second. It applies once
    /// the server has waited for 5 s in all; a slower body is answered with 408. 0 for no such limit. Default 0.
    pub body_rate: u32,
    /// The most fields of a form or a query, and the most parts of an upload; more are answered with 400. Default
    /// 1,000.
    pub form_parts: usize,
    /// The largest field of an upload that is not a file, in bytes; a larger one is answered with 413. Default 256 KiB.
    pub form_memory: u64,
    /// The longest head of a request, request line included, in bytes; a longer one is answered with 431. Default 16
    /// KiB.
    pub head: usize,
    /// The most header fields in a head; more are answered with 431. At most 4096. Up to 100 fields, repeated
    /// `Content-Length`s count once. Default 64.
    pub head_fields: usize,
    /// How long the first byte of a new connection may take before it is closed. Default 10 s.
    pub first_byte_time: Duration,
    /// How long a head may take from its first byte before the connection is closed. Default 10 s.
    pub head_time: Duration,
    /// How long a connection that is kept alive may be silent before its next request; then it is closed. Default 65 s.
    /// This is longer than the 60 s for which proxies such as nginx keep a connection for reuse, because a request that
    /// is sent on a connection that is just being closed is lost.
    pub keep_alive_time: Duration,
    /// How long a request's body may pause between two frames (408). Default 15 s.
    pub body_idle: Duration,
    /// How long a client may take nothing of a response. Default 15 s.
    ///
    /// The connection is then closed. The client has this time once more for each 48 KB that it took before, up to 16
    /// times, because the system of a slow reader takes nothing until its buffer is nearly empty. So a client that
    /// reads at least 3.3 KB/s from a buffer of up to 750 KB gets the whole response. The connection of one that reads
    /// nothing at all is closed after a minute or less, unless the client gave itself a larger buffer than usual.
    pub answer_idle: Duration,
    /// How long a request may take, from its head to the head of its response; then 503. Default 60 s.
    ///
    /// In an app of `waxseal` the error page and the hooks after the handler have 2 s more together.
    pub request_time: Duration,
    /// The most connections open at the same time, at least one. Others wait to be accepted. Default 10,000.
    ///
    /// Each needs a file descriptor. At most three quarters of the system's limit of open files (`ulimit -n`) are used
    /// for connections, or fewer if that would leave less than 64 for everything else. The log says so at start.
    pub connections: u32,
    /// The most connections of one address open at the same time; more are closed at once. Addresses of the same 64-bit
    /// IPv6 network count together. The limit does not apply to addresses of [trusted
    /// proxies](crate::HttpServer::trust). 0 for no limit. Default 0, because a proxy that was not set as trusted has
    /// one address for all its visitors.
    pub connections_per_address: u32,
    /// How long a server that was told to stop goes on as before, except that each response closes its connection.
    /// Gives a load balancer time to notice. Default 0.
    pub shutdown_delay: Duration,
    /// How long requests in flight may take to end once the server has closed its listener. It should be longer than
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
    /// Sets the largest body of a request, in bytes.
    #[must_use]
    pub fn body(mut self, bytes: usize) -> Self {
        self.body = bytes;
        self
    }

    /// Sets the rate at which a request's body must come, in bytes a second. 0 for no such limit.
    #[must_use]
    pub fn body_rate(mut self, bytes: u32) -> Self {
        self.body_rate = bytes;
        self
    }

    /// Sets the most fields of a form or a query, and the most parts of an upload.
    #[must_use]
    pub fn form_parts(mut self, parts: usize) -> Self {
        self.form_parts = parts;
        self
    }

    /// Sets the largest size, in bytes, of a field in an upload, if the field is not a file.
    #[must_use]
    pub fn form_memory(mut self, bytes: u64) -> Self {
        self.form_memory = bytes;
        self
    }

    /// Sets the longest head of a request, request line included, in bytes.
    #[must_use]
    pub fn head(mut self, bytes: usize) -> Self {
        self.head = bytes;
        self
    }

    /// Sets the most header fields in a head.
    #[must_use]
    pub fn head_fields(mut self, fields: usize) -> Self {
        self.head_fields = fields;
        self
    }

    /// Sets how long the first byte of a new connection may take.
    #[must_use]
    pub fn first_byte_time(mut self, time: Duration) -> Self {
        self.first_byte_time = time;
        self
    }

    /// Sets how long a head may take, from its first byte.
    #[must_use]
    pub fn head_time(mut self, time: Duration) -> Self {
        self.head_time = time;
        self
    }

    /// Sets how long a connection that is kept alive may be silent.
    #[must_use]
    pub fn keep_alive_time(mut self, time: Duration) -> Self {
        self.keep_alive_time = time;
        self
    }

    /// Sets how long a request's body may pause.
    #[must_use]
    pub fn body_idle(mut self, time: Duration) -> Self {
        self.body_idle = time;
        self
    }

    /// Sets how long a client may take nothing of a response.
    #[must_use]
    pub fn answer_idle(mut self, time: Duration) -> Self {
        self.answer_idle = time;
        self
    }

    /// Sets how long a request may take until the head of its response. If [`shutdown_grace`](Self::shutdown_grace) is
    /// not longer, it is set to 5 s more.
    #[must_use]
    pub fn request_time(mut self, time: Duration) -> Self {
        self.request_time = time;
        if self.shutdown_grace <= time {
            self.shutdown_grace = time.saturating_add(Duration::from_secs(5));
        }
        self
    }

    /// Sets the most connections open at the same time.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// Sets the most connections of one address open at the same time. 0 for no limit.
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

    /// Sets how long requests in flight may take to end once the listener is closed.
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
