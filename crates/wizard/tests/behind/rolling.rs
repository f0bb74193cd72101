//! A rolling restart: one server after the other, under load.

use std::time::Instant;

use store_tests::front::Kind;

use super::load::Load;
use super::{Plan, Site};

const VISITORS: usize = 6;

/// Restarts both servers so many times, and asserts that no request failed.
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
pub(crate) fn roll(kind: Kind, store: Option<&str>, rounds: usize, more: &[&str]) {
    let start = Instant::now();
    let state = if store.is_some() { "--session-state=mirrored" } else { "--session-state=cookie" };
    let more = [&[state], more].concat();
    let mut site = Site::start(Plan { kind, store, root: "", more: &more });
    let load = Load::start(&site.client, "", VISITORS);
    for _ in 0..rounds {
        for machine in &mut site.machines {
            let said = machine.restart();
            assert!(!said.contains("ERROR") && !said.contains("connections dropped"), "{said}");
            load.go_on();
        }
    }
    let seen = load.stop();
    let (count, failed, took) = (seen.requests, seen.failures.len(), start.elapsed());
    eprintln!("{kind:?}, {} restarts, {more:?}: {failed} of {count} requests failed, {took:?}", 2 * rounds);
    seen.assert_none_failed();
}
