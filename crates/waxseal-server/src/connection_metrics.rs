//! Metrics of connections, through the `metrics` facade.

use metrics::{Counter, Gauge};

use crate::error::Error;

/// Counters of a server's connections. Each starts at 0.
#[derive(Clone)]
pub(crate) struct ConnectionMetrics {
    pub(crate) accept_errors: Counter,
    accepted: Counter,
    open: Gauge,
    /// In the order of [`Failure::ALL`].
    failed: [Counter; Failure::ALL.len()],
}

/// Why a connection ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its address has reached its limit of connections.
    Refused,
    /// It does not come from a trusted proxy, or does not begin with the header of the PROXY protocol.
    ProxyProtocol,
    /// Its TLS handshake failed.
    Tls,
    /// The client sent or took too little.
    Slow,
    /// What it sent is not HTTP, or exceeds a limit of the head.
    Malformed,
    /// What made the body of an answer failed or panicked.
    Answer,
    /// It was closed by the client or by the network.
    Broken,
}

/// An open connection. The gauge counts it until this is dropped.
pub(crate) struct Open(Gauge);

impl ConnectionMetrics {
    /// The metrics of a server that allows `limit` connections.
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

    /// Metrics that count nothing.
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
    const ALL: [Self; 7] = [
        Self::Refused,
        Self::ProxyProtocol,
        Self::Tls,
        Self::Slow,
        Self::Malformed,
        Self::Answer,
        Self::Broken,
    ];

    /// Why an HTTP connection ended. `None` if its answer was cut short, as the app wanted.
    pub(crate) fn of(error: &hyper::Error) -> Option<Self> {
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
        Some(match error {
            // Asked first: the app's own error may come from a timeout, too.
            error if error.is_user() && matches!(cause, Some(Error::Cut)) => return None,
            error if error.is_user() => Self::Answer,
            error if error.is_timeout() || is_timed_out(error) => Self::Slow,
            error if error.is_parse() => Self::Malformed,
            _ => Self::Broken,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::ProxyProtocol => "proxy_protocol",
            Self::Tls => "tls",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::Answer => "answer",
            Self::Broken => "broken",
        }
    }
}

/// The timeout of a socket whose client takes nothing of a response.
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
