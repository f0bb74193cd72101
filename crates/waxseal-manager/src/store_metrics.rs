//! Metrics of calls on a store, through the `metrics` facade.

use std::time::{Duration, Instant};

use metrics::{Counter, Histogram};
use waxseal_store::{Answers, Fault, Usage};

use crate::any_store::AnyStore;

/// After this time, a call without an answer is an outage, also if nobody waits for it any longer.
const NO_ANSWER: Duration = Duration::from_secs(1);

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
        "Time of calls on the session store, by operation, retries included. 0 for one in memory, which is not timed."
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
    metrics::describe_gauge!(
        "waxseal_sessions_ends_waiting",
        "Sessions that were ended here, and of which the session store could not be told yet."
    );
}

/// Sets the gauge of the ends of which the store could not be told yet.
pub(crate) fn note_ends_waiting(number: usize) {
    metrics::gauge!("waxseal_sessions_ends_waiting").set(number as f64);
}

/// The gauges of the store's usage, set when this is dropped, also by a caller who waits no longer for a silent store.
///
/// What the store has not said by then is no number: what it said before must not stay.
pub(crate) struct UsageGauges {
    records: f64,
    fullness: f64,
}

impl UsageGauges {
    pub(crate) fn unsaid() -> Self {
        Self { records: f64::NAN, fullness: f64::NAN }
    }

    /// Asks the store.
    pub(crate) async fn ask(mut self, store: &dyn AnyStore) {
        match store.usage().await {
            Ok(Usage { records, fullness, .. }) => {
                self.records = records.map_or(f64::NAN, |records| records as f64);
                self.fullness = fullness.unwrap_or(f64::NAN);
            }
            Err(error) => tracing::debug!(%error, "the session store does not say how full it is"),
        }
    }
}

impl Drop for UsageGauges {
    fn drop(&mut self) {
        metrics::gauge!("waxseal_store_records").set(self.records);
        metrics::gauge!("waxseal_store_fullness_ratio").set(self.fullness);
    }
}

/// The gauge of the difference between this process's clock and the store's, set as [`UsageGauges`] are. `None` leaves it
/// alone.
pub(crate) struct ClockGauge(Option<f64>);

impl ClockGauge {
    pub(crate) fn unsaid() -> Self {
        Self(Some(f64::NAN))
    }

    /// Sets the gauge, unless the store has no clock.
    pub(crate) fn say(mut self, offset: Option<Duration>) {
        self.0 = offset.map(|offset| offset.as_secs_f64());
    }
}

impl Drop for ClockGauge {
    fn drop(&mut self) {
        if let Some(seconds) = self.0 {
            metrics::gauge!("waxseal_store_clock_offset_seconds").set(seconds);
        }
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

    /// Begins a call on a store that answers so.
    pub(crate) fn begin(&self, answers: Answers) -> Call<'_> {
        let started = (answers != Answers::AtOnce).then(Instant::now);
        Call { metrics: self, started, is_answered: false }
    }

    /// Counts a call that has taken `time` and is over now.
    fn note(&self, time: Duration, fault: Option<Fault>) {
        self.latency.record(time.as_secs_f64());
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

/// A call that is under way. If it is dropped, as when its request's time is up, it is counted only if the store was silent.
pub(crate) struct Call<'a> {
    metrics: &'a CallMetrics,
    /// `None` if the call is not timed.
    started: Option<Instant>,
    is_answered: bool,
}

impl Call<'_> {
    /// Counts the call, which has just been answered.
    pub(crate) fn answered(mut self, fault: Option<Fault>) {
        self.is_answered = true;
        self.metrics.note(self.time(), fault);
    }

    fn time(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let time = self.time();
        if time >= NO_ANSWER {
            self.metrics.note(time, Some(Fault::Outage));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_call_that_nobody_waits_for_any_longer_is_an_outage_if_the_store_was_silent() {
        let (ok, outage) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let none = Counter::noop;
        let metrics = CallMetrics {
            ok: Counter::from_arc(ok.clone()),
            full: none(),
            locked: none(),
            read_only: none(),
            outage: Counter::from_arc(outage.clone()),
            unconfirmed: none(),
            defect: none(),
            latency: Histogram::noop(),
        };
        let begun = |ago| {
            let mut call = metrics.begin(Answers::Later);
            call.started = call.started.and_then(|started| started.checked_sub(ago));
            call
        };
        for (case, ago, is_answered, expected) in [
            ("answered late", 2 * NO_ANSWER, true, [1, 0]),
            ("a visitor who hung up", Duration::ZERO, false, [0, 0]),
            ("a store that was silent", NO_ANSWER, false, [0, 1]),
        ] {
            let call = begun(ago);
            if is_answered {
                call.answered(None);
            } else {
                drop(call);
            }
            assert_eq!([&ok, &outage].map(|count| count.swap(0, Ordering::Relaxed)), expected, "{case}");
        }
    }
}
