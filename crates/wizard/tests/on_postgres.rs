//! The wizard over a PostgreSQL: what its visitors see while that is away, and what is refused at start.
#![cfg(unix)]

mod outage;
#[path = "../../waxseal-store/tests/servers/process.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod process;
mod program;
#[path = "../../waxseal-store/tests/servers/postgres.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod server;

use std::cell::RefCell;
use std::time::Duration;

use outage::outage;
use server::Cluster;

fn hangs(length: Duration) {
    let cluster = Cluster::start(&[]);
    let url = cluster.url("postgres");
    let said = outage(&url, length, || cluster.signal("STOP"), || cluster.signal("CONT"));
    assert!(said.iter().all(|said| !said.contains("fawkes")), "the password: {said:?}");
}

fn is_killed(length: Duration) {
    let cluster = RefCell::new(Cluster::start(&[]));
    let url = cluster.borrow().url("postgres");
    let said = outage(&url, length, || cluster.borrow_mut().kill(), || cluster.borrow_mut().run());
    assert!(said.iter().all(|said| !said.contains("fawkes")), "the password: {said:?}");
}

#[test]
fn a_server_that_hangs_is_an_outage_as_declared() {
    hangs(Duration::from_secs(3));
}

#[test]
fn a_server_that_is_killed_is_an_outage_as_declared() {
    is_killed(Duration::from_secs(3));
}

#[test]
#[ignore = "takes half a minute"]
fn a_server_that_hangs_for_half_a_minute_is_an_outage_as_declared() {
    hangs(Duration::from_secs(30));
}

#[test]
#[ignore = "takes half a minute"]
fn a_server_that_is_gone_for_half_a_minute_is_an_outage_as_declared() {
    is_killed(Duration::from_secs(30));
}
