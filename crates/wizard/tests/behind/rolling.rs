//! A rolling restart: one server after the other, under load.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use store_tests::front::Kind;

use super::load::{Load, Seen};
use super::{Plan, Site};

const VISITORS: usize = 6;
/// The time after which a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Restarts both servers this many times, and asserts that no request failed.
pub(crate) fn roll(kind: Kind, store: Option<&str>, rounds: usize, more: &[&str]) {
    look_at_rolling(kind, store, rounds, more).assert_none_failed();
}

/// Restarts both servers this many times. Returns what the visitors saw.
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
pub(crate) fn look_at_rolling(kind: Kind, store: Option<&str>, rounds: usize, more: &[&str]) -> Seen {
    let start = Instant::now();
    let state = if store.is_some() { "--session-state=mirrored" } else { "--session-state=cookie" };
    let more = [&[state], more].concat();
    let mut site = Site::start(Plan { kind, store, root: "", more: &more });
    let load = Load::start(&site.client, "", VISITORS);
    for _ in 0..rounds {
        for machine in &mut site.machines {
            let said = machine.restart();
            assert!(!said.contains("ERROR") && !said.contains("connections dropped"), "{said}");
            wait_until_it_serves(machine.admin);
            load.go_on();
        }
    }
    let seen = load.stop();
    let (count, failed, took) = (seen.requests, seen.failures.len(), start.elapsed());
    eprintln!("{kind:?}, {} restarts, {more:?}: {failed} of {count} requests failed, {took:?}", 2 * rounds);
    seen
}

/// Waits until a server that was started has answered requests. A proxy that checks its servers sends it none before
/// its next check.
fn wait_until_it_serves(admin: SocketAddr) {
    let start = Instant::now();
    while !has_answered(admin) {
        assert!(start.elapsed() < PATIENCE, "no request comes to the server");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn has_answered(admin: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let is_count = |line: &str| line.starts_with("waxseal_http_requests_total{");
    page.lines().any(|line| is_count(line) && !line.ends_with(" 0"))
}
