//! Many clients of one kind at once, and a well-behaved one among them.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::outage::{Policy, Visitor, exchange};
use crate::program::Program;

/// The time after which a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// The interval at which all connections are checked.
const TICK: Duration = Duration::from_millis(50);
/// The number of bytes that a slow reader reads at each check: 130 kB a second.
const SIP: usize = 6_500;
/// The size of a page that a slow reader asks for, and the byte that it consists of. No other response has this byte.
pub(crate) const PAGE_BYTES: usize = 45_000;
pub(crate) const FILLER: u8 = 0;
/// The number of requests for that page that a client sends at once if it reads slowly (the first) or not at all. The
/// responses are more than the systems of both ends buffer for a connection, which is less than 200 kB.
const FEWER: usize = 8;
const PIPELINED: usize = 40;

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Silent,
    HalfHead,
    HeadDrip,
    BodyDrip,
    Idle,
    SlowReader,
    ReadsNothing,
}

/// Connections of one kind of client.
pub(crate) struct Crowd {
    client: Client,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    is_open: bool,
    /// What the server has sent, without the filler, of which a thousand connections get some hundred megabytes.
    answer: Vec<u8>,
    filler: usize,
}

/// What a well-behaved client saw meanwhile.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) requests: usize,
    pub(crate) failures: usize,
    pub(crate) p99: Duration,
    /// The server's peak of memory, minus what it used before.
    pub(crate) more_memory_kb: u64,
}

impl Client {
    pub(crate) const ALL: [Self; 7] = [
        Self::Silent,
        Self::HalfHead,
        Self::HeadDrip,
        Self::BodyDrip,
        Self::Idle,
        Self::SlowReader,
        Self::ReadsNothing,
    ];

    /// The time after which the client's connection is closed, if all deadlines are `seconds`; `None` if it is served.
    pub(crate) fn deadline(self, seconds: u64) -> Option<Duration> {
        let deadline = Duration::from_secs(seconds);
        match self {
            // The minimum rate is enforced after five seconds.
            Self::BodyDrip => Some(Duration::from_secs(5)),
            Self::SlowReader => None,
            // Once for each 48 KB that the systems of both ends took.
            Self::ReadsNothing => Some(deadline * 4),
            _ => Some(deadline),
        }
    }

    fn first_bytes(self) -> String {
        let get = "GET /page HTTP/1.1\r\nHost: a.example\r\n\r\n";
        match self {
            Self::Silent => String::new(),
            Self::HalfHead => "GET / HTTP/1.1\r\nHost: a.exa".to_owned(),
            Self::HeadDrip => "GET / HTTP/1.1\r\nX: ".to_owned(),
            Self::BodyDrip => "POST /wizard/create HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9000\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
                .to_owned(),
            Self::Idle => "GET /static/wizard.css HTTP/1.1\r\nHost: a.example\r\n\r\n".to_owned(),
            Self::SlowReader => {
                get.repeat(FEWER - 1) + &get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
            }
            Self::ReadsNothing => get.repeat(PIPELINED),
        }
    }

    fn drips(self) -> bool {
        matches!(self, Self::HeadDrip | Self::BodyDrip)
    }
}

impl Crowd {
    /// Connects, and sends what this kind of client sends at once.
    pub(crate) fn gather(address: SocketAddr, client: Client, count: usize) -> Self {
        let bytes = client.first_bytes();
        let connections = (0..count).map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(bytes.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            Connection { stream, is_open: true, answer: Vec::new(), filler: 0 }
        });
        Self { client, connections: connections.collect() }
    }

    /// Behaves like this kind of client until the server has closed all connections. Returns how long the last one was
    /// open.
    pub(crate) fn hold(&mut self) -> Duration {
        let start = Instant::now();
        let mut ticks = 0;
        let most = if self.client == Client::SlowReader { SIP } else { 16_384 };
        while self.connections.iter().any(|connection| connection.is_open) {
            assert!(start.elapsed() < PATIENCE, "{:?}: some are still there", self.client);
            ticks += 1;
            for connection in self.connections.iter_mut().filter(|connection| connection.is_open) {
                if self.client.drips() && ticks % 4 == 0 {
                    // A failed write is ignored, because reading notices a closed connection.
                    let _ = connection.stream.write(b"x");
                }
                connection.sip(most);
            }
            thread::sleep(TICK);
        }
        start.elapsed()
    }

    /// Waits without reading or sending anything.
    pub(crate) fn wait_until(&self, good: impl Fn() -> bool) {
        let start = Instant::now();
        while !good() {
            assert!(start.elapsed() < PATIENCE, "{:?}: some are still there", self.client);
            thread::sleep(TICK);
        }
    }

    /// Asserts that all got the response for their kind.
    pub(crate) fn assert_answers(&self) {
        for Connection { answer, filler, .. } in &self.connections {
            let answer = String::from_utf8_lossy(answer);
            let answers = answer.matches("HTTP/1.1 ").count();
            let good = match self.client {
                Client::Silent | Client::HalfHead | Client::HeadDrip | Client::ReadsNothing => {
                    answer.is_empty()
                }
                Client::BodyDrip => answer.starts_with("HTTP/1.1 408") && answers == 1,
                Client::Idle => answer.starts_with("HTTP/1.1 200") && answers == 1,
                Client::SlowReader => {
                    answer.matches("HTTP/1.1 200").count() == FEWER && *filler == FEWER * PAGE_BYTES
                }
            };
            assert!(good, "{:?}: {answers} answers, {filler} bytes of pages: {answer}", self.client);
        }
    }
}

