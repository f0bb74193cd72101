//! Stops by SIGTERM: what a load balancer sees of them, and what becomes of requests.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use store_tests::redis::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::crowd::{ask, counted, is_closed};
use crate::larger_wizard;
use crate::outage::exchange;

/// The requests a second, each on a connection of its own.
const RATE: u32 = 200;
/// How long requests come after the signal.
const AFTERWARDS: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

const CLOSE: &str = "\r\nconnection: close\r\n";

#[test]
fn a_stop_shows_in_readiness_and_during_the_delay_only_answers_close_connections() {
    let flags = ["--port=0", "--admin-address=0", "--shutdown-delay=600", "--timeout-first-byte=600"];
    let mut program = larger_wizard::start(&flags);
    let (address, admin) = (program.address(), program.admin_address());
    let ready = || exchange(admin, "GET /health/ready", "", "");
    assert_eq!((ready().status, counted(&program, "waxseal_ready")), (200, 1));
    let connect = || TcpStream::connect(address).unwrap();
    let [mut idle, mut asking, mut silent] = [connect(), connect(), connect()];
    for stream in [&mut idle, &mut asking] {
        let answer = ask(stream, "GET /", "");
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains(CLOSE), "{answer}");
    }

    program.signal("TERM");
    program.hear("stopping; requests in flight may finish");
    // The line comes first, by some microseconds.
    wait_for("it to be not ready", || ready().status == 503);
    assert!(ready().shows(r#""reason": "stopping""#), "{:?}", ready());
    assert_eq!(counted(&program, "waxseal_ready"), 0);
    wait_for("an answer to close its connection", || ask(&mut connect(), "GET /", "").contains(CLOSE));
    for stream in [&mut asking, &mut silent] {
        let answer = ask(stream, "GET /", "");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(CLOSE), "{answer}");
        assert!(is_closed(stream));
    }
    idle.set_nonblocking(true).unwrap();
    let nothing = idle.read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock, "an idle connection is open");

    // What is open is dropped, and the listener closed.
    program.signal("INT");
    assert!(program.wait().status.success());
    assert!(TcpStream::connect(address).is_err());
}

/// What became of the requests around a stop.
#[derive(Debug, Default)]
struct Stop {
    /// Those that reached their handler, as the server says.
    taken: usize,
    /// Those that were answered whole, as their clients say.
    answered: usize,
    /// Those whose connection was made, and ended without an answer.
    reset: usize,
}

/// Asks for a page that takes so long. `None` if no connection is made, and `false` if it ends without a whole answer.
async fn ask_slowly(address: SocketAddr, takes: Duration) -> Option<bool> {
    let mut client = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = format!("GET /slow/{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", takes.as_millis());
    let mut answer = String::new();
    let read = async {
        client.write_all(request.as_bytes()).await?;
        client.read_to_string(&mut answer).await
    };
    let read = tokio::time::timeout(PATIENCE, read).await.expect("in time");
    Some(read.is_ok() && answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"))
}

/// Sends SIGTERM to a server amid requests that take so long.
async fn stop_under_load(takes: Duration) -> Stop {
    let program = larger_wizard::start(&["--port=0"]);
    let address = program.address();
    let (mut clients, mut pace) = (Vec::new(), tokio::time::interval(Duration::from_secs(1) / RATE));
    let (start, mut told) = (Instant::now(), None);
    while told.is_none_or(|told: Instant| told.elapsed() < AFTERWARDS) {
        pace.tick().await;
        clients.push(tokio::spawn(ask_slowly(address, takes)));
        if told.is_none() && start.elapsed() > takes {
            program.signal("TERM");
            told = Some(Instant::now());
        }
    }
    let mut stop = Stop::default();
    for client in clients {
        match client.await.unwrap() {
            Some(true) => stop.answered += 1,
            Some(false) => stop.reset += 1,
            None => {}
        }
    }
    let ended = program.wait();
    assert!(ended.status.success(), "{ended:?}");
    stop.taken = larger_wizard::taken(&ended.said);
    stop
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_no_request_that_was_taken() {
    let stop = stop_under_load(Duration::from_millis(300)).await;
    assert!(stop.taken > 0 && stop.taken == stop.answered, "{stop:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "20 stops, of 4 s each"]
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
async fn twenty_stops_under_load_lose_no_request_that_was_taken() {
    let mut all = Stop::default();
    for round in 0..20 {
        let stop = stop_under_load(Duration::from_secs(2)).await;
        assert!(stop.taken > 300 && stop.taken == stop.answered, "{round}: {stop:?}");
        all.taken += stop.taken;
        all.answered += stop.answered;
        all.reset += stop.reset;
    }
    eprintln!("{all:?}");
}
