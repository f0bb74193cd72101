//! Readiness: the answer to a load balancer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::Gauge;
use serde::Serialize;
use waxseal_http::SessionLayer;
use waxseal_keys::error_chain;

/// The longest wait for the store: shorter than a load balancer's own timeout, and longer than a store's default one, so that
/// its own error is told and counted.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// The longest wait for the store where its failure is only a warning, or only shown, which should not delay a check.
const SHORT_PATIENCE: Duration = Duration::from_millis(300);

/// Whether this server should get requests.
#[derive(Debug)]
pub(crate) struct Readiness {
    sessions: SessionLayer,
    /// The server is ready even without its store, for the sake of pages that do not need it.
    without_store: bool,
    is_stopping: AtomicBool,
    /// Shows what was found last: 1 for ready, 0 for not ready.
    ready: Gauge,
}

/// Why the server should not get requests, or something wrong that is only a warning.
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
        metrics::describe_gauge!(
            "waxseal_ready",
            "1 if the server is ready for requests, as far as its store says so in time."
        );
        let ready = metrics::gauge!("waxseal_ready");
        ready.set(1.0);
        Self { sessions, without_store, is_stopping: AtomicBool::new(false), ready }
    }

    /// Makes the server not ready, because it was told to stop.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.ready.set(0.0);
    }

    /// Sets the gauge to what is so now, for the page of metrics: not every load balancer asks for readiness.
    pub(crate) async fn note(&self) {
        self.report_within(SHORT_PATIENCE).await;
    }

    pub(crate) async fn report(&self) -> Report {
        self.report_within(if self.without_store { SHORT_PATIENCE } else { PATIENCE }).await
    }

    async fn report_within(&self, patience: Duration) -> Report {
        let stopping = self.is_stopping.load(Ordering::Acquire).then(|| Trouble {
            reason: "stopping",
            text: "the server was told to stop; it answers what still comes".to_owned(),
        });
        let store = self.trouble_within(patience).await.map(|text| Trouble { reason: "store", text });
        let (store, warnings) = if self.without_store { (None, store) } else { (store, None) };
        let reasons: Vec<_> = stopping.into_iter().chain(store).collect();
        let (status, ready) = if reasons.is_empty() { ("ready", 1.0) } else { ("not ready", 0.0) };
        self.ready.set(ready);
        Report { status, reasons, warnings: warnings.into_iter().collect() }
    }

    /// What is wrong with the session store; `None` if it is ready.
    pub(crate) async fn store_trouble(&self) -> Option<String> {
        self.trouble_within(PATIENCE).await
    }

    async fn trouble_within(&self, patience: Duration) -> Option<String> {
        match tokio::time::timeout(patience, self.sessions.sessions().store_ready()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error_chain::one_line(error_chain::texts(&error))),
            Err(_) => Some(format!("the session store has not answered for {patience:?}")),
        }
    }
}

impl Report {
    pub(crate) fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use waxseal_crypto::{Keyring, SecretKey};
    use waxseal_http::SessionCookie;
    use waxseal_manager::SessionManager;
    use waxseal_store::MemoryStore;
    use waxseal_store::testing::FaultyStore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_store_delays_the_answer_less_where_it_may_be_away() {
        for (without_store, longest, text) in [
            (false, Duration::from_millis(2_500), "the session store has not answered for 2.5s"),
            (true, Duration::from_millis(300), "the session store has not answered for 300ms"),
        ] {
            let store = FaultyStore::new(MemoryStore::new());
            let cookie = SessionCookie::builder().build().unwrap();
            let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
            let sessions = SessionManager::store(&keyring, cookie.name(), "demo", store.clone()).unwrap();
            let readiness = Readiness::new(SessionLayer::new(sessions, cookie), without_store);
            assert!(readiness.report().await.warnings.is_empty());
            store.set_held(true);
            let start = tokio::time::Instant::now();
            let report = readiness.report().await;
            // The clock of tokio counts in milliseconds.
            assert!(start.elapsed() <= longest + Duration::from_millis(1), "{:?}", start.elapsed());
            assert_eq!(report.is_ready(), without_store);
            let [trouble] = &[report.reasons, report.warnings].concat()[..] else { panic!("one") };
            assert_eq!(trouble.text, text);
        }
    }
}
