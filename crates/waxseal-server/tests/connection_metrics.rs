//! Connections that are counted, each by the reason for which it ended, in a process of its own: the counters are the
//! process's.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use waxseal_server::{Body, HttpServer, Limits};

const SHORT: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);
const PAGE: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Every series, by its name or the value of its label.
#[derive(Clone, Default)]
struct Series(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Series {
    fn of(&self, key: &Key) -> Arc<AtomicU64> {
        let name = key.labels().next().map_or(key.name(), metrics::Label::value).to_owned();
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn get(&self, name: &str) -> u64 {
        self.0.lock().unwrap()[name].load(Ordering::SeqCst)
    }

    /// The reasons for which connections failed, with their numbers.
    fn failed(&self) -> Vec<(String, u64)> {
        let series = self.0.lock().unwrap();
        let reasons = series.iter().filter(|(name, _)| !name.starts_with("waxseal_"));
        let counts = reasons.map(|(name, count)| (name.clone(), count.load(Ordering::SeqCst)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.get(name))
    }

    /// Waits until no connection is open.
    async fn settle(&self) {
        let settled = async {
            while self.gauge("waxseal_http_connections_open") > 0.0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("all are closed in time");
    }
}

impl metrics::Recorder for Series {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.of(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let begun = || stream::iter([Ok::<_, io::Error>("page")]);
    let failing = |kind: io::ErrorKind| stream::iter([Err(kind.into())]);
    Ok(Response::new(match request.uri().path() {
        "/fails" => Body::stream(begun().chain(failing(io::ErrorKind::Other))),
        // As of another server, which the app waits for.
        "/times-out" => Body::stream(begun().chain(failing(io::ErrorKind::TimedOut))),
        "/panics" => Body::stream(begun().chain(stream::poll_fn(|_| panic!("deliberate, in a test")))),
        "/is-cut" => Body::stream(begun().chain(stream::pending())).cut_by(std::future::ready(())),
        _ => Body::from("page"),
    }))
}

async fn start(server: HttpServer) -> std::net::SocketAddr {
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(service_fn(answer), std::future::pending()));
    address
}

async fn bind() -> HttpServer {
    // Idleness is the longest, so that what a busy machine sends late is not taken for it.
    let limits = Limits::default().first_byte_time(SHORT).head_time(SHORT).keep_alive_time(20 * SHORT);
    HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap().limits(limits.connections(3))
}

/// Sends each of these once the one before was answered, waits until the server closes the connection, and returns what came.
async fn send(address: std::net::SocketAddr, parts: &[&str]) -> Vec<u8> {
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut all = Vec::new();
    for (number, bytes) in parts.iter().enumerate() {
        while number > 0 && !all.ends_with(b"page") {
            assert_ne!(client.read_buf(&mut all).await.unwrap(), 0, "closed without an answer");
        }
        client.write_all(bytes.as_bytes()).await.unwrap();
    }
    let _ = tokio::time::timeout(PATIENCE, client.read_to_end(&mut all)).await.expect("closed in time");
    all
}

#[tokio::test]
async fn each_connection_counts_by_the_reason_for_which_it_ended() {
    let series = Series::default();
    metrics::set_global_recorder(series.clone()).unwrap();
    let own = start(bind().await.without_metrics()).await;
    assert!(send(own, &[PAGE]).await.ends_with(b"page"));
    assert_eq!(series.get("waxseal_http_response_body_bytes_total"), 0, "the bytes of the operator's server");

    let server = bind().await;
    let plain = server.local_addr().unwrap();
    let serving = server.serve(service_fn(answer), std::future::pending());
    assert_eq!(series.gauge("waxseal_http_connections_limit"), 3.0, "before the first poll");
    tokio::spawn(serving);
    let mut expected = BTreeMap::new();
    for (case, bytes, reason) in [
        ("no byte", &[][..], Some("slow")),
        ("half a head", &["GET / HTTP/1.1\r\nhost:"], Some("slow")),
        ("idle behind an answer", &[PAGE], None),
        ("half a head behind an answer", &[PAGE, "GET"], Some("slow")),
        ("no HTTP", &["\x16\x03\r\n\r\n"], Some("malformed")),
        ("a line feed alone", &["GET / HTTP/1.1\nhost: a\r\n\r\n"], Some("malformed")),
        ("a body that fails", &["GET /fails HTTP/1.1\r\nhost: a\r\n\r\n"], Some("answer")),
        ("one for want of another server", &["GET /times-out HTTP/1.1\r\nhost: a\r\n\r\n"], Some("answer")),
        ("one that panics", &["GET /panics HTTP/1.1\r\nhost: a\r\n\r\n"], Some("answer")),
        ("one that the app cuts short", &["GET /is-cut HTTP/1.1\r\nhost: a\r\n\r\n"], None),
    ] {
        send(plain, bytes).await;
        series.settle().await;
        if let Some(reason) = reason {
            *expected.entry(reason.to_owned()).or_insert(0) += 1;
        }
        assert_eq!(series.failed(), expected.clone().into_iter().collect::<Vec<_>>(), "{case}");
    }
    assert_eq!(series.get("waxseal_http_panics_total"), 1);
    assert_eq!(series.get("waxseal_http_connections_accepted_total"), 10);
    assert_eq!(series.get("waxseal_http_accept_errors_total"), 0);
    assert_eq!(series.gauge("waxseal_http_connections_limit"), 3.0);

    let proxied = bind().await.trust("127.0.0.1".parse().unwrap()).proxy_protocol(true);
    let proxied = start(proxied).await;
    send(proxied, &[PAGE]).await;
    send(proxied, &[]).await;
    let stranger = TcpSocket::new_v4().unwrap();
    stranger.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let mut stranger = stranger.connect(proxied).await.unwrap();
    assert!(stranger.read_u8().await.is_err(), "closed, reset or not");
    expected.insert("proxy_protocol".to_owned(), 2);
    *expected.get_mut("slow").unwrap() += 1;
    series.settle().await;
    assert_eq!(series.failed(), expected.clone().into_iter().collect::<Vec<_>>());

    #[cfg(feature = "tls")]
    {
        let files =
            ["crt", "key"].map(|kind| format!("{}/tests/tls/first.{kind}", env!("CARGO_MANIFEST_DIR")));
        let tls = waxseal_server::Tls::from_files(&files[0], &files[1]).unwrap();
        let encrypted = start(bind().await.tls(tls)).await;
        send(encrypted, &[PAGE]).await;
        send(encrypted, &[]).await;
        expected.insert("tls".to_owned(), 1);
        *expected.get_mut("slow").unwrap() += 1;
        series.settle().await;
        assert_eq!(series.failed(), expected.into_iter().collect::<Vec<_>>());
    }
}
