//! Two wizards behind nginx over one store, as an operator has them.
#![cfg(target_os = "linux")]

mod behind;
mod program;

use behind::rolling::roll;
use store_tests::front::Kind;
use store_tests::{postgres, redis};

#[test]
fn a_rolling_restart_over_redis_fails_no_request() {
    roll(Kind::Nginx, Some(&redis::Server::start(&[]).url()), 1, &[]);
}

#[test]
fn a_rolling_restart_over_postgresql_fails_no_request() {
    roll(Kind::Nginx, Some(&postgres::Cluster::fast().url("postgres")), 1, &[]);
}

#[test]
fn a_rolling_restart_without_a_delay_fails_no_request() {
    roll(Kind::Nginx, Some(&redis::Server::start(&[]).url()), 3, &["--shutdown-delay=0"]);
}

#[test]
#[ignore = "takes minutes"]
fn twenty_restarts_over_each_store_fail_no_request() {
    roll(Kind::Nginx, Some(&redis::Server::start(&[]).url()), 10, &[]);
    roll(Kind::Nginx, Some(&postgres::Cluster::fast().url("postgres")), 10, &[]);
    roll(Kind::Nginx, Some(&redis::Server::start(&[]).url()), 10, &["--shutdown-delay=0"]);
}
