//! Proxies in front: the PROXY protocol, and whose connections are counted.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::sync::oneshot;
use waxseal_server::{Body, Peer, TrustedProxies};

use super::support::*;

/// A server that says whose connection it is.
async fn telling(trusted: &str, required: bool, limits: Limits) -> Running {
    let trusted: TrustedProxies = trusted.parse().unwrap();
    let server = HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap().limits(limits);
    let server = server.trust(trusted).proxy_protocol(required);
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let make = |peer: Peer| {
        service_fn(move |_: Request<Incoming>| async move {
            let text = peer.ip().map_or("nobody".to_owned(), |address| address.to_string());
            Ok::<_, Infallible>(Response::new(Body::from(text)))
        })
    };
    let serving = tokio::spawn(server.serve_each(make, async { drop(stopped.await) }));
    Running { address, stop, release: Default::default(), serving }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// The header for a client at 192.0.2.1.
fn proxy_header() -> Vec<u8> {
    let addresses = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses].concat()
}

#[tokio::test]
async fn the_proxy_protocol_names_the_client_and_is_required_of_trusted_proxies() {
    let with_header = [&proxy_header()[..], REQUEST].concat();
    for (case, trusted, required, bytes, expected) in [
        ("named", "127.0.0.1", true, &with_header[..], Some("192.0.2.1")),
        ("missing", "127.0.0.1", true, REQUEST, None),
        ("of others", "192.0.2.9", true, &with_header, None),
        ("not asked for", "127.0.0.1", false, REQUEST, Some("127.0.0.1")),
    ] {
        let server = telling(trusted, required, Limits::default()).await;
        let mut client = server.connect().await;
        let _ = client.write_all(bytes).await;
        let mut all = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, client.read_to_end(&mut all)).await.expect("in time");
        let answer = String::from_utf8(all).unwrap();
        match expected {
            Some(address) => assert!(answer.ends_with(&format!("\r\n\r\n{address}")), "{case}: {answer}"),
            None => assert_eq!(answer, "", "{case}"),
        }
    }
    // Without the setting it is what it looks like to HTTP.
    let server = telling("127.0.0.1", false, Limits::default()).await;
    assert_eq!(status(&server.exchange(&with_header).await), "400");
}

#[tokio::test]
async fn a_proxy_that_names_nobody_is_closed_after_the_time_for_the_first_byte() {
    let server = telling("127.0.0.1", true, Limits::default().first_byte_time(SHORT)).await;
    for bytes in [&b""[..], &proxy_header()[..20]] {
        let start = Instant::now();
        assert_eq!(server.exchange(bytes).await, "");
        assert!(start.elapsed() >= SHORT);
    }
}

#[tokio::test]
async fn a_trusted_proxy_has_no_limit_and_the_clients_that_it_names_have() {
    let one = Limits::default().connections_per_address(1);
    let server = telling("127.0.0.1", false, one).await;
    let _open = (server.connect().await, server.connect().await);
    assert!(server.exchange(REQUEST).await.ends_with("127.0.0.1"));

    let server = telling("127.0.0.1", true, one).await;
    let mut first = server.connect().await;
    let kept = [&proxy_header()[..], b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"].concat();
    first.write_all(&kept).await.unwrap();
    until(&mut first, "192.0.2.1").await;
    let mut second = server.connect().await;
    second.write_all(&kept).await.unwrap();
    assert!(second.read_u8().await.is_err(), "closed, reset or not");
}
