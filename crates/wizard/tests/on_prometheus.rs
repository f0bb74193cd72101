//! The wizard under a real Prometheus: what it exposes, and every query of the dashboard and of the alerts.
#![cfg(unix)]

mod outage;
mod program;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use outage::{Policy, Visitor, exchange};
use serde_json::Value;
use store_tests::prometheus::{Prometheus, promtool};
use store_tests::redis::Server;

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

fn monitoring() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/monitoring")
}

fn asked(prometheus: &Prometheus, query: &str) -> Vec<Value> {
    let answer: Value = serde_json::from_str(&prometheus.query(query)).unwrap();
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    answer["data"]["result"].as_array().expect("a vector").clone()
}

/// Waits until Prometheus has seen what this is.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn firing(prometheus: &Prometheus) -> BTreeSet<String> {
    let answer: Value = serde_json::from_str(&prometheus.rules()).unwrap();
    let rules = answer["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() >= 10, "{answer}");
    let is_active = |rule: &&Value| matches!(rule["state"].as_str(), Some("pending" | "firing"));
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    rules.iter().filter(is_active).map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_linter_of_metrics_finds_nothing() {
    let server = Server::start(&[]);
    let visitor = Visitor::new(&server.url(), Policy::Copies);
    visitor.session_page();
    let page = exchange(visitor.admin_address(), "GET /metrics", "", "");
    let mut tool = Command::new(promtool());
    let mut tool =
        tool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    tool.stdin.take().unwrap().write_all(page.body().as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}\n{}", page.body());
}

#[test]
fn each_panel_and_each_alert_finds_its_series_and_an_outage_shows() {
    let server = Server::start(&["--maxmemory", "64mb"]);
    let visitor = Visitor::new(&server.url(), Policy::Refuse);
    let prometheus = Prometheus::start(visitor.admin_address(), &monitoring().join("alerts.yml"));
    until("a scrape", || !asked(&prometheus, "waxseal_build_info").is_empty());
    // So that each rate has two samples that differ.
    visitor.post_form();
    visitor.session_page();
    exchange(visitor.address(), "GET /nowhere", "__Host-session=bad", "");
    until("what was done", || {
        !asked(&prometheus, r#"rate(waxseal_http_requests_total{status="4xx"}[20s]) > 0"#).is_empty()
    });

    let dashboard = fs::read_to_string(monitoring().join("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 15);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "20s");
            assert!(!asked(&prometheus, &query).is_empty(), "{}: {query}", panel["title"]);
        }
    }
    assert_eq!(firing(&prometheus), BTreeSet::new());

    // A store that is full, and then one that is away.
    server.say("CONFIG SET maxmemory 1mb").unwrap();
    visitor.post_form().assert_refused();
    until("the alert for a full store", || {
        visitor.post_form().assert_refused();
        firing(&prometheus).contains("WaxsealStoreRefuses")
    });
    server.say("CONFIG SET maxmemory 0").unwrap();
    server.stand_still();
    until("the alert for a store that is away", || {
        visitor.post_form().assert_refused();
        firing(&prometheus).contains("WaxsealStoreAway")
    });
    until("the breaker", || {
        visitor.post_form().assert_refused();
        !asked(&prometheus, "waxseal_store_breakers_open > 0").is_empty()
    });
    assert!(firing(&prometheus).contains("WaxsealErrors"));
    server.go_on();
}
