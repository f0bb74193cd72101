//! A listener whose connections keep to the limits.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::head_timer::HeadTimer;
use crate::socket::Socket;
use crate::{Body, Limits, descriptors};

/// Connections that wait to be accepted, if the system allows as many (`net.core.somaxconn` on Linux).
const QUEUE: u32 = 4096;
/// How long a connection without a request may stay once the server is told to stop: a request that is on its way by then
/// is answered.
const LULL: Duration = Duration::from_millis(250);
/// How long to wait before accepting again when the system has nothing left to accept with.
const BACK_OFF: Duration = Duration::from_millis(100);
/// hyper's own lower bound for a connection's buffer.
const MIN_BUFFER_BYTES: usize = 8192;
/// hyper adds its time limit to the time now, and sets aside room for as many fields as allowed: without these bounds
/// a limit such as `Duration::MAX` or `usize::MAX`, meant as none, would panic there.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const MOST_FIELDS: usize = 4096;
/// Fields that hyper has room for without allocating; told of any limit, it allocates for each head.
const HYPERS_FIELDS: usize = 100;

/// HTTP/1 over TCP, one connection per task, within [`Limits`].
///
/// Kept here, by hyper's HTTP/1 connection with its timers set, which `hyper-util`'s automatic one leaves unset:
///
/// - a head over [`Limits::head`] or [`Limits::head_fields`] is answered 431, and one that is no HTTP 400;
/// - a head that takes longer than [`Limits::head_time`] closes the connection without an answer, as does a connection
///   kept alive that stays silent for so long;
/// - an answer of which the client takes nothing for [`Limits::body_idle`] closes the connection, or for as much longer as
///   it needs to read what it took before;
/// - over [`Limits::connections`], or three quarters of the limit of open files if that is less, clients wait in the
///   system's queue, which has room for 4,096 if the system allows it.
///
/// Left to the service, which knows what to answer: a `Host` check, the body's size and time
/// ([`Body::collect`]), the request's time and its panics ([`guard`](fn@crate::guard)). A panic that gets past the
/// service ends its connection and no other.
///
/// A connection that ends while its client still sends is read on for a while, so that the client sees the answer (a
/// 413, a 431) and not a reset.
///
/// # Example
///
/// ```no_run
/// # use std::convert::Infallible;
/// # use hyper::service::service_fn;
/// # use waxseal_server::{Body, Server};
/// # async fn run() -> Result<(), waxseal_server::ServerError> {
/// let hello = service_fn(|_request| async { Ok::<_, Infallible>(http::Response::new(Body::from("hello"))) });
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let server = Server::bind(([127, 0, 0, 1], 0)).await?;
/// println!("http://{}", server.local_addr()?);
/// server.serve(hello, async { drop(stopped.await) }).await
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

impl Server {
    /// Listens on `address`; port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// [`ServerError::AddressInUse`], [`ServerError::PermissionDenied`], or [`ServerError::Bind`] for all else.
    pub async fn bind(address: impl Into<SocketAddr>) -> Result<Self, ServerError> {
        let address = address.into();
        listen(address, false).map(Self::from_listener).map_err(|source| ServerError::bind(address, source))
    }

    /// Listens on `address` beside other processes that do so by this same call, of the same user (`SO_REUSEPORT`): the
    /// system spreads new connections over them. One that ends takes its share of connections that are just being
    /// made with it.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind); [`ServerError::Bind`] where the system has no such thing.
    pub fn bind_shared(address: impl Into<SocketAddr>) -> Result<Self, ServerError> {
        let address = address.into();
        listen(address, true).map(Self::from_listener).map_err(|source| ServerError::bind(address, source))
    }

    /// Serves a listener that is there already. How many connections may wait in it is up to whoever made it: 128 with
    /// the standard library's `bind`.
    #[must_use]
    pub fn from_listener(listener: TcpListener) -> Self {
        Self { listener, limits: Limits::default() }
    }

    /// Serves a listener handed over by the system, such as socket activation's.
    ///
    /// # Errors
    ///
    /// [`ServerError::Listener`] if it cannot be made non-blocking.
    pub fn from_std(listener: std::net::TcpListener) -> Result<Self, ServerError> {
        listener.set_nonblocking(true).map_err(ServerError::Listener)?;
        TcpListener::from_std(listener).map(Self::from_listener).map_err(ServerError::Listener)
    }

