//! The dashboard and alerts of `docs/monitoring`, on a real Prometheus.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use store_tests::prometheus::Prometheus;

/// The time after which a test fails.
const PATIENCE: Duration = Duration::from_secs(90);
/// The range of a rate, in place of Grafana's variable: many scrapes.
const RATE: &str = "20s";

/// The panels' queries, and a Prometheus that answers them.
pub(crate) struct Dashboard {
    prometheus: Prometheus,
    /// Titles and queries.
    pub(crate) panels: Vec<(String, String)>,
}

impl Dashboard {
    /// Starts watching the servers with these admin addresses.
    pub(crate) fn start(targets: &[SocketAddr]) -> Self {
        let folder = folder();
        let text = fs::read_to_string(folder.join("grafana-dashboard.json")).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let mut panels = Vec::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap().replace("$__rate_interval", RATE);
                let query = query.replace("$instance", ".*").replace("$job", "waxseal");
                panels.push((panel["title"].as_str().unwrap().to_owned(), query));
            }
        }
        assert!(panels.len() >= 15);
        let dashboard = Self { prometheus: Prometheus::start(targets, &folder.join("alerts.yml")), panels };
        until("a scrape", || dashboard.ask("waxseal_build_info").len() == targets.len());
        dashboard
    }

    /// The samples that answer a query.
    pub(crate) fn ask(&self, query: &str) -> Vec<Value> {
        let answer: Value = serde_json::from_str(&self.prometheus.query(query)).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().expect("a vector").clone()
    }

    /// Returns `true` if a panel has a curve with this label value (or any, if `label` is empty) whose present value
    /// satisfies `is_so`.
    pub(crate) fn shows(&self, title: &str, label: &str, is_so: impl Fn(f64) -> bool) -> bool {
        let queries: Vec<_> = self.panels.iter().filter(|(of, _)| of == title).collect();
        assert!(!queries.is_empty(), "no panel is called {title}");
        queries.iter().flat_map(|(_, query)| self.ask(query)).any(|sample| {
            let labels = sample["metric"].as_object().unwrap();
            let value = sample["value"][1].as_str().unwrap().parse().unwrap();
            (label.is_empty() || labels.values().any(|found| found == label)) && is_so(value)
        })
    }

    /// Waits until a panel [shows](Self::shows) this.
    pub(crate) fn until_it_shows(&self, title: &str, label: &str, is_so: impl Fn(f64) -> bool) {
        until(&format!("{title}, {label}"), || self.shows(title, label, &is_so));
    }

    fn rules(&self) -> Vec<Value> {
        let answer: Value = serde_json::from_str(&self.prometheus.rules()).unwrap();
        let rules = answer["data"]["groups"][0]["rules"].as_array().unwrap().clone();
        assert!(rules.len() >= 10, "{answer}");
        rules
    }

    /// The series that the alerts query, with their labels.
    pub(crate) fn selectors(&self) -> BTreeSet<String> {
        let queries: Vec<_> =
            self.rules().iter().map(|rule| rule["query"].as_str().unwrap().to_owned()).collect();
        let is_of_a_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        let mut selectors = BTreeSet::new();
        for query in &queries {
            for (at, _) in query.match_indices("waxseal_") {
                let rest = &query[at..];
                let name = rest.find(|letter| !is_of_a_name(letter)).unwrap_or(rest.len());
                let labels =
                    if rest[name..].starts_with('{') { rest[name..].find('}').unwrap() + 1 } else { 0 };
                selectors.insert(rest[..name + labels].to_owned());
            }
        }
        selectors
    }

    /// The alerts whose condition holds, even if not yet for the required time.
    pub(crate) fn active_alerts(&self) -> BTreeSet<String> {
        let rules = self.rules();
        let is_active = |rule: &&Value| matches!(rule["state"].as_str(), Some("pending" | "firing"));
        for rule in &rules {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
        rules.iter().filter(is_active).map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// The folder of the dashboard and the alerts.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring")
}

/// Waits until `is_so` returns `true`.
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(200));
    }
    eprintln!("{what}: after {:?}", start.elapsed());
}
