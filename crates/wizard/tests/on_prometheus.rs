//! The wizard with a real Prometheus: the metrics that it exposes, and every query of the dashboard and the alerts.
#![cfg(unix)]

mod dashboard;
mod outage;
mod program;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use dashboard::{Dashboard, until};
use outage::{Policy, Visitor, exchange};
use program::{Program, folder, secret};
use store_tests::prometheus::{documented_files, promtool};
use store_tests::redis::Server;

/// A wizard with all that a setting turns on and that has series of its own: devices, TLS, and a bounded store that knows how
/// many records it has.
fn wizard_with_all() -> Program {
    let folder = folder();
    let certificate = "req -x509 -days 30 -subj /CN=wizard.example -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout key.pem -out certificate.pem";
    let mut tool = Command::new("openssl");
    let made = tool.args(certificate.split_whitespace()).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let store = "sqlite:sessions.db?max_bytes=1MiB";
    let variables = [("SECRET_KEY", &*secret()), ("WAXSEAL_SESSION_STORE", store)];
    let settings = ["--session-state=mirrored", "--device-bound=observe", "--port=0", "--admin-address=0"];
    let tls = ["--tls-cert=certificate.pem", "--tls-key=key.pem"];
    let mut program = Program::spawn(folder, &variables, &[&settings[..], &tls].concat());
    program.hear("server on https://");
    program
}

fn lint(address: SocketAddr) {
    let page = exchange(address, "GET /metrics", "", "");
    assert_eq!(page.status, 200, "{page:?}");
    let mut tool = Command::new(promtool());
    let mut tool =
        tool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    tool.stdin.take().unwrap().write_all(page.body().as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}\n{}", page.body());
}

#[test]
fn a_linter_of_metrics_finds_nothing() {
    let server = Server::start(&[]);
    let visitor = Visitor::new(&server.url(), Policy::Copies);
    visitor.session_page();
    lint(visitor.admin_address());
    lint(wizard_with_all().admin_address());
}

/// Debian's Prometheus is built without Kubernetes, so for its file only the rest is checked.
#[test]
fn a_linter_of_configurations_finds_nothing_in_the_documented_ones() {
    let [named, of_pods] = documented_files();
    let found = "kubernetes_sd_configs: [{ role: pod }]";
    assert!(of_pods.contains(found), "{of_pods}");
    let of_pods = of_pods.replace(found, "static_configs: [{ targets: [a:1] }]");
    for text in [named, &of_pods] {
        let folder = folder();
        std::fs::copy(dashboard::folder().join("alerts.yml"), folder.path().join("alerts.yml")).unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), text).unwrap();
        let mut tool = Command::new(promtool());
        let output =
            tool.args(["check", "config", "prometheus.yml"]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// The test file says which alerts must fire and which must not, with times.
#[test]
fn alerts_fire_for_what_lasts_and_for_no_single_event() {
    let mut tool = Command::new(promtool());
    let output =
        tool.args(["test", "rules", "alerts.test.yml"]).current_dir(dashboard::folder()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn each_panel_and_each_alert_finds_its_series_and_an_outage_shows() {
    let server = Server::start(&["--maxmemory", "64mb"]);
    let visitor = Visitor::new(&server.url(), Policy::Refuse);
    let other = wizard_with_all();
    let dashboard = Dashboard::start(&[visitor.admin_address(), other.admin_address()]);
    // These requests give each rate two samples that differ.
    visitor.post_form();
    visitor.session_page();
    exchange(visitor.address(), "GET /nowhere", "__Host-session=bad", "");
    until("what was done", || {
        !dashboard.ask(r#"rate(waxseal_http_requests_total{status="4xx"}[20s]) > 0"#).is_empty()
    });
    until("two scrapes of each", || !dashboard.ask("count(sum_over_time(up[20s]) >= 2) >= 2").is_empty());

    for (title, query) in &dashboard.panels {
        assert!(!dashboard.ask(query).is_empty(), "{title}: {query}");
    }
    // One late scrape is enough for the alert about a server that is down, but only until the next.
    until("no alert", || dashboard.active_alerts().is_empty());
    let selectors = dashboard.selectors();
    assert!(selectors.len() >= 20, "{selectors:?}");
    for selector in &selectors {
        assert!(!dashboard.ask(selector).is_empty(), "no series is {selector}");
    }

    // The store is first full and then away.
    server.say("CONFIG SET maxmemory 1mb").unwrap();
    visitor.post_form().assert_refused();
    until("the alert for a full store", || {
        visitor.post_form().assert_refused();
        dashboard.active_alerts().contains("WaxsealStoreRefuses")
    });
    server.say("CONFIG SET maxmemory 0").unwrap();
    server.stand_still();
    until("the alert for a store that is away", || {
        visitor.post_form().assert_refused();
        dashboard.active_alerts().contains("WaxsealStoreAway")
    });
    until("the route", || dashboard.shows("5xx by route", "/wizard/create", |rate| rate > 0.0));
    until("the breaker", || {
        visitor.post_form().assert_refused();
        dashboard.shows("Servers of the store out of reach", "", |open| open > 0.0)
    });
    until("the alert for errors", || {
        visitor.post_form().assert_refused();
        dashboard.active_alerts().contains("WaxsealErrors")
    });
    server.go_on();
}