    /// Keeps to `limits` instead of the defaults.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The address clients reach, with the port the system chose.
    ///
    /// # Errors
    ///
    /// [`ServerError::Listener`] if the system does not say.
    pub fn local_addr(&self) -> Result<SocketAddr, ServerError> {
        self.listener.local_addr().map_err(ServerError::Listener)
    }

    /// Serves until `shutdown` is ready, then lets requests in flight finish.
    ///
    /// From then on each connection ends with the next answer. What waits to be accepted is accepted, and then the port is
    /// closed. Connections without a request are closed after a quarter of a second, so that a request which was on its
    /// way is answered, too. Only a connection that is made in the very moment in which the port is closed, or a request
    /// that comes in the moment in which its silent connection is closed, is lost.
    ///
    /// What is not done after [`Limits::shutdown_grace`] is dropped, and the log says how many connections that were.
    /// Dropping the future instead closes everything at once.
    ///
    /// # Errors
    ///
    /// [`ServerError::Listener`] if the listener cannot be emptied at the end. Failures to accept are logged and survived.
    pub async fn serve<S>(self, service: S, shutdown: impl Future<Output = ()>) -> Result<(), ServerError>
    where
        S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut shutdown = pin!(shutdown);
        let http = http(&self.limits);
        let connections = connections(&self.limits);
        let slots = Arc::new(Semaphore::new(connections as usize));
        let slot =
            || async { Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed") };
        let (phase, serving) = watch::channel(Phase::Serving);
        let start = |slot, (stream, peer): (TcpStream, SocketAddr)| {
            // Answers are small and whole: waiting for more to send with them only delays them.
            let _ = stream.set_nodelay(true);
            let socket = TokioIo::new(Socket::new(stream, self.limits.body_idle));
            let service = one_by_one(service.clone(), self.limits.head_fields, serving.clone());
            let connection = http.clone().timer(HeadTimer::default()).serve_connection(socket, service);
            let phase = serving.clone();
            tokio::spawn(async move {
                if let Err(error) = run(connection, phase).await {
                    // The client's doing, so not worth more than this.
                    tracing::debug!(%peer, error = &error as &(dyn Error + 'static), "connection ended early");
                }
                drop(slot);
            });
        };
        loop {
            let next = async { (slot().await, accept(&self.listener).await) };
            let (slot, accepted) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                next = next => next,
            };
            start(slot, accepted);
        }
        phase.send_replace(Phase::Finishing);
        let listener = self.listener.into_std().map_err(ServerError::Listener)?;
        let finished = async {
            // As many as may have waited: clients that come all the time must not keep the port open.
            for _ in 0..QUEUE {
                let slot = slot().await;
                let Some(accepted) = accept_waiting(&listener).await else { break };
                start(slot, accepted);
            }
            drop(listener);
            slots.acquire_many(connections).await
        };
        let grace = self.limits.shutdown_grace;
        if tokio::time::timeout(grace, finished).await.is_err() {
            let unfinished = connections as usize - slots.available_permits();
            tracing::warn!(unfinished, ?grace, "connections dropped that did not finish in time");
        }
        phase.send_replace(Phase::Abandoned);
        Ok(())
    }
}

fn listen(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Elsewhere it would let another program take the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    if share {
        #[cfg(unix)]
        socket.set_reuseport(true)?;
        #[cfg(not(unix))]
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    socket.bind(address)?;
    socket.listen(QUEUE)
}

/// Connections to be open at once.
fn connections(limits: &Limits) -> u32 {
    let most = limits.connections.clamp(1, u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
    match descriptors::room() {
        Some((room, open_files)) if room < most => {
            tracing::info!(
                "at most {room} connections at once and not {most}: the limit of open files is {open_files}, see `ulimit -n`"
            );
            room
        }
        _ => most,
    }
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    if limits.head_fields > HYPERS_FIELDS {
        http.max_headers(limits.head_fields.min(MOST_FIELDS));
    }
    http.header_read_timeout(limits.head_time.min(LONGEST))
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(MIN_BUFFER_BYTES))
        .keep_alive(true)
        .half_close(false);
    http
}

/// `service` for one connection: heads of more fields than `most` are answered as hyper answers one over its own limit,
/// and an answer is the last one when the server is no longer `serving`.
///
/// hyper has dropped what repeats a `Content-Length` by then, so that counts once.
fn one_by_one<S>(
    service: S,
    most: usize,
    serving: watch::Receiver<Phase>,
) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = S::Error, Future: Send> + Send
where
    S: Service<Request<Incoming>, Response = Response<Body>> + Send,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let serving = Arc::new(serving);
    service_fn(move |request: Request<Incoming>| {
        let answer = (request.headers().len() <= most).then(|| service.call(request));
        let serving = Arc::clone(&serving);
        async move {
            let refused = answer.is_none();
            let mut response = match answer {
                Some(answer) => answer.await?,
                None => {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                    response
                }
            };
            if refused || serving.has_changed().unwrap_or(true) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        }
    })
}

/// How far the server is on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Each connection ends with the answer it is at.
    Finishing,
    /// Each connection ends now.
    Abandoned,
}

