//! Two wizards behind a real HAProxy, configured as in `docs/deploying.md`.
#![cfg(target_os = "linux")]

mod behind;
mod program;

use store_tests::front::Kind;

#[test]
fn behind_haproxy_nothing_is_answered_after_a_refused_request() {
    behind::attacks::hold(Kind::Haproxy);
}

#[test]
fn the_largest_cookie_arrives_behind_haproxy() {
    behind::large_heads::arrive(Kind::Haproxy);
}

#[test]
fn pages_go_on_behind_haproxy_while_the_store_is_away() {
    behind::outage::hold(Kind::Haproxy);
}

#[test]
#[ignore = "on a busy machine the proxy's own checks come too late"]
fn a_rolling_restart_behind_haproxy_fails_no_request() {
    behind::rolling::roll(Kind::Haproxy, None, 1, &[]);
}

#[test]
#[ignore = "takes two minutes"]
fn twenty_restarts_behind_haproxy_fail_no_request() {
    behind::rolling::roll(Kind::Haproxy, None, 10, &[]);
}
