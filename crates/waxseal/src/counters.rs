//! Counters in memory, for a page that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The upper bounds of a histogram's buckets, in seconds: all histograms are of latencies.
const BUCKETS: [f64; 15] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The recorder behind the operator's page: counters, gauges and histograms.
///
/// Its memory does not grow between two scrapes. (The recorder of `metrics-exporter-prometheus` keeps each sample of a
/// histogram until it is scraped.)
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
    Histogram(Arc<Buckets>),
}

/// A histogram: the number of samples in each bucket, and the sum of all samples. The last bucket has no upper bound.
#[derive(Default)]
struct Buckets {
    counts: [AtomicU64; BUCKETS.len() + 1],
    /// The bits of an `f64`.
    sum: AtomicU64,
}

/// Installs this recorder for the process. Returns `None` if the program has installed another one.
pub(crate) fn install() -> Option<&'static Counters> {
    static OURS: OnceLock<Option<&'static Counters>> = OnceLock::new();
    *OURS.get_or_init(|| {
        let counters: &'static Counters = Box::leak(Box::default());
        metrics::set_global_recorder(counters).is_ok().then_some(counters)
    })
}

/// Registers the gauge that is 1 while the present content of `file` is refused. It starts at 0. (`KeyStatus` has that
/// of the secret file.)
#[cfg(feature = "tls")]
pub(crate) fn file_refused(file: &'static str) -> Gauge {
    metrics::describe_gauge!(
        "waxseal_file_refused",
        "1 if what a file holds now is refused, and what it held before is used."
    );
    let refused = metrics::gauge!("waxseal_file_refused", "file" => file);
    refused.set(0.0);
    refused
}

/// Registers the metrics of the process that are known at its start.
pub(crate) fn describe_process() {
    metrics::describe_gauge!("waxseal_build_info", "1, with the version of Waxseal.");
    metrics::gauge!("waxseal_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::describe_gauge!(
        "waxseal_start_time_seconds",
        "The time at which the server began, in seconds since 1970."
    );
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!("waxseal_start_time_seconds").set(now.as_secs_f64());
}

impl Counters {
    /// All metrics in Prometheus' text format, version 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, family) in self.lock().iter() {
            let kind = match family.series.values().next() {
                Some(Series::Counter(_)) => "counter",
                Some(Series::Gauge(_)) => "gauge",
                Some(Series::Histogram(_)) => "histogram",
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
                    Series::Histogram(buckets) => buckets.write(&mut text, name, labels),
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
                // The program uses one name for two kinds of metric, which is a mistake. The first kind wins.
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
                Series::Histogram(buckets) => Histogram::from_arc(buckets.clone()),
                _ => Histogram::noop(),
            },
        )
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let bucket = BUCKETS.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let added = |sum: u64| Some((f64::from_bits(sum) + value).to_bits());
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }
}

impl Buckets {
    /// Writes the counts. Each includes those of the buckets before it.
    fn write(&self, text: &mut String, name: &str, labels: &str) -> std::fmt::Result {
        let others = labels.strip_suffix('}').map_or("{".to_owned(), |labels| format!("{labels},"));
        let bounds = BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut count = 0;
        for (bound, samples) in bounds.zip(&self.counts) {
            count += samples.load(Ordering::Relaxed);
            writeln!(text, "{name}_bucket{others}le=\"{bound}\"}} {count}")?;
        }
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed));
        writeln!(text, "{name}_sum{labels} {sum}\n{name}_count{labels} {count}")
    }
}

/// Replaces the characters that Prometheus does not allow in a name.
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
    use std::time::Duration;

    use waxseal_store::MemoryStore;
    use waxseal_store::testing::FaultyStore;

    use super::*;
    use crate::testing::Client;
    use crate::{App, Request, Response, Result, SessionState, Settings, html};

    async fn enter(request: Request) -> Result<Response> {
        request.session().await?.insert("name", "Albus")?;
        Ok(html("welcome"))
    }

    /// On the page that Prometheus reads, as the clock says: the store answers after a while.
    #[tokio::test]
    async fn the_time_of_a_call_on_the_store_is_in_its_bucket() {
        let counters: &'static Counters = Box::leak(Box::default());
        let store = FaultyStore::new(MemoryStore::new());
        let app = App::new("demo").session_store(store.clone()).post("/enter", enter);
        let settings = Settings { session_state: SessionState::Store, ..Settings::default() };
        let client =
            metrics::with_local_recorder(&counters, || Client::with_settings(app, &settings)).unwrap();
        let shows = |operation: &str, end: &str| {
            let name = format!("waxseal_store_call_duration_seconds_{end} ").replace("OF", operation);
            let text = counters.text();
            let found = text.lines().find_map(|line| line.strip_prefix(&name));
            found.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
        };
        assert_eq!(shows("create", r#"count{operation="OF"}"#), 0.0, "from the start");
        store.set_held(true);
        let answers = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            store.set_held(false);
        };
        let (answer, ()) = tokio::join!(client.post_form("/enter", &[]), answers);
        assert_eq!(answer.status(), 200);
        for (bound, count) in [("0.025", 0.0), ("10", 1.0), ("+Inf", 1.0)] {
            let bucket = format!(r#"bucket{{operation="OF",le="{bound}"}}"#);
            assert_eq!(shows("create", &bucket), count, "{bound}");
        }
        assert_eq!(shows("create", r#"count{operation="OF"}"#), 1.0);
        assert!((0.03..10.0).contains(&shows("create", r#"sum{operation="OF"}"#)), "{}", counters.text());
        assert_eq!(shows("load", r#"count{operation="OF"}"#), 0.0);
    }

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
            metrics::histogram!("time").record(60.0);
        });
        assert_eq!(
            counters.text(),
            "# TYPE http_open_connections gauge\n\
             http_open_connections 1.5\n\
             # HELP opened_total Opened,\\nby key.\n\
             # TYPE opened_total counter\n\
             opened_total{kid=\"5ae566ad\"} 3\n\
             opened_total{kid=\"a\\\"b\\\\c\\n\"} 1\n\
             # TYPE time histogram\n\
             time_bucket{le=\"0.0001\"} 0\n\
             time_bucket{le=\"0.0005\"} 0\n\
             time_bucket{le=\"0.001\"} 0\n\
             time_bucket{le=\"0.0025\"} 0\n\
             time_bucket{le=\"0.005\"} 0\n\
             time_bucket{le=\"0.01\"} 0\n\
             time_bucket{le=\"0.025\"} 0\n\
             time_bucket{le=\"0.05\"} 0\n\
             time_bucket{le=\"0.1\"} 0\n\
             time_bucket{le=\"0.25\"} 1\n\
             time_bucket{le=\"0.5\"} 1\n\
             time_bucket{le=\"1\"} 2\n\
             time_bucket{le=\"2.5\"} 2\n\
             time_bucket{le=\"5\"} 2\n\
             time_bucket{le=\"10\"} 2\n\
             time_bucket{le=\"+Inf\"} 3\n\
             time_sum 61.25\n\
             time_count 3\n"
        );
    }
}
