//! A listener whose connections keep to the limits.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep};

use crate::{Body, Limits};

/// How long to wait before accepting again when the system has nothing left to accept with.
const BACK_OFF: Duration = Duration::from_millis(100);
/// hyper's own lower bound for a connection's buffer.
const MIN_BUFFER_BYTES: usize = 8192;

/// HTTP/1 over TCP, one connection per task, within [`Limits`].
///
/// Kept here, by hyper's HTTP/1 connection with its timers set, which `hyper-util`'s automatic one leaves unset:
///
/// - a head over [`Limits::head`] or [`Limits::head_fields`] is answered 431, and one that is no HTTP 400;
/// - a head that takes longer than [`Limits::head_time`] closes the connection without an answer, as does a connection
///   kept alive that stays silent for so long;
/// - an answer nobody reads for [`Limits::body_idle`] closes the connection;
/// - over [`Limits::connections`], clients wait in the system's queue.
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
/// # use waxseal_http::{Body, Server};
/// # async fn run() -> Result<(), waxseal_http::ServerError> {
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
        let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ServerError::AddressInUse { address, source },
            io::ErrorKind::PermissionDenied => ServerError::PermissionDenied { address, source },
            _ => ServerError::Bind { address, source },
        })?;
        Ok(Self::from_listener(listener))
    }

    /// Serves a listener that is there already.
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
    /// From then on the port is closed, idle connections are closed, and each other one ends with its answer. What is
    /// not done after [`Limits::shutdown_grace`] is dropped, and the log says how many connections that were. Dropping
    /// the future instead closes everything at once.
    ///
    /// # Errors
    ///
    /// None today: failures to accept are logged and survived.
    pub async fn serve<S>(self, service: S, shutdown: impl Future<Output = ()>) -> Result<(), ServerError>
    where
        S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut shutdown = pin!(shutdown);
        let http = http(&self.limits);
        let connections =
            self.limits.connections.clamp(1, u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let slots = Arc::new(Semaphore::new(connections as usize));
        let phase = watch::Sender::new(Phase::Serving);
        loop {
            let next = async {
                let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
                (slot, accept(&self.listener).await)
            };
            let (slot, (stream, peer)) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                next = next => next,
            };
            // Answers are small and whole: waiting for more to send with them only delays them.
            let _ = stream.set_nodelay(true);
            let socket = TokioIo::new(Socket::new(stream, self.limits.body_idle));
            let connection = http.serve_connection(socket, service.clone());
            let phase = phase.subscribe();
            tokio::spawn(async move {
                if let Err(error) = run(connection, phase).await {
                    // The client's doing, so not worth more than this.
                    tracing::debug!(%peer, error = &error as &(dyn Error + 'static), "connection ended early");
                }
                drop(slot);
            });
        }
        drop(self.listener);
        phase.send_replace(Phase::Finishing);
        let grace = self.limits.shutdown_grace;
        if tokio::time::timeout(grace, slots.acquire_many(connections)).await.is_err() {
            let unfinished = connections as usize - slots.available_permits();
            tracing::warn!(unfinished, ?grace, "connections dropped that did not finish in time");
        }
        phase.send_replace(Phase::Abandoned);
        Ok(())
    }
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.head_fields)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(MIN_BUFFER_BYTES))
        .keep_alive(true)
        .half_close(false);
    http
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
    tokio::select! {
        result = connection.as_mut() => return result,
        _ = phase.wait_for(|phase| *phase >= Phase::Finishing) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        result = connection.as_mut() => result,
        _ = phase.wait_for(|phase| *phase == Phase::Abandoned) => Ok(()),
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

/// Errors of the one connection that was about to be accepted, not of the listener.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A TCP stream that gives up on a client who reads nothing, and at the end hears one out who still sends.
///
/// Closing a socket with unread bytes in it resets the connection, and the reset may overtake the answer: the visitor
/// with a large upload would see a broken connection instead of the 413.
struct Socket {
    stream: TcpStream,
    /// How long a write may make no progress.
    patience: Duration,
    /// Runs while a write, or at the end a read, waits.
    timer: Option<Pin<Box<Sleep>>>,
    /// When to stop listening; set once our side is shut.
    end: Option<Instant>,
}

/// How long a client may be silent, and how long it may go on sending, after our side is shut.
const LINGER_SILENCE: Duration = Duration::from_millis(500);
const LINGER: Duration = Duration::from_secs(5);

impl Socket {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, timer: None, end: None }
    }

    /// Passes `progress` on, unless there has been none for too long.
    fn or_give_up<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.timer = None;
            return progress;
        }
        ready!(self.poll_waited(cx, self.patience));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }

    fn poll_waited(&mut self, cx: &mut Context<'_>, wait: Duration) -> Poll<()> {
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait))).as_mut().poll(cx)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.or_give_up(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.or_give_up(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = match self.end {
            Some(end) => end,
            None => {
                ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                self.timer = None;
                *self.end.insert(Instant::now() + LINGER)
            }
        };
        let mut unwanted = [0; 4096];
        while Instant::now() < end {
            let mut buf = ReadBuf::new(&mut unwanted);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.timer = None,
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(self.poll_waited(cx, LINGER_SILENCE));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
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
