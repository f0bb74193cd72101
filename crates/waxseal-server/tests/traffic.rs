//! The bytes of bodies that are counted, each once, in a process of its own: the counters are the process's.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use waxseal_server::{Body, HttpServer};

const IDLE: Duration = Duration::from_secs(10);

/// The two counters of bodies.
#[derive(Clone, Default)]
struct Bodies {
    received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
}

impl Bodies {
    fn take(&self) -> [u64; 2] {
        [&self.received, &self.sent].map(|counter| counter.swap(0, Ordering::Relaxed))
    }
}

impl metrics::Recorder for Bodies {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        match key.name() {
            "waxseal_http_request_body_bytes_total" => metrics::Counter::from_arc(self.received.clone()),
            "waxseal_http_response_body_bytes_total" => metrics::Counter::from_arc(self.sent.clone()),
            _ => metrics::Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = Body::from(request.into_body());
    let answer = match path.as_str() {
        "/read" => Body::from(body.collect(1024, IDLE).await.unwrap().len().to_string()),
        "/read-at-a-rate" => {
            Body::from(body.at_least(1).collect(1024, IDLE).await.unwrap().len().to_string())
        }
        "/boxed" => Body::boxed(Body::boxed(Body::from("abracadabra"))),
        "/stream" => Body::stream(stream::iter(["abra", "cadabra"].map(Ok::<_, Infallible>))),
        "/echo" => Body::boxed(body),
        _ => Body::empty(),
    };
    Ok(Response::new(answer))
}

#[tokio::test]
async fn a_byte_counts_once_as_received_or_as_sent() {
    let counted = Bodies::default();
    metrics::set_global_recorder(counted.clone()).unwrap();
    let server = HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(service_fn(answer), std::future::pending()));

    for (request, received, sent) in [
        ("POST /read", 11, 2),
        ("POST /read-at-a-rate", 11, 2),
        ("GET /boxed", 0, 11),
        ("HEAD /boxed", 0, 0),
        ("GET /stream", 0, 11),
        ("POST /echo", 11, 11),
        ("GET /", 0, 0),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        let body = if request.starts_with("POST") { "abracadabra" } else { "" };
        let length = body.len();
        let head = format!("{request} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        client.write_all((head + body).as_bytes()).await.unwrap();
        let mut all = String::new();
        tokio::time::timeout(IDLE, client.read_to_string(&mut all)).await.expect("in time").unwrap();
        assert!(all.starts_with("HTTP/1.1 200"), "{request}: {all}");
        assert_eq!(counted.take(), [received, sent], "{request}: received, sent");
    }
}
