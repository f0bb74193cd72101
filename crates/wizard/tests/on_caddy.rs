//! Two wizards behind a real Caddy, configured as in `docs/deploying.md`.
#![cfg(target_os = "linux")]

mod behind;
mod program;

use store_tests::front::Kind;

#[test]
fn behind_caddy_nothing_is_answered_after_a_refused_request() {
    behind::attacks::hold(Kind::Caddy);
}

#[test]
fn the_largest_cookie_arrives_behind_caddy() {
    behind::large_heads::arrive(Kind::Caddy);
}

#[test]
fn pages_go_on_behind_caddy_while_the_store_is_away() {
    behind::outage::hold(Kind::Caddy);
}

#[test]
#[ignore = "on a busy machine the proxy's own checks come too late"]
fn a_rolling_restart_behind_caddy_fails_no_request() {
    behind::rolling::roll(Kind::Caddy, None, 1, &[]);
}

#[test]
#[ignore = "takes two minutes"]
fn twenty_restarts_behind_caddy_fail_no_request() {
    behind::rolling::roll(Kind::Caddy, None, 10, &[]);
}
