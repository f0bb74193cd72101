//! The wizard with many hostile clients at once, and told to stop amid requests: what `docs/reliability.md` says about
//! that.
//!
//! The everyday form asserts statuses, closed connections and bytes. The long form has more clients, and also asserts
//! times and memory.
#![cfg(target_os = "linux")]

mod crowd;
#[path = "hostile/larger_wizard.rs"]
mod larger_wizard;
mod outage;
mod program;
#[path = "hostile/stops.rs"]
mod stops;

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crowd::{Client, Crowd, OPEN, Watched, counted, watched};
use outage::exchange;
use program::Program;

const FEW: usize = 30;
const MANY: usize = 1_000;

/// The limits that are promised, asserted in the long form.
const P99: Duration = Duration::from_millis(250);
const MORE_MEMORY_KB: u64 = 64 * 1024;
const LATE: Duration = Duration::from_secs(2);

/// The deadlines of these tests, in seconds.
const DEADLINE: u64 = 2;

fn wizard(more: &[&str]) -> Program {
    let times =
        ["first-byte", "head", "keep-alive", "body", "answer"].map(|of| format!("--timeout-{of}={DEADLINE}"));
    let mut arguments = vec!["--port=0", "--admin-address=0", "--min-body-rate=100"];
    let is_given = |flag: &str| more.iter().any(|given| given.split('=').next() == flag.split('=').next());
    arguments.extend(times.iter().map(String::as_str).filter(|flag| !is_given(flag)));
    arguments.extend(more);
    larger_wizard::start(&arguments)
}

/// Asserts what every client of this kind gets. Returns how long the last of them was connected.
fn hold(program: &Program, client: Client, count: usize) -> (Duration, Watched) {
    let mut crowd = Crowd::gather(program.address(), client, count);
    let (stayed, watched) = watched(program, || match client {
        Client::ReadsNothing => {
            let start = Instant::now();
            crowd.wait_until(|| counted(program, OPEN) < 2);
            start.elapsed()
        }
        _ => crowd.hold(),
    });
    crowd.assert_answers();
    assert!(watched.requests > 0 && watched.failures == 0, "{client:?}: {watched:?}");
    (stayed, watched)
}

fn everyday(client: Client) {
    // On a busy machine, clients that send something may do so late.
    let first_byte = if client == Client::Silent { 5 } else { 60 };
    let program = wizard(&[&*format!("--timeout-first-byte={first_byte}")]);
    hold(&program, client, FEW);
    program.signal("TERM");
    assert!(program.wait().status.success(), "{client:?}");
}

#[test]
fn who_sends_nothing_is_closed() {
    everyday(Client::Silent);
}

#[test]
fn who_sends_half_a_head_is_closed() {
    everyday(Client::HalfHead);
}

#[test]
fn who_drips_a_head_is_closed() {
    everyday(Client::HeadDrip);
}

#[test]
fn who_drips_a_body_is_answered_408() {
    everyday(Client::BodyDrip);
}

#[test]
fn who_is_idle_is_closed_after_the_answer() {
    everyday(Client::Idle);
}

#[test]
fn who_reads_slowly_gets_all() {
    everyday(Client::SlowReader);
}

#[test]
fn who_reads_nothing_is_closed() {
    everyday(Client::ReadsNothing);
}

