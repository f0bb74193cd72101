//! TLS: the handshake, its time, and a certificate that changes.
#![cfg(feature = "tls")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use waxseal_server::{Body, HttpServer, Limits, SetupError, Tls};

const PATIENCE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(150);
const PAGE_BYTES: usize = 4096;

/// Certificates and keys of these tests alone, which nobody trusts.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

async fn start(tls: Tls, limits: Limits) -> (SocketAddr, oneshot::Sender<()>) {
    let server = HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap().limits(limits).tls(tls);
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let echo = service_fn(|request: Request<Incoming>| async {
        match request.uri().path() {
            "/page" => return Ok(Response::new(Body::from("x".repeat(PAGE_BYTES)))),
            #[cfg(feature = "websocket")]
            "/socket" => return Ok(talkative(&request)),
            _ => {}
        }
        let body = Body::from(request.into_body()).collect(1 << 20, PATIENCE).await.unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(body)))
    });
    tokio::spawn(server.serve(echo, async { drop(stopped.await) }));
    (address, stop)
}

/// A WebSocket whose server sends without end.
#[cfg(feature = "websocket")]
fn talkative(request: &Request<Incoming>) -> Response<Body> {
    use waxseal_server::{WebSocket, WebSocketUpgrade};
    let upgrade = WebSocketUpgrade::of(request.method(), request.headers(), request.extensions()).unwrap();
    upgrade.accept(async |socket: WebSocket| while socket.send("x".repeat(PAGE_BYTES)).await.is_ok() {})
}

/// A client that trusts one certificate.
async fn connect(stream: TcpStream, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(trusted)).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A client whose system takes 64 KB at most before it is read.
async fn narrow(address: SocketAddr) -> TlsStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 * 1024).unwrap();
    connect(socket.connect(address).await.unwrap(), "first.crt").await.unwrap()
}

/// The answer to a client that trusts one certificate.
async fn ask(address: SocketAddr, trusted: &str, body: &str) -> std::io::Result<String> {
    let mut stream = connect(TcpStream::connect(address).await?, trusted).await?;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time")?;
    Ok(answer)
}

#[tokio::test]
async fn requests_are_answered_over_tls_and_ended_properly() {
    let tls = Tls::from_files(file("first.crt"), file("first.key")).unwrap();
    let (address, _stop) = start(tls, Limits::default()).await;
    for size in [5, 200_000] {
        let body = "x".repeat(size);
        // Without the end that TLS wants, reading to the end would be an error.
        let answer = ask(address, "first.crt", &body).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&format!("\r\n\r\n{body}")), "{size}");
    }
    assert!(ask(address, "second.crt", "x").await.is_err(), "another certificate");
}

#[tokio::test]
async fn who_shakes_no_hands_is_closed() {
    let tls = Tls::from_files(file("first.crt"), file("first.key")).unwrap();
    let (address, _stop) = start(tls, Limits::default().first_byte_time(SHORT)).await;
    for bytes in [&b""[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ =
            tokio::time::timeout(PATIENCE, client.read_to_end(&mut answer)).await.expect("closed in time");
        assert!(!answer.starts_with(b"HTTP"), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_client_that_asks_for_pages_and_reads_none_gives_up_its_place() {
    let tls = Tls::from_files(file("first.crt"), file("first.key")).unwrap();
    let (address, _stop) = start(tls, Limits::default().connections(1).answer_idle(SHORT)).await;
    let mut silent = narrow(address).await;
    let pages = 1 << 20;
    let asks = "GET /page HTTP/1.1\r\nhost: a\r\n\r\n".repeat(pages / PAGE_BYTES);
    silent.write_all(asks.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, ask(address, "first.crt", "next")).await.expect("in time");
    assert!(answer.unwrap().ends_with("next"));
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all() {
    let tls = Tls::from_files(file("first.crt"), file("first.key")).unwrap();
    let (address, _stop) = start(tls, Limits::default().answer_idle(2 * SHORT)).await;
    let size = 1 << 20;
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n");
    let request = head + &"x".repeat(size);
    for attempt in 1.. {
        let mut slow = narrow(address).await;
        slow.write_all(request.as_bytes()).await.unwrap();
        let (mut bytes, mut all, mut longest) = ([0; 16 * 1024], 0, Duration::ZERO);
        let end = loop {
            let since = Instant::now();
            match slow.read(&mut bytes).await {
                Ok(0) => break Ok(()),
                Ok(read) => all += read,
                Err(error) => break Err(error),
            }
            tokio::time::sleep(SHORT / 10).await;
            longest = longest.max(since.elapsed());
        };
        if end.is_ok() && all > size {
            break;
        }
        // A client that stood still itself, on a machine that is busy, may be given up.
        assert!(longest > SHORT / 2 && attempt < 5, "{all} bytes, {end:?}, {longest:?}, attempt {attempt}");
    }
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn a_client_that_reads_no_messages_gives_up_its_place() {
    let tls = Tls::from_files(file("first.crt"), file("first.key")).unwrap();
    let (address, _stop) = start(tls, Limits::default().connections(1).answer_idle(SHORT)).await;
    let url = format!("wss://{address}/socket");
    let silent = tokio_tungstenite::client_async(url, narrow(address).await).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, ask(address, "first.crt", "next")).await.expect("in time");
    assert!(answer.unwrap().ends_with("next"));
    drop(silent);
}

#[tokio::test]
async fn a_changed_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let copy = |from: &str, to: &Path| std::fs::copy(file(from), to).map(drop).unwrap();
    copy("first.crt", &certificate);
    copy("first.key", &key);
    let tls = Tls::from_files(&certificate, &key).unwrap();
    let (address, _stop) = start(tls.clone(), Limits::default()).await;
    assert!(ask(address, "first.crt", "x").await.is_ok());

    copy("second.crt", &certificate);
    let error = tls.reload().unwrap_err();
    assert!(matches!(error, SetupError::CertificatePair { .. }), "{error:?}");
    assert!(ask(address, "first.crt", "x").await.is_ok(), "the old one stays");
    copy("second.key", &key);
    tls.reload().unwrap();
    assert!(ask(address, "second.crt", "x").await.is_ok());
    assert!(ask(address, "first.crt", "x").await.is_err());

    for (certificate, key, expected) in [
        ("first.key", "first.key", "cannot be read as certificates"),
        ("first.crt", "first.crt", "cannot be read as a private key"),
        ("missing", "first.key", "cannot be read as certificates"),
        ("first.crt", "missing", "cannot be read as a private key"),
        ("first.crt", "second.key", "cannot be used together"),
    ] {
        let error = Tls::from_files(file(certificate), file(key)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
