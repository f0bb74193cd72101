//! Stops while requests come all the time.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use hyper::service::service_fn;
use tokio::sync::oneshot;
use waxseal_server::Body;

use super::support::*;

/// Requests a second, each on a connection of its own.
const RATE: u32 = 200;

/// One request: true if it was answered whole, false if the connection was made and then lost, `None` if none was made.
async fn ask(address: SocketAddr) -> Option<bool> {
    let mut client = TcpStream::connect(address).await.ok()?;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut answer = String::new();
    let read = async {
        client.write_all(request).await?;
        client.read_to_string(&mut answer).await
    };
    let read = tokio::time::timeout(PATIENCE, read).await.expect("in time");
    Some(read.is_ok() && answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"))
}

/// Starts a server whose handler takes so long, and stops it in the midst of requests. Returns the requests that handlers
/// had, those that were answered, and the connections that were made and lost.
async fn stop_under_load(takes: Duration) -> [usize; 3] {
    let handled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&handled);
    let service = service_fn(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(takes).await;
            Ok::<_, Infallible>(Response::new(Body::from("done")))
        }
    });
    let server = HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(service, async { drop(stopped.await) }));

    let (mut clients, mut pace) = (Vec::new(), tokio::time::interval(Duration::from_secs(1) / RATE));
    let start = Instant::now();
    let mut stop = Some(stop);
    while start.elapsed() < takes + SHORT {
        pace.tick().await;
        clients.push(tokio::spawn(ask(address)));
        if start.elapsed() > takes
            && let Some(stop) = stop.take()
        {
            stop.send(()).unwrap();
        }
    }
    let (mut answered, mut lost) = (0, 0);
    for client in clients {
        match client.await.unwrap() {
            Some(true) => answered += 1,
            Some(false) => lost += 1,
            None => {}
        }
    }
    tokio::time::timeout(PATIENCE, serving).await.expect("in time").unwrap().unwrap();
    [handled.load(Ordering::Relaxed), answered, lost]
}

#[tokio::test]
async fn a_stop_under_load_loses_no_request_that_was_taken() {
    let [handled, answered, _] = stop_under_load(2 * SHORT).await;
    assert!(handled > 0 && handled == answered, "{handled} taken, {answered} answered");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "20 stops, of 2 s each"]
#[expect(clippy::print_stderr, reason = "a figure for whoever runs it with --nocapture")]
async fn twenty_stops_under_load_lose_no_request_that_was_taken() {
    let mut all_lost = 0;
    for round in 0..20 {
        let [handled, answered, lost] = stop_under_load(Duration::from_secs(2)).await;
        assert!(handled > 100 && handled == answered, "{round}: {handled} taken, {answered} answered");
        all_lost += lost;
    }
    eprintln!("connections made in the very moment of a stop, and reset: {all_lost}");
}
