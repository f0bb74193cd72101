//! Readiness: the answer to a load balancer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use waxseal_http::SessionLayer;
use waxseal_keys::error_chain;

/// Tells whether requests should come to this server.
#[derive(Debug)]
pub(crate) struct Readiness {
    sessions: SessionLayer,
    /// A server without its store may be ready: it has pages that need none.
    without_store: bool,
    is_stopping: AtomicBool,
}

/// A reason why no requests should come, or a trouble beside which they may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Trouble {
    /// `stopping` or `store`.
    reason: &'static str,
    text: String,
}

/// The body of `/health/ready`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// `ready` or `not ready`.
    status: &'static str,
    reasons: Vec<Trouble>,
    warnings: Vec<Trouble>,
}

impl Readiness {
    pub(crate) fn new(sessions: SessionLayer, without_store: bool) -> Self {
        Self { sessions, without_store, is_stopping: AtomicBool::new(false) }
    }

    /// Notes that the server was told to stop.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    pub(crate) async fn report(&self) -> Report {
        let stopping = self.is_stopping.load(Ordering::Acquire).then(|| Trouble {
            reason: "stopping",
            text: "the server was told to stop; it answers what still comes".to_owned(),
        });
        let store = self.store_trouble().await.map(|text| Trouble { reason: "store", text });
        let (store, warnings) = if self.without_store { (None, store) } else { (store, None) };
        let reasons: Vec<_> = stopping.into_iter().chain(store).collect();
        let status = if reasons.is_empty() { "ready" } else { "not ready" };
        Report { status, reasons, warnings: warnings.into_iter().collect() }
    }

    /// The fault of the session store for which visitors cannot be served, if there is one.
    pub(crate) async fn store_trouble(&self) -> Option<String> {
        // Shorter than a load balancer waits.
        const PATIENCE: Duration = Duration::from_secs(2);
        match tokio::time::timeout(PATIENCE, self.sessions.sessions().store_ready()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error_chain::one_line(error_chain::texts(&error))),
            Err(_) => Some(format!("the session store has not answered for {} seconds", PATIENCE.as_secs())),
        }
    }
}

impl Report {
    pub(crate) fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }
}
