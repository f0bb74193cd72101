//! Counters in memory, for a page that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The recorder behind the operator's page: counters, gauges, and the sum and count of histograms.
#[derive(Default)]
pub(crate) struct Counters(Mutex<BTreeMap<String, Family>>);

#[derive(Default)]
struct Family {
    help: String,
    series: BTreeMap<String, Series>,
}

enum Series {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Sum>),
}

#[derive(Default)]
struct Sum {
    count: AtomicU64,
    sum: Mutex<f64>,
}

/// Installs the program's recorder; `None` if the program has installed another one.
pub(crate) fn install() -> Option<&'static Counters> {
    static OURS: OnceLock<Option<&'static Counters>> = OnceLock::new();
    *OURS.get_or_init(|| {
        let counters: &'static Counters = Box::leak(Box::default());
        metrics::set_global_recorder(counters).is_ok().then_some(counters)
    })
}

impl Counters {
    /// All metrics in Prometheus' text format, version 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, family) in self.lock().iter() {
            let kind = match family.series.values().next() {
                Some(Series::Counter(_)) => "counter",
                Some(Series::Gauge(_)) => "gauge",
                Some(Series::Histogram(_)) => "summary",
                None => continue,
            };
            if !family.help.is_empty() {
                let _ = writeln!(text, "# HELP {name} {}", escaped(&family.help));
            }
            let _ = writeln!(text, "# TYPE {name} {kind}");
            for (labels, series) in &family.series {
                let _ = match series {
                    Series::Counter(value) => {
                        writeln!(text, "{name}{labels} {}", value.load(Ordering::Relaxed))
                    }
                    Series::Gauge(bits) => {
                        writeln!(text, "{name}{labels} {}", f64::from_bits(bits.load(Ordering::Relaxed)))
                    }
                    Series::Histogram(sum) => {
                        let (total, count) = (*sum.lock(), sum.count.load(Ordering::Relaxed));
                        writeln!(text, "{name}_sum{labels} {total}\n{name}_count{labels} {count}")
                    }
                };
            }
        }
        text
    }

    fn register<T>(&self, key: &Key, new: impl FnOnce() -> Series, found: impl FnOnce(&Series) -> T) -> T {
        let mut families = self.lock();
        let family = families.entry(name(key.name())).or_default();
        found(family.series.entry(labels(key)).or_insert_with(new))
    }

    fn describe(&self, key: &KeyName, help: &str) {
        self.lock().entry(name(key.as_str())).or_default().help = help.to_owned();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for &'static Counters {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&key, &help);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&key, &help);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&key, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.register(
            key,
            || Series::Counter(Arc::default()),
            |series| match series {
                Series::Counter(value) => Counter::from_arc(value.clone()),
                // One name for two kinds is the program's mistake; the first wins.
                _ => Counter::noop(),
            },
        )
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.register(
            key,
            || Series::Gauge(Arc::default()),
            |series| match series {
                Series::Gauge(bits) => Gauge::from_arc(bits.clone()),
                _ => Gauge::noop(),
            },
        )
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.register(
            key,
            || Series::Histogram(Arc::default()),
            |series| match series {
                Series::Histogram(sum) => Histogram::from_arc(sum.clone()),
                _ => Histogram::noop(),
            },
        )
    }
}

impl HistogramFn for Sum {
    fn record(&self, value: f64) {
        *self.lock() += value;
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Sum {
    fn lock(&self) -> MutexGuard<'_, f64> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name with characters replaced that Prometheus does not allow.
fn name(text: &str) -> String {
    let allowed = |at: usize, letter: char| {
        letter.is_ascii_alphabetic() || matches!(letter, '_' | ':') || (at > 0 && letter.is_ascii_digit())
    };
    text.chars().enumerate().map(|(at, letter)| if allowed(at, letter) { letter } else { '_' }).collect()
}

fn labels(key: &Key) -> String {
    let mut labels: Vec<_> =
        key.labels().map(|label| format!("{}=\"{}\"", name(label.key()), escaped(label.value()))).collect();
    labels.sort();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_prometheus_reads() {
        let counters: &'static Counters = Box::leak(Box::default());
        metrics::with_local_recorder(&counters, || {
            metrics::describe_counter!("opened_total", "Opened,\nby key.");
            metrics::counter!("opened_total", "kid" => "5ae566ad").increment(2);
            metrics::counter!("opened_total", "kid" => "5ae566ad").increment(1);
            metrics::counter!("opened_total", "kid" => "a\"b\\c\n").increment(1);
            metrics::gauge!("http.open-connections").set(1.5);
            metrics::histogram!("time").record(0.25);
            metrics::histogram!("time").record(1.0);
        });
        assert_eq!(
            counters.text(),
            "# TYPE http_open_connections gauge\n\
             http_open_connections 1.5\n\
             # HELP opened_total Opened,\\nby key.\n\
             # TYPE opened_total counter\n\
             opened_total{kid=\"5ae566ad\"} 3\n\
             opened_total{kid=\"a\\\"b\\\\c\\n\"} 1\n\
             # TYPE time summary\n\
             time_sum 1.25\n\
             time_count 2\n"
        );
    }
}
