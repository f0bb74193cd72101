//! A long load with sessions that expire. Neither memory nor rows may grow.
//!
//! `SOAK_SECONDS=600 cargo test --release -p wizard --features redis,servers --test soak -- --ignored --nocapture`.
//! Without the variable it takes twenty minutes.
#![cfg(target_os = "linux")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use store_tests::redis::Server as Redis;
use waxseal::{Request, Response, Result, SessionState, Settings, html};

#[path = "soak/visitor.rs"]
mod visitor;

use visitor::Visitor;

/// Counts the bytes that are allocated at present. They are those of the server alone, since it is a separate process.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The environment variable that tells the child process its store.
const STORE: &str = "SOAK_STORE";
const RATE: u32 = 500;
const CLIENTS: u32 = 10;
/// The seconds without activity after which a session expires.
const LIFETIME: u64 = 20;

/// The seconds until everything that is bounded has reached its bound. Redis keeps a record's key for five minutes
/// after its end, and those of the id before the sign-in for a minute more: 360 s. An entry of this process's near
/// cache is useful for the stale-if-error limit and a minute. It is removed by the next round of maintenance, at most a
/// minute later: 140 s.
const WARM_UP: u64 = 380;
/// Rounds of maintenance are a minute apart, so in a shorter time only a part of what comes and goes would be compared.
const LEAST_SECONDS: u64 = WARM_UP + 3 * 60;

/// The differences that are allowed between the first and the last third of the time after the warm-up.
const MORE_LIVE_BYTES: i64 = 64 * 1024;
const MORE_RESIDENT_KB: i64 = 4 * 1024;

/// A measurement of the server.
#[derive(Debug, Clone, Copy)]
struct Sample {
    live_bytes: i64,
    resident_kb: i64,
    rows: i64,
}

/// Runs the server in the child process. Does nothing in any other process.
#[test]
fn serve() {
    let Ok(store) = env::var(STORE) else { return };
    let settings = Settings {
        port: 0,
        session_state: SessionState::Mirrored,
        session_store: Some(store.parse().unwrap()),
        session_lifetime: LIFETIME,
        // The list of an owner's sessions is kept for as long as these could live.
        session_absolute_lifetime: LIFETIME,
        // What is kept about copies for the stale-if-error limit would grow for that long.
        session_grace: LIFETIME,
        ..Settings::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(wizard::app().get("/memory", memory).run_with(settings)).unwrap();
}

async fn memory(_: Request) -> Result<Response> {
    Ok(html(MEMORY.current_usage().to_string()))
}

/// A server that is killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(store: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "serve", "--nocapture"]).env_clear().env(STORE, store);
        command.env("SECRET_KEY", "waxseal1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwdkv1U6");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("it says where it listens").unwrap();
            if let Some((_, rest)) = line.split_once("server on http://") {
                break rest.split(',').next().unwrap().parse().unwrap();
            }
        };
        // Read to the end, because a full pipe would block the server.
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn sample(&self, rows: i64) -> Sample {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let answer = visitor::ask(&mut stream, "GET /memory HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
        let live_bytes = answer.split_once("\r\n\r\n").unwrap().1.parse().unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident_kb = line.trim().trim_end_matches(" kB").parse().unwrap();
        Sample { live_bytes, resident_kb, rows }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends requests at the rate until `end`. Returns their number.
fn load(address: SocketAddr, client: u32, end: Instant) -> u64 {
    let pause = Duration::from_secs(1) * CLIENTS / RATE;
    let mut visitor = Visitor::new(address, client);
    let (mut next, mut requests) = (Instant::now() + pause * client / CLIENTS, 0);
    while next < end {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        visitor.go_on();
        requests += 1;
        next += pause;
    }
    requests
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> i64) -> i64 {
    let mut values: Vec<_> = samples.iter().map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

#[test]
#[ignore = "takes twenty minutes, or SOAK_SECONDS"]
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
fn neither_memory_nor_rows_grow_while_sessions_expire() {
    let seconds = env::var("SOAK_SECONDS").map_or(20 * 60, |seconds| seconds.parse().expect("seconds"));
    assert!(seconds >= LEAST_SECONDS, "{seconds} s say nothing; SOAK_SECONDS is {LEAST_SECONDS} or more");
    let store = Redis::start(&[]);
    let server = Server::start(&store.url());
    let begin = Instant::now();
    let (full, end) = (begin + Duration::from_secs(WARM_UP), begin + Duration::from_secs(seconds));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let address = server.address;
            thread::spawn(move || load(address, client, end))
        })
        .collect();
    let (mut samples, mut taken) = (Vec::new(), 0);
    while Instant::now() < end {
        thread::sleep(Duration::from_secs(1));
        let rows = store.say("DBSIZE").unwrap().trim_start_matches(':').trim().parse().unwrap();
        let sample = server.sample(rows);
        taken += 1;
        if taken % 60 == 0 {
            eprintln!("{} s: {sample:?}", begin.elapsed().as_secs());
        }
        if Instant::now() >= full {
            samples.push(sample);
        }
    }
    let requests: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    let third = samples.len() / 3;
    let (early, late) = (&samples[..third], &samples[samples.len() - third..]);
    for (name, of, more) in [
        ("live bytes", (|sample| sample.live_bytes) as fn(&Sample) -> i64, MORE_LIVE_BYTES),
        ("resident kB", |sample| sample.resident_kb, MORE_RESIDENT_KB),
        ("rows", |sample| sample.rows, median(early, |sample| sample.rows) / 10),
    ] {
        let (before, after) = (median(early, of), median(late, of));
        eprintln!("{name}: {before} in the first third after {WARM_UP} s, {after} in the last one");
        assert!(after - before <= more, "{name}: {before}, then {after}");
    }
    let rate = requests / seconds;
    eprintln!("{requests} requests in {seconds} s, {rate} a second");
    assert!(rate >= u64::from(RATE) * 9 / 10, "the load was only {rate} requests a second");
}