impl Connection {
    /// Reads up to `most` bytes, if there are any, and notes whether the server has closed the connection.
    fn sip(&mut self, most: usize) {
        let mut bytes = vec![0; most];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.is_open = false,
            Ok(read) => {
                let before = self.answer.len();
                self.answer.extend(bytes[..read].iter().filter(|&&byte| byte != FILLER));
                self.filler += read - (self.answer.len() - before);
            }
            Err(error) => self.is_open = error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Five hundred clients take what a wizard with 256 descriptors has for connections. A visitor who was there before is
/// served, also once the store at `place` has been `cut_off` and has to connect anew.
pub(crate) fn five_hundred_clients_with_256_descriptors(place: &str, cut_off: impl Fn()) {
    let under = ["/bin/sh", "-c", "ulimit -n 256; exec \"$0\" \"$@\""];
    for policy in [Policy::Copies, Policy::Refuse] {
        let visitor = Visitor::under(&under, place, policy);
        let mut kept = TcpStream::connect(visitor.address()).unwrap();
        assert!(ask(&mut kept, "GET /", "").starts_with("HTTP/1.1 200"));
        let crowd = Crowd::gather(visitor.address(), Client::Idle, 500);
        for _ in 0..20 {
            let answer = ask(&mut kept, "GET /wizard/success", visitor.cookie());
            assert!(answer.contains("Merlin"), "{policy:?}: {answer}");
        }
        cut_off();
        let start = Instant::now();
        while visitor.ready().status != 200
            || !ask(&mut kept, "GET /wizard/success", visitor.cookie()).contains("Merlin")
        {
            // Sooner than the server closes an idle connection.
            assert!(start.elapsed() < PATIENCE / 2, "{policy:?}: the store has not connected again");
            thread::sleep(TICK);
        }
        drop(crowd);
        assert!(visitor.session_page().knows_merlin(), "{policy:?}");
    }
}

/// Does `work` while a well-behaved client requests a page over and over.
pub(crate) fn watched<T>(program: &Program, work: impl FnOnce() -> T) -> (T, Watched) {
    let before = memory_kb(program);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut times, mut failures, mut most) = (Vec::new(), 0, before);
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                let answer = exchange(program.address(), "GET /", "", "");
                times.push(start.elapsed());
                failures += usize::from(answer.status != 200);
                most = most.max(memory_kb(program));
                thread::sleep(Duration::from_millis(20));
            }
            Watched { requests: times.len(), failures, p99: p99(times), more_memory_kb: most - before }
        });
        // Also if the work fails, or the watching would go on for ever.
        let result = catch_unwind(AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        let watched = watching.join().unwrap();
        (result.unwrap_or_else(|failed| resume_unwind(failed)), watched)
    })
}

/// The 99th percentile.
pub(crate) fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or_default()
}

/// The resident memory of the program.
fn memory_kb(program: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The metric of open connections, which includes that of a well-behaved client.
pub(crate) const OPEN: &str = "waxseal_http_connections_open";

/// The present value of one of the server's metrics without labels.
pub(crate) fn counted(program: &Program, name: &str) -> usize {
    let answer = exchange(program.admin_address(), "GET /metrics", "", "");
    let line = answer.body().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
}

/// Waits until the server has closed a connection. Returns `false` if it does not.
pub(crate) fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    match stream.read(&mut [0; 16]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Sends one request on a connection that stays open. Returns the head and body of the response.
pub(crate) fn ask(stream: &mut TcpStream, line: &str, cookie: &str) -> String {
    let request = format!("{line} HTTP/1.1\r\nHost: a.example\r\nCookie: {cookie}\r\n\r\n");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        let mut bytes = [0; 16_384];
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "closed after {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..read]);
    }
}

/// The response to a client with this address.
pub(crate) fn answer_from(own: [u8; 4], address: SocketAddr) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::from(own), 0).into()).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    ask(&mut { stream }, "GET /", "")
}
