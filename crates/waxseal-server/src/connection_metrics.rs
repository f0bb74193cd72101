//! Metrics of connections, through the `metrics` facade.

use metrics::{Counter, Gauge};

/// Counters of a server's connections, from the start with 0.
#[derive(Clone)]
pub(crate) struct ConnectionMetrics {
    accepted: Counter,
    open: Gauge,
    /// Closed before the first request: too many of one address, or no header of the PROXY protocol.
    refused: Counter,
    /// Closed because the other side was too slow.
    slow: Counter,
    /// Closed because what came is no HTTP, or over a limit of the head.
    malformed: Counter,
    /// Closed by the other side, or by the network.
    broken: Counter,
}

/// An open connection, which the gauge counts until it is dropped.
pub(crate) struct Open(Gauge);

impl ConnectionMetrics {
    pub(crate) fn new() -> Self {
        metrics::describe_counter!("waxseal_http_connections_accepted_total", "Connections accepted.");
        metrics::describe_gauge!("waxseal_http_connections_open", "Connections that are open.");
        metrics::describe_counter!(
            "waxseal_http_connections_failed_total",
            "Connections that ended before their time, by the reason."
        );
        let failed = |reason| metrics::counter!("waxseal_http_connections_failed_total", "reason" => reason);
        let open = metrics::gauge!("waxseal_http_connections_open");
        open.increment(0.0);
        Self {
            accepted: metrics::counter!("waxseal_http_connections_accepted_total"),
            open,
            refused: failed("refused"),
            slow: failed("slow"),
            malformed: failed("malformed"),
            broken: failed("broken"),
        }
    }

    /// Counts a connection that was accepted.
    pub(crate) fn open(&self) -> Open {
        self.accepted.increment(1);
        self.open.increment(1.0);
        Open(self.open.clone())
    }

    /// The counter of connections whose heads are refused behind hyper.
    pub(crate) fn malformed(&self) -> Counter {
        self.malformed.clone()
    }

    /// Counts a connection that was turned away.
    pub(crate) fn count_refused(&self) {
        self.refused.increment(1);
    }

    /// Counts a connection that ended early.
    pub(crate) fn count(&self, error: &hyper::Error) {
        let counter = match error {
            error if error.is_timeout() || is_timed_out(error) => &self.slow,
            error if error.is_parse() => &self.malformed,
            _ => &self.broken,
        };
        counter.increment(1);
    }
}

/// A socket's own timeout, of a client that takes nothing of an answer.
fn is_timed_out(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(found) = source {
        if found
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
        {
            return true;
        }
        source = found.source();
    }
    false
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
