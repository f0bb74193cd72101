//! The wizard over a redis-server: what its visitors see while that is away, and what is refused at start.
#![cfg(unix)]

mod outage;
#[path = "../../waxseal-store/tests/servers/process.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod process;
mod program;
#[path = "../../waxseal-store/tests/servers/redis.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod server;

use std::time::Duration;

use outage::outage;
use server::Server;

fn stands_still(length: Duration) {
    let server = Server::start_durable();
    outage(&server.url(), length, || server.stand_still(), || server.go_on());
}

fn is_killed(length: Duration) {
    let server = std::cell::RefCell::new(Server::start_durable());
    let url = server.borrow().url();
    outage(&url, length, || server.borrow_mut().kill(), || server.borrow_mut().restart());
}

#[test]
fn a_server_that_stands_still_is_an_outage_as_declared() {
    stands_still(Duration::from_secs(3));
}

#[test]
fn a_server_that_is_killed_is_an_outage_as_declared() {
    is_killed(Duration::from_secs(3));
}

#[test]
#[ignore = "takes half a minute"]
fn a_server_that_stands_still_for_half_a_minute_is_an_outage_as_declared() {
    stands_still(Duration::from_secs(30));
}

#[test]
#[ignore = "takes half a minute"]
fn a_server_that_is_gone_for_half_a_minute_is_an_outage_as_declared() {
    is_killed(Duration::from_secs(30));
}
