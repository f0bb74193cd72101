//! The wizard with a real Prometheus: the metrics that it exposes, and every query of the dashboard and the alerts.
#![cfg(unix)]

mod dashboard;
mod outage;
mod program;

use std::io::Write;
use std::process::{Command, Stdio};

use dashboard::{Dashboard, until};
use outage::{Policy, Visitor, exchange};
use store_tests::prometheus::promtool;
use store_tests::redis::Server;

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
    let dashboard = Dashboard::start(&[visitor.admin_address()]);
    // These requests give each rate two samples that differ.
    visitor.post_form();
    visitor.session_page();
    exchange(visitor.address(), "GET /nowhere", "__Host-session=bad", "");
    until("what was done", || {
        !dashboard.ask(r#"rate(waxseal_http_requests_total{status="4xx"}[20s]) > 0"#).is_empty()
    });

    // Redis cannot tell how many of its keys are records, which the tests with two servers check; series of devices exist
    // only if sessions are bound to devices, and that of a certificate only with TLS.
    let without = [
        "Records in the store",
        "Requests of devices",
        "Registrations of devices",
        "Time until the certificate expires",
    ];
    let all = dashboard.panels.iter().filter(|(title, _)| !without.contains(&&**title));
    for (title, query) in all {
        assert!(!dashboard.ask(query).is_empty(), "{title}: {query}");
    }
    // One late scrape is enough for the alert about a server that is down, but only until the next.
    until("no alert", || dashboard.active_alerts().is_empty());
    let selectors = dashboard.selectors();
    let of_all: Vec<_> = selectors
        .iter()
        .filter(|of| !of.starts_with("waxseal_device_") && !of.starts_with("waxseal_tls_"))
        .collect();
    assert!(of_all.len() >= 15, "{selectors:?}");
    for selector in of_all {
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
