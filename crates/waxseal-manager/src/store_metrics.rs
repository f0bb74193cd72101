//! Metrics of calls on a store, through the `metrics` facade.

use std::time::{Duration, Instant};

use metrics::{Counter, Histogram};
use waxseal_store::{Fault, Usage};

use crate::any_store::AnyStore;

/// The counters and the latency of one operation. Each counter starts at 0.
pub(crate) struct CallMetrics {
    ok: Counter,
    full: Counter,
    locked: Counter,
    read_only: Counter,
    outage: Counter,
    unconfirmed: Counter,
    defect: Counter,
    latency: Histogram,
}

/// Describes the metrics of all operations.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "waxseal_store_calls_total",
        "Calls on the session store, by operation and outcome."
    );
    metrics::describe_histogram!(
        "waxseal_store_call_duration_seconds",
        "Time of calls on the session store, by operation, retries included."
    );
    metrics::describe_gauge!("waxseal_store_records", "Records in the session store, if it can tell.");
    metrics::describe_gauge!(
        "waxseal_store_fullness_ratio",
        "The used share of what the session store may take, if that is bounded and it can tell."
    );
    metrics::describe_gauge!(
        "waxseal_store_clock_offset_seconds",
        "The least by which this server's clock and the session store's differ, if the store has one."
    );
}

/// Sets the gauge of the difference between this process's clock and the store's.
pub(crate) fn note_clock_offset(offset: Duration) {
    metrics::gauge!("waxseal_store_clock_offset_seconds").set(offset.as_secs_f64());
}

/// Sets the gauges to the store's current usage.
pub(crate) async fn note_usage(store: &dyn AnyStore) {
    match store.usage().await {
        Ok(Usage { records, fullness, .. }) => {
            if let Some(records) = records {
                metrics::gauge!("waxseal_store_records").set(records as f64);
            }
            if let Some(fullness) = fullness {
                metrics::gauge!("waxseal_store_fullness_ratio").set(fullness);
            }
        }
        Err(error) => tracing::debug!(%error, "the session store does not say how full it is"),
    }
}

impl CallMetrics {
    pub(crate) fn new(operation: &'static str) -> Self {
        let outcome = |outcome| metrics::counter!("waxseal_store_calls_total", "operation" => operation, "outcome" => outcome);
        Self {
            ok: outcome("ok"),
            full: outcome("full"),
            locked: outcome("locked"),
            read_only: outcome("read_only"),
            outage: outcome("outage"),
            unconfirmed: outcome("unconfirmed"),
            defect: outcome("defect"),
            latency: metrics::histogram!("waxseal_store_call_duration_seconds", "operation" => operation),
        }
    }

    /// Counts a call that began at `started` and has just been answered.
    pub(crate) fn answered(&self, started: Instant, fault: Option<Fault>) {
        self.latency.record(started.elapsed().as_secs_f64());
        let counter = match fault {
            None => &self.ok,
            Some(Fault::Full) => &self.full,
            Some(Fault::Locked) => &self.locked,
            Some(Fault::ReadOnly) => &self.read_only,
            Some(Fault::Outage) => &self.outage,
            Some(Fault::Unconfirmed) => &self.unconfirmed,
            Some(_) => &self.defect,
        };
        counter.increment(1);
    }
}