#[test]
#[ignore = "a thousand connections of each kind"]
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
fn a_thousand_of_each_kind_do_not_slow_a_good_client() {
    let mut missed = Vec::new();
    for client in Client::ALL {
        let program = wizard(&[]);
        let (stayed, watched) = hold(&program, client, MANY);
        eprintln!("{client:?}: the last was there for {stayed:?}; {watched:?}");
        let in_time = client.deadline(DEADLINE).is_none_or(|allowed| stayed < allowed + LATE);
        if !(in_time && watched.p99 < P99 && watched.more_memory_kb < MORE_MEMORY_KB) {
            missed.push(client);
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

/// Connections from one address beyond its limit are closed, while another address is served.
fn one_address(count: usize) {
    let program =
        wizard(&["--connections-per-address=5", "--timeout-keep-alive=60", "--timeout-first-byte=60"]);
    let address = program.address();
    let mut held: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    // Each gets one response, so that all are counted: connections that are accepted together may be handled in any order.
    for stream in &mut held {
        assert!(crowd::ask(stream, "GET /", "").starts_with("HTTP/1.1 200"));
    }
    for number in 0..count {
        assert!(
            crowd::is_closed(&TcpStream::connect(address).unwrap()),
            "connection {number} beyond the limit"
        );
    }
    assert!(crowd::answer_from([127, 0, 0, 2], address).starts_with("HTTP/1.1 200"));
    // The first connections are still served.
    for stream in &mut held {
        assert!(crowd::ask(stream, "GET /", "").starts_with("HTTP/1.1 200"));
    }
    program.signal("TERM");
    let said = program.wait().said;
    assert_eq!(said.matches("their address has as many as it may").count(), 1, "{said}");
}

#[test]
fn one_address_has_its_limit_of_connections() {
    one_address(FEW);
}

#[test]
#[ignore = "ten thousand connections"]
fn ten_thousand_connections_of_one_address_shut_nobody_out() {
    one_address(10_000);
}

/// Requests the session's page with this cookie `count` times. Returns the 99th percentile of the times.
fn ask_often(program: &Program, cookie: &str, count: usize) -> Duration {
    let mut stream = TcpStream::connect(program.address()).unwrap();
    let times = (0..count).map(|_| {
        let start = Instant::now();
        let answer = crowd::ask(&mut stream, "GET /wizard/success", cookie);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        start.elapsed()
    });
    crowd::p99(times.collect())
}

/// Returns the 99th percentile for valid cookies, and that for invalid ones.
fn bad_cookies(count: usize) -> [Duration; 2] {
    let program = wizard(&["--timeout-keep-alive=60", "--timeout-first-byte=60"]);
    let answer = exchange(program.address(), "POST /wizard/create", "", "name=Merlin&magic_school=Camelot");
    let good = answer.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let (name, value) = good.split_once('=').unwrap();
    let other = |at: usize| {
        let mut value = value.to_owned().into_bytes();
        value[at] = if value[at] == b'A' { b'B' } else { b'A' };
        format!("{name}={}", String::from_utf8(value).unwrap())
    };
    // Damaged in the key id, the commitment, the middle and the tag.
    let bad = [3, 20, value.len() / 2, value.len() - 4].map(other).join("; ");
    let times = [&good, &bad].map(|cookie| ask_often(&program, cookie, count));
    program.signal("TERM");
    let said = program.wait().said;
    assert!(said.len() < 20_000, "{} bytes of log, such as {}", said.len(), &said[..2_000]);
    times
}

#[test]
fn bad_cookies_are_a_strangers_and_do_not_fill_the_log() {
    bad_cookies(100);
}

#[test]
#[ignore = "ten thousand requests of each, and times"]
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
fn ten_thousand_bad_cookies_cost_at_most_twice_as_much_as_good_ones() {
    let [good, bad] = bad_cookies(10_000);
    eprintln!("p99 of good cookies {good:?}, of four bad ones {bad:?}");
    assert!(bad <= 2 * good, "{bad:?} and {good:?}");
}

/// The system refuses file descriptors while the server runs. Clients with a connection are served, and new ones wait.
#[test]
fn an_accept_that_fails_makes_new_visitors_wait_and_nobody_else() {
    let mut program = wizard(&["--timeout-keep-alive=60", "--timeout-first-byte=60"]);
    let mut kept = TcpStream::connect(program.address()).unwrap();
    assert!(crowd::ask(&mut kept, "GET /", "").starts_with("HTTP/1.1 200"));

    let lowest_free = (0..).find(|number| !is_open(&program, *number)).expect("there is one");
    limit_descriptors(&program, lowest_free);
    let mut waiting = TcpStream::connect(program.address()).unwrap();
    program.hear("cannot accept connections; raise the limit of open files");
    for _ in 0..10 {
        assert!(crowd::ask(&mut kept, "GET /wizard/success", "").starts_with("HTTP/1.1 200"));
    }
    limit_descriptors(&program, 1_024);
    assert!(crowd::ask(&mut waiting, "GET /", "").starts_with("HTTP/1.1 200"));
    assert!(counted(&program, "waxseal_http_accept_errors_total") > 0);
    program.signal("TERM");
    let said = program.wait().said;
    assert_eq!(said.matches("cannot accept connections").count(), 1, "{said}");
}

fn is_open(program: &Program, descriptor: u64) -> bool {
    std::fs::symlink_metadata(format!("/proc/{}/fd/{descriptor}", program.id())).is_ok()
}

/// Lets the system refuse descriptors from this number on.
fn limit_descriptors(program: &Program, number: u64) {
    let (process, limit) = (program.id().to_string(), format!("--nofile={number}:"));
    let status = Command::new("prlimit").args(["--pid", &process, &limit]).status();
    assert!(status.expect("prlimit is part of util-linux").success());
}

#[test]
fn five_hundred_clients_with_256_descriptors_shut_no_visitor_out() {
    crowd::five_hundred_clients_with_256_descriptors("sqlite:sessions.db", || {});
}
