//! Two wizards behind nginx with one store, as an operator would run them.
#![cfg(target_os = "linux")]

#[path = "fleet/backup.rs"]
mod backup;
mod behind;
mod dashboard;
#[path = "fleet/day.rs"]
mod day;
mod key_files;
mod outage;
mod program;

use backup::Store;
use behind::rolling::{look_at_rolling, roll};
use outage::{Policy, Visitor};
use store_tests::front::Kind;
use store_tests::{postgres, redis};

/// On a busy machine, a restart needs more time to connect to the store than an app allows by default, and so do calls.
fn patient(url: &str) -> String {
    let more = if url.contains('?') { '&' } else { '?' };
    format!("{url}{more}connect_timeout=30s&command_timeout=30s")
}

fn over_redis(rounds: usize, more: &[&str]) {
    let server = redis::Server::start(&[]);
    roll(Kind::Nginx, Some(&patient(&server.url())), rounds, more);
}

fn over_postgresql(rounds: usize) {
    let cluster = postgres::Cluster::fast();
    roll(Kind::Nginx, Some(&patient(&cluster.url("postgres"))), rounds, &[]);
}

/// Sessions from before the backup are there, and those since then are not.
fn restore(store: &mut impl Store) {
    let visitor = Visitor::new(&store.prepare(), Policy::Refuse);
    let backups = program::folder();
    store.back_up(backups.path());
    let late = visitor.sign_in();
    store.lose();
    store.restore(backups.path());
    dashboard::until("the session is back", || visitor.session_page().knows_merlin());
    assert!(visitor.session_page_of(&late).is_a_strangers());
    assert_eq!(visitor.post_form().status, 303);
}

#[test]
fn a_backup_of_redis_is_restored_as_documented() {
    restore(&mut redis::Server::start(&[]));
}

#[test]
fn a_backup_of_postgresql_is_restored_as_documented() {
    restore(&mut postgres::Cluster::fast());
}

#[test]
fn a_rolling_restart_over_redis_fails_no_request() {
    over_redis(1, &[]);
}

#[test]
fn a_rolling_restart_over_postgresql_fails_no_request() {
    over_postgresql(1);
}

/// A server that stops closes idle connections after 0.25 s. If the proxy on a busy machine stands still for as long, it
/// may send a form on such a connection: at most one for each restart is accepted. Pages are requested again.
#[test]
fn a_rolling_restart_without_a_delay_fails_no_page() {
    let server = redis::Server::start(&[]);
    let url = patient(&server.url());
    look_at_rolling(Kind::Nginx, Some(&url), 3, &["--shutdown-delay=0"]).assert_at_most_forms_failed(6);
}

#[test]
#[ignore = "takes two minutes"]
fn twenty_restarts_over_redis_fail_no_request() {
    over_redis(10, &[]);
}

#[test]
#[ignore = "takes two minutes"]
fn twenty_restarts_over_postgresql_fail_no_request() {
    over_postgresql(10);
}

#[test]
#[ignore = "takes half a minute, and needs a machine that is not busy"]
fn forty_restarts_without_a_delay_fail_no_request() {
    over_redis(20, &["--shutdown-delay=0"]);
}

#[test]
#[ignore = "takes two minutes"]
fn an_operators_day_over_redis_shows_in_the_dashboard() {
    day::spend(&mut redis::Server::start(&[]));
}

#[test]
#[ignore = "takes two minutes"]
fn an_operators_day_over_postgresql_shows_in_the_dashboard() {
    day::spend(&mut postgres::Cluster::fast());
}