/// Drives a connection to its end, or to that of the server. A server that is gone counts as abandoned.
async fn run<S>(
    connection: http1::Connection<TokioIo<Socket>, S>,
    mut phase: watch::Receiver<Phase>,
) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Body>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    let news = phase.clone();
    {
        let mut finishing = pin!(phase.wait_for(|phase| *phase >= Phase::Finishing));
        let mut waits = false;
        let ended = poll_fn(|cx| {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            // Polled once, it wakes this task when there is news; until then, to poll it again with each request
            // would only cost time.
            if waits && !news.has_changed().unwrap_or(true) {
                return Poll::Pending;
            }
            waits = true;
            finishing.as_mut().poll(cx).map(|_| None)
        });
        if let Some(result) = ended.await {
            return result;
        }
    }
    let mut abandoned = pin!(phase.wait_for(|phase| *phase == Phase::Abandoned));
    tokio::select! {
        biased;
        result = connection.as_mut() => return result,
        _ = &mut abandoned => return Ok(()),
        () = tokio::time::sleep(LULL) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        result = connection.as_mut() => result,
        _ = abandoned => Ok(()),
    }
}

/// The next connection, however long the system needs to give one.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_client(&error) => {
                tracing::debug!(%error, "a client left before it was accepted")
            }
            Err(error) => {
                // Out of file descriptors or memory: accepting goes on failing until some connection ends.
                if !failing {
                    tracing::error!(%error, "cannot accept connections; raise the limit of open files if it is that");
                }
                failing = true;
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// The next of the connections that wait, if any does. Asks the system itself: tokio may not have heard of it yet.
async fn accept_waiting(listener: &std::net::TcpListener) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = listener.accept().and_then(|(stream, peer)| {
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream)?, peer))
        });
        match accepted {
            Ok(accepted) => return Some(accepted),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if is_of_the_client(&error) => {}
            Err(_) => tokio::time::sleep(BACK_OFF).await,
        }
    }
}

