//! A recorder of counters for one test.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The counters, gauges and numbers of samples of one test, by name and the values of labels: `name value value`.
#[derive(Default)]
pub(crate) struct Counted(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Counted {
    pub(crate) fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.of(name))
    }

    pub(crate) fn of(&self, name: &str) -> u64 {
        self.0.lock().unwrap()[name].load(Ordering::Relaxed)
    }

    fn entry(&self, key: &metrics::Key) -> Arc<AtomicU64> {
        let values = key.labels().map(|label| label.value());
        let name = std::iter::once(key.name()).chain(values).collect::<Vec<_>>().join(" ");
        self.0.lock().unwrap().entry(name).or_default().clone()
    }
}

/// The number of samples of a histogram.
struct Samples(Arc<AtomicU64>);

impl metrics::HistogramFn for Samples {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl metrics::Recorder for Counted {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.entry(key))
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.entry(key))
    }

    fn register_histogram(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::from_arc(Arc::new(Samples(self.entry(key))))
    }
}
