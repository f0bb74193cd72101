//! Metrics of connections, through the `metrics` facade.

use metrics::{Counter, Gauge};

/// Counters of a server's connections, from the start with 0.
#[derive(Clone)]
pub(crate) struct ConnectionMetrics {
    pub(crate) accept_errors: Counter,
    accepted: Counter,
    open: Gauge,
    /// By the place of the failure among [`Failure::ALL`].
    failed: [Counter; Failure::ALL.len()],
}

/// The reason why a connection ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its address has as many as it may.
    Refused,
    /// It is no trusted proxy's, or begins without the header of the PROXY protocol.
    ProxyProtocol,
    /// Its TLS handshake failed.
    Tls,
    /// The other side sent or took too little.
    Slow,
    /// What came is no HTTP, or over a limit of the head.
    Malformed,
    /// It was closed by the other side, or by the network.
    Broken,
}

/// An open connection, which the gauge counts until it is dropped.
pub(crate) struct Open(Gauge);

impl ConnectionMetrics {
    /// The metrics of a server that has room for so many connections.
    pub(crate) fn new(limit: u32) -> Self {
        metrics::describe_counter!("waxseal_http_connections_accepted_total", "Connections accepted.");
        metrics::describe_counter!(
            "waxseal_http_accept_errors_total",
            "Failures to accept a connection, for want of open files or memory."
        );
        metrics::describe_gauge!("waxseal_http_connections_open", "Connections that are open.");
        metrics::describe_gauge!(
            "waxseal_http_connections_limit",
            "Connections that may be open; beyond it, clients wait."
        );
        metrics::describe_counter!(
            "waxseal_http_connections_failed_total",
            "Connections that ended before their time, by the reason."
        );
        let open = metrics::gauge!("waxseal_http_connections_open");
        open.increment(0.0);
        metrics::gauge!("waxseal_http_connections_limit").set(f64::from(limit));
        Self {
            accept_errors: metrics::counter!("waxseal_http_accept_errors_total"),
            accepted: metrics::counter!("waxseal_http_connections_accepted_total"),
            open,
            failed: Failure::ALL.map(
                |failure| metrics::counter!("waxseal_http_connections_failed_total", "reason" => failure.word()),
            ),
        }
    }

    /// Counts nothing.
    pub(crate) fn none() -> Self {
        Self {
            accept_errors: Counter::noop(),
            accepted: Counter::noop(),
            open: Gauge::noop(),
            failed: Failure::ALL.map(|_| Counter::noop()),
        }
    }

    /// Counts a connection that was accepted.
    pub(crate) fn open(&self) -> Open {
        self.accepted.increment(1);
        self.open.increment(1.0);
        Open(self.open.clone())
    }

    /// The counter of connections that ended for this reason.
    pub(crate) fn failed(&self, failure: Failure) -> &Counter {
        &self.failed[failure as usize]
    }
}

impl Failure {
    const ALL: [Self; 6] =
        [Self::Refused, Self::ProxyProtocol, Self::Tls, Self::Slow, Self::Malformed, Self::Broken];

    /// The reason why a connection of HTTP ended.
    pub(crate) fn of(error: &hyper::Error) -> Self {
        match error {
            error if error.is_timeout() || is_timed_out(error) => Self::Slow,
            error if error.is_parse() => Self::Malformed,
            _ => Self::Broken,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Tls => "tls",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::Broken => "broken",
        }
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