/// Errors of the one connection that was about to be accepted, not of the listener.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Another program, or this one, listens there.
    #[error("{address} is in use; stop what listens there or choose another port")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The system reserves the port.
    #[error("no permission to listen on {address}; choose a port from 1024 up")]
    PermissionDenied {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The address is not this machine's, or anything else the system says.
    #[error("cannot listen on {address}; choose an address of this machine")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A listener from elsewhere cannot be used.
    #[error("the listener cannot be used")]
    Listener(#[source] io::Error),
}

impl ServerError {
    fn bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { address, source },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address, source },
            _ => Self::Bind { address, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use hyper::service::service_fn;
    use std::convert::Infallible;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    /// Long for this machine, short for a person.
    const SHORT: Duration = Duration::from_millis(150);
    /// When a test gives up.
    const PATIENCE: Duration = Duration::from_secs(10);

    struct Running {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        serving: JoinHandle<Result<(), ServerError>>,
    }

    async fn start(limits: Limits) -> Running {
        let server = Server::bind(([127, 0, 0, 1], 0)).await.unwrap().limits(limits);
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(service_fn(answer), async { drop(stopped.await) }));
        Running { address, stop, serving }
    }

    async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
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
            "/panic" => panic!("deliberate, in a test"),
            path => Body::from(path.to_owned()),
        };
        Ok(plain(StatusCode::OK, body))
    }

    fn plain(status: StatusCode, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
    }

    impl Running {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        /// Sends `bytes` and returns all that comes until the server closes the connection.
        async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
            let mut client = self.connect().await;
            client.write_all(bytes.as_ref()).await.unwrap();
            rest(&mut client).await
        }
    }

    async fn rest(client: &mut TcpStream) -> String {
        let mut all = Vec::new();
        tokio::time::timeout(PATIENCE, client.read_to_end(&mut all)).await.expect("closed in time").unwrap();
        String::from_utf8(all).unwrap()
    }

    /// Reads until an answer has come whose body is `body`.
    async fn until(client: &mut TcpStream, body: &str) -> String {
        let mut all = String::new();
        while !all.ends_with(&format!("\r\n\r\n{body}")) {
            let mut bytes = [0; 1024];
            let read =
                tokio::time::timeout(PATIENCE, client.read(&mut bytes)).await.expect("in time").unwrap();
            assert_ne!(read, 0, "closed after {all:?}");
            all.push_str(str::from_utf8(&bytes[..read]).unwrap());
        }
        all
    }

    fn head_of(bytes: usize) -> String {
        let start = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: ";
        format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
    }

    fn status(answer: &str) -> &str {
        answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or(answer)
    }

    #[tokio::test]
    async fn a_head_over_the_limit_is_answered_431() {
        let server = start(Limits::default()).await;
        for (bytes, expected) in [(16_384, "200"), (16_385, "431"), (20_000, "431"), (1_000_000, "431")] {
            assert_eq!(status(&server.exchange(head_of(bytes)).await), expected, "{bytes} bytes");
        }
        let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(20_000));
        assert_eq!(status(&server.exchange(long).await), "431", "a long target");

        let small = start(Limits::default().head(1000)).await;
        for (bytes, expected) in [(1000, "200"), (1001, "431")] {
            assert_eq!(status(&small.exchange(head_of(bytes)).await), expected, "{bytes} of 1000 bytes");
        }
    }

    #[tokio::test]
    async fn a_head_of_too_many_fields_is_answered_431() {
        let server = start(Limits::default()).await;
        for (fields, expected) in [(64, "200"), (65, "431")] {
            let others = "x: y\r\n".repeat(fields - 2);
            let head = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{others}\r\n");
            assert_eq!(status(&server.exchange(head).await), expected, "{fields} fields");
        }
    }

    #[tokio::test]
    async fn what_is_no_http_is_answered_400() {
        let server = start(Limits::default()).await;
        for (case, bytes) in [
            ("noise", &b"\x00\x01\x02\r\n\r\n"[..]),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            ("no version", b"GET /\r\n\r\n"),
            ("another version", b"GET / HTTP/3.0\r\n\r\n"),
            ("a space before the colon", b"GET / HTTP/1.1\r\nhost : a\r\n\r\n"),
            ("a folded field", b"GET / HTTP/1.1\r\nhost: a\r\n b\r\n\r\n"),
            ("a control character", b"GET / HTTP/1.1\r\nhost: a\r\nx: \x01\r\n\r\n"),
        ] {
            assert_eq!(status(&server.exchange(bytes).await), "400", "{case}");
        }
    }

    #[tokio::test]
    async fn a_body_has_one_length() {
        let server = start(Limits::default()).await;
        let post = |fields: &str, body: &str| {
            server.exchange(format!("POST /echo HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}"))
        };
        for (case, fields) in [
            ("two lengths", "content-length: 5\r\ncontent-length: 6\r\n"),
            ("a list of lengths", "content-length: 5, 6\r\n"),
            ("a sign", "content-length: +5\r\n"),
            ("negative", "content-length: -5\r\n"),
            ("no number", "content-length: five\r\n"),
            ("larger than any", "content-length: 99999999999999999999\r\n"),
            ("another encoding", "transfer-encoding: gzip\r\n"),
            ("chunked, but not last", "transfer-encoding: chunked, gzip\r\n"),
        ] {
            assert_eq!(status(&post(fields, "hello").await), "400", "{case}");
        }
        let old = "POST /echo HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(status(&server.exchange(old).await), "400", "chunked in HTTP/1.0");
    }

    /// RFC 9112 §6.3: the chunks count, and the connection ends, so that no proxy which counted otherwise can have what
    /// follows taken for another client's request.
    #[tokio::test]
    async fn chunks_override_a_length_and_nothing_after_them_is_a_request() {
        let server = start(Limits::default()).await;
        for fields in [
            "content-length: 3\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        ] {
            let request = format!("POST /echo HTTP/1.1\r\nhost: a\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n");
            let answer = server.exchange(request + "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n").await;
            assert!(status(&answer) == "200" && answer.ends_with("\r\n\r\nhello"), "{fields:?}: {answer}");
        }
    }

    #[tokio::test]
    async fn every_limit_is_fine() {
        let request = "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let (all, ever) = (usize::MAX, Duration::MAX);
        let none = Limits::default().head(all).head_fields(all).connections(u32::MAX);
        let none = none.head_time(ever).body_idle(ever).shutdown_grace(ever);
        let server = start(none).await;
        assert!(server.exchange(request).await.ends_with("/a"));
        server.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();

        let nothing = Limits::default().head(0).head_fields(0).connections(0).shutdown_grace(Duration::ZERO);
        let server = start(nothing).await;
        assert_eq!(status(&server.exchange(request).await), "431");
    }

    #[tokio::test]
    async fn a_silent_or_slow_client_is_closed_after_the_head_time() {
        let server = start(Limits::default().head_time(SHORT)).await;
        for (case, start) in [("silent", &b""[..]), ("amid the head", b"GET / HTTP/1.1\r\nhost: ")] {
            let started = Instant::now();
            assert_eq!(server.exchange(start).await, "", "{case}");
            assert!(started.elapsed() >= SHORT, "{case}: after {:?}", started.elapsed());
        }

        // A byte now and then does not buy more time.
        let mut client = server.connect().await;
        let started = Instant::now();
        while client.write_all(b"x").await.is_ok() {
            assert!(started.elapsed() < PATIENCE);
            tokio::time::sleep(SHORT / 5).await;
        }
        assert!(started.elapsed() >= SHORT);
    }

    #[tokio::test]
    async fn a_connection_kept_alive_is_closed_when_idle_for_the_head_time() {
        let server = start(Limits::default().head_time(4 * SHORT)).await;
        let mut client = server.connect().await;
        for _ in 0..3 {
            tokio::time::sleep(2 * SHORT).await;
            client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            until(&mut client, "/a").await;
        }
        let idle = Instant::now();
        assert_eq!(rest(&mut client).await, "");
        assert!(idle.elapsed() >= 3 * SHORT, "{:?}", idle.elapsed());
    }

    #[tokio::test]
    async fn the_head_time_does_not_run_while_a_request_is_handled() {
        let server = start(Limits::default().head_time(SHORT)).await;
        let answer = server.exchange("GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(answer.ends_with("slow"), "{answer}");
    }

    #[tokio::test]
    async fn pipelined_requests_are_answered_in_order() {
        let server = start(Limits::default()).await;
        let answers = server
            .exchange(
                "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n\
                 POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello\
                 GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            )
            .await;
        let bodies: Vec<&str> = answers.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
        assert_eq!(bodies.len(), 3, "{answers}");
        for (answer, body) in bodies.iter().zip(["slow", "hello", "/last"]) {
            assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        }
    }

    #[tokio::test]
    async fn over_the_limit_connections_wait_for_a_place() {
        let server = start(Limits::default().connections(1)).await;
        let mut first = server.connect().await;
        first.write_all(b"GET /first HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until(&mut first, "/first").await;

        let mut second = server.connect().await;
        second.write_all(b"GET /second HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let early = tokio::time::timeout(SHORT, second.read_u8()).await;
        assert!(early.is_err(), "answered while the first was open");
        drop(first);
        until(&mut second, "/second").await;
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_gives_up_its_place() {
        let server = start(Limits::default().connections(1).body_idle(SHORT)).await;
        let mut idle = server.connect().await;
        idle.write_all(b"GET /huge HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = server.exchange("GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(answer.ends_with("/next"), "{answer}");
    }

    /// A client whose system takes 64 KB at most before it is read.
    async fn narrow(server: &Running) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        let mut client = socket.connect(server.address).await.unwrap();
        client.write_all(b"GET /huge HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        client
    }

    /// Reads 16 KB now and then, a megabyte a second: too slow for the megabytes that the system would hold back.
    async fn read_slowly(client: &mut TcpStream, times: usize) -> usize {
        let (mut bytes, mut read) = ([0; 16 * 1024], 0);
        for _ in 0..times {
            read += client.read(&mut bytes).await.unwrap();
            tokio::time::sleep(SHORT / 10).await;
        }
        read
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_gets_all() {
        let server = start(Limits::default().body_idle(2 * SHORT)).await;
        let mut client = narrow(&server).await;
        let slowly = read_slowly(&mut client, 100).await;
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n";
        assert!(slowly + rest.len() > 64 * 1024 * 1024 + head.len(), "{}", slowly + rest.len());
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_half_way_gives_up_its_place() {
        let server = start(Limits::default().connections(1).body_idle(SHORT / 3)).await;
        let mut client = narrow(&server).await;
        read_slowly(&mut client, 20).await;
        let answer = server.exchange("GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(answer.ends_with("/next"), "{answer}");
        let mut rest = Vec::new();
        let ended = client.read_to_end(&mut rest).await;
        assert!(ended.is_err() || rest.len() < 32 * 1024 * 1024, "{} more bytes came", rest.len());
    }

    #[tokio::test]
    async fn a_client_that_still_sends_sees_why_it_was_refused() {
        let server = start(Limits::default()).await;
        let bytes = 8 * 1024 * 1024;
        let head = format!("POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\n\r\n");
        let answer = server.exchange([head.into_bytes(), vec![b'x'; bytes]].concat()).await;
        assert!(status(&answer) == "413" && answer.ends_with("too large"), "{answer}");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_answered_413_announced_or_not() {
        let server = start(Limits::default()).await;
        let post = |fields: &str, body: &str| {
            server.exchange(format!(
                "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n{body}"
            ))
        };
        assert_eq!(status(&post("content-length: 1025\r\n", "").await), "413");
        let chunk = format!("401\r\n{}\r\n", "x".repeat(1025));
        assert_eq!(status(&post("transfer-encoding: chunked\r\n", &chunk).await), "413");
        let fits = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(1024));
        assert_eq!(status(&post("transfer-encoding: chunked\r\n", &fits).await), "200");
    }

    #[tokio::test]
    async fn a_panic_ends_its_connection_and_no_other() {
        let server = start(Limits::default().connections(1)).await;
        assert_eq!(server.exchange("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
        let answer = server.exchange("GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert!(answer.ends_with("/next"), "{answer}");
    }

    #[tokio::test]
    async fn shutdown_finishes_requests_in_flight_and_closes_all_else() {
        let server = start(Limits::default()).await;
        let mut idle = server.connect().await;
        idle.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until(&mut idle, "/a").await;
        let mut silent = server.connect().await;
        let mut busy = server.connect().await;
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::time::sleep(SHORT).await;

        server.stop.send(()).unwrap();
        assert_eq!(rest(&mut idle).await, "");
        assert_eq!(rest(&mut silent).await, "");
        assert!(TcpStream::connect(server.address).await.is_err(), "the port is closed");
        let answer = rest(&mut busy).await;
        assert!(answer.contains("connection: close") && answer.ends_with("slow"), "{answer}");
        drop((idle, silent, busy));
        tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
    }

    /// Clients on a thread of their own: what they sent lies in the system when the server is told to stop.
    async fn clients(address: SocketAddr, count: usize, request: &'static str) -> Vec<std::net::TcpStream> {
        let connect = move |_| {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            std::io::Write::write_all(&mut client, request.as_bytes()).unwrap();
            client
        };
        (0..count).map(connect).collect()
    }

    async fn answers(clients: Vec<std::net::TcpStream>) -> Vec<String> {
        let mut all = Vec::new();
        for client in clients {
            client.set_nonblocking(true).unwrap();
            all.push(rest(&mut TcpStream::from_std(client).unwrap()).await);
        }
        all
    }

    #[tokio::test]
    async fn shutdown_answers_what_waits_to_be_accepted() {
        for connections in [10_000, 3] {
            let server = start(Limits::default().connections(connections)).await;
            // Nothing is accepted before the first await of this test, and nothing after the order to stop.
            let waiting = clients(server.address, 50, "GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
            server.stop.send(()).unwrap();
            for answer in answers(waiting).await {
                assert!(answer.contains("connection: close") && answer.ends_with("/a"), "{answer}");
            }
            tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
            assert!(TcpStream::connect(server.address).await.is_err(), "the port is closed");
        }
    }

    #[tokio::test]
    async fn shutdown_answers_requests_that_connections_have_received() {
        let server = start(Limits::default()).await;
        let request = "GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
        // New connections, and one that had an answer before.
        let mut fresh = clients(server.address, 50, "").await;
        let mut kept = server.connect().await;
        kept.write_all(request.as_bytes()).await.unwrap();
        until(&mut kept, "/a").await;
        tokio::time::sleep(SHORT).await;
        for client in &mut fresh {
            std::io::Write::write_all(client, request.as_bytes()).unwrap();
        }
        let _ = kept.try_write(request.as_bytes()).unwrap();
        server.stop.send(()).unwrap();
        for answer in answers(fresh).await.into_iter().chain([rest(&mut kept).await]) {
            assert!(answer.contains("connection: close") && answer.ends_with("/a"), "{answer}");
        }
        tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
    }

    #[tokio::test]
    async fn shutdown_ends_though_clients_come_all_the_time() {
        let server = start(Limits::default()).await;
        let coming = tokio::spawn(async move {
            while let Ok(mut client) = TcpStream::connect(server.address).await {
                let _ = client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
                let _ = client.read_u8().await;
            }
        });
        tokio::time::sleep(SHORT).await;
        server.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
        tokio::time::timeout(PATIENCE, coming).await.expect("the port is closed").unwrap();
    }

    /// Whoever does not get into the queue tries again after a second; these do not wait so long.
    #[tokio::test]
    async fn hundreds_of_connections_at_once_have_room_in_the_queue() {
        // Four times the usual queue, and within the usual limit of open files.
        const COUNT: usize = 600;
        let server = Server::bind(([127, 0, 0, 1], 0)).await.unwrap();
        let shared = Server::bind_shared(([127, 0, 0, 1], 0)).unwrap();
        for server in [server, shared] {
            let address = server.local_addr().unwrap();
            // Nobody accepts. A connection that the queue has no room for is not made.
            let connect = |_| {
                let socket = TcpSocket::new_v4().unwrap();
                tokio::time::timeout(PATIENCE / 20, socket.connect(address))
            };
            let made = futures_util::future::join_all((0..COUNT).map(connect)).await;
            let made: Vec<_> = made.into_iter().filter_map(Result::ok).filter_map(Result::ok).collect();
            assert_eq!(made.len(), COUNT);
        }
    }

    #[tokio::test]
    async fn shutdown_drops_what_does_not_finish_within_the_grace() {
        let server = start(Limits::default().shutdown_grace(SHORT)).await;
        let mut stuck = server.connect().await;
        stuck.write_all(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::time::sleep(SHORT).await;

        let stopping = Instant::now();
        server.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, server.serving).await.expect("in time").unwrap().unwrap();
        assert!(stopping.elapsed() >= SHORT);
        assert_eq!(rest(&mut stuck).await, "");
    }

    #[tokio::test]
    async fn dropping_the_server_closes_everything() {
        let server = start(Limits::default()).await;
        let mut stuck = server.connect().await;
        stuck.write_all(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::time::sleep(SHORT).await;
        server.serving.abort();
        assert_eq!(rest(&mut stuck).await, "");
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let server = start(Limits::default()).await;
        let error = Server::bind(server.address).await.unwrap_err();
        let expected =
            format!("{} is in use; stop what listens there or choose another port", server.address);
        assert_eq!(error.to_string(), expected);
        assert!(error.source().is_some());
    }

    #[tokio::test]
    async fn a_listener_of_the_standard_library_is_served() {
        let server = Server::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(server.serve(service_fn(answer), std::future::pending()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(rest(&mut client).await.ends_with("/a"));
    }

    #[test]
    fn a_client_that_left_is_no_failure_to_accept() {
        for (kind, of_the_client) in [
            (io::ErrorKind::ConnectionAborted, true),
            (io::ErrorKind::ConnectionReset, true),
            (io::ErrorKind::Interrupted, true),
            (io::ErrorKind::OutOfMemory, false),
            (io::ErrorKind::Other, false),
        ] {
            assert_eq!(is_of_the_client(&kind.into()), of_the_client, "{kind}");
        }
    }
}
