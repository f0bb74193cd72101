//! A server to test, and the other end of its connections.

pub(crate) use std::net::SocketAddr;
pub(crate) use std::time::Duration;

pub(crate) use tokio::io::{AsyncReadExt, AsyncWriteExt};
pub(crate) use tokio::net::{TcpSocket, TcpStream};
pub(crate) use tokio::time::Instant;
pub(crate) use waxseal_server::{HttpServer, Limits};

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use waxseal_server::{Body, SetupError};

/// Long for this machine, short for a person.
pub(crate) const SHORT: Duration = Duration::from_millis(150);
/// When a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: oneshot::Sender<()>,
    /// Lets a request for `/held` be answered.
    pub(crate) release: Arc<Notify>,
    pub(crate) serving: JoinHandle<Result<(), SetupError>>,
}

pub(crate) async fn start(limits: Limits) -> Running {
    start_at([127, 0, 0, 1], limits).await
}

/// Starts a server at an address of its own, whose port no other test takes once it is closed.
pub(crate) async fn start_at(ip: [u8; 4], limits: Limits) -> Running {
    let server = HttpServer::bind((ip, 0)).await.unwrap().limits(limits);
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let release = Arc::new(Notify::new());
    let released = release.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let released = released.clone();
        async move {
            if request.uri().path() == "/held" {
                released.notified().await;
            }
            answer(request).await
        }
    });
    let serving = tokio::spawn(server.serve(service, async { drop(stopped.await) }));
    Running { address, stop, release, serving }
}

pub(crate) async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let body = match request.uri().path() {
        "/echo" => match Body::from(request.into_body()).collect(1024, PATIENCE).await {
            Ok(bytes) => Body::from(bytes),
            Err(error) => return Ok(plain(error.status(), Body::empty())),
        },
        "/slow" => {
            tokio::time::sleep(4 * SHORT).await;
            Body::from("slow")
        }
        "/stuck" => std::future::pending().await,
        "/refuse" => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, Body::from("too large"))),
        "/huge" => Body::from(vec![b'x'; 64 * 1024 * 1024]),
        "/stream" => Body::stream(futures_util::stream::iter(["abra", "cadabra"].map(Ok::<_, Infallible>))),
        "/panic" => panic!("deliberate, in a test"),
        path => Body::from(path.to_owned()),
    };
    Ok(plain(StatusCode::OK, body))
}

pub(crate) fn plain(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

impl Running {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `bytes` and returns all that comes until the server closes the connection.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.write_all(bytes.as_ref()).await.unwrap();
        rest(&mut client).await
    }
}

pub(crate) async fn rest(client: &mut TcpStream) -> String {
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, client.read_to_end(&mut all)).await.expect("closed in time").unwrap();
    String::from_utf8(all).unwrap()
}

/// Reads until an answer has come whose body is `body`.
pub(crate) async fn until(client: &mut TcpStream, body: &str) -> String {
    let mut all = String::new();
    while !all.ends_with(&format!("\r\n\r\n{body}")) {
        let mut bytes = [0; 1024];
        let read = tokio::time::timeout(PATIENCE, client.read(&mut bytes)).await.expect("in time").unwrap();
        assert_ne!(read, 0, "closed after {all:?}");
        all.push_str(str::from_utf8(&bytes[..read]).unwrap());
    }
    all
}

pub(crate) fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or(answer)
}
