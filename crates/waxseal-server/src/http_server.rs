//! The server: a listener whose connections keep to the limits.

use std::error::Error;
#[cfg(unix)]
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::sync::LazyLock;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[cfg(unix)]
use crate::accept::listen_at;
use crate::accept::{accept, listen};
use crate::body::Body;
use crate::limits::Limits;
use crate::open_connections::{OpenConnections, in_force};
use crate::peer::Peer;
use crate::phase::Phase;
use crate::proxies::TrustedProxies;
use crate::setup_error::SetupError;
use crate::terms::Terms;
#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::traffic::TRAFFIC;
use crate::transport::{Listener, SocketFile};

/// HTTP/1 over TCP or a Unix socket, one connection per task, within [`Limits`].
///
/// Kept here, by hyper's HTTP/1 connection with its timers set, which `hyper-util`'s automatic one leaves unset:
///
/// - a head over [`Limits::head`] or [`Limits::head_fields`] is answered 431, and one that is no HTTP 400;
/// - a connection is closed without an answer if its first byte takes longer than [`Limits::first_byte_time`], the rest of
///   a head longer than [`Limits::head_time`], or the next request longer than [`Limits::keep_alive_time`];
/// - connections of one address over [`Limits::connections_per_address`] are closed;
/// - an answer of which the client takes nothing for [`Limits::answer_idle`] closes the connection, or for as much longer as
///   it needs to read what it took before;
/// - over [`Limits::connections`], or three quarters of the limit of open files if that is less, clients wait in the
///   system's queue, which has room for 4,096 if the system allows it.
///
/// Left to the service, which knows what to answer: a `Host` check, the body's size and time
/// ([`Body::collect`]), the request's time and its panics
/// ([`timeout_catching_panics`](crate::timeout_catching_panics)). A panic that gets past the service ends its connection
/// and no other.
///
/// A connection that ends while its client still sends is read on for a while, so that the client sees the answer (a
/// 413, a 431) and not a reset.
///
/// # Example
///
/// ```no_run
/// # use std::convert::Infallible;
/// # use hyper::service::service_fn;
/// # use waxseal_server::{Body, HttpServer};
/// # async fn run() -> Result<(), waxseal_server::SetupError> {
/// let hello = service_fn(|_request| async { Ok::<_, Infallible>(http::Response::new(Body::from("hello"))) });
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let server = HttpServer::bind(([127, 0, 0, 1], 0)).await?;
/// println!("http://{}", server.local_addr()?);
/// server.serve(hello, async { drop(stopped.await) }).await
/// # }
/// ```
#[derive(Debug)]
pub struct HttpServer {
    listener: Listener,
    /// The socket's file, if it is this server's to remove.
    file: Option<SocketFile>,
    terms: Terms,
}

impl HttpServer {
    /// Listens on `address`; port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// [`SetupError::AddressInUse`], [`SetupError::PermissionDenied`], or [`SetupError::Bind`] for all else.
    pub async fn bind(address: impl Into<SocketAddr>) -> Result<Self, SetupError> {
        let address = address.into();
        listen(address, false).map(Self::from_listener).map_err(|source| SetupError::bind(address, source))
    }

    /// Listens on `address` beside other processes that do so by this same call, of the same user (`SO_REUSEPORT`): the
    /// system spreads new connections over them. One that ends takes its share of connections that are just being
    /// made with it.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind); [`SetupError::Bind`] where the system has no such thing.
    pub fn bind_shared(address: impl Into<SocketAddr>) -> Result<Self, SetupError> {
        let address = address.into();
        listen(address, true).map(Self::from_listener).map_err(|source| SetupError::bind(address, source))
    }

    /// Listens on a Unix socket at `path`, whose permissions are `mode`, such as `0o660`: whoever may write to it may
    /// connect. A socket that an ended program left there is replaced; this one is removed when the server stops.
    ///
    /// # Errors
    ///
    /// [`SetupError::PathInUse`], [`SetupError::PathTaken`], or [`SetupError::Path`] for all else.
    #[cfg(unix)]
    pub async fn bind_unix(path: impl AsRef<Path>, mode: u32) -> Result<Self, SetupError> {
        let path = path.as_ref();
        let listener = listen_at(path, mode).await.map_err(|source| SetupError::at(path, source))?;
        Ok(Self::new(Listener::Unix(listener), Some(SocketFile(path.to_owned()))))
    }

    fn new(listener: Listener, file: Option<SocketFile>) -> Self {
        Self { listener, file, terms: Terms::default() }
    }

    /// Serves a listener that is there already. Its queue is as long as its maker chose: 128 connections with the standard
    /// library's `bind`.
    #[must_use]
    pub fn from_listener(listener: TcpListener) -> Self {
        Self::new(Listener::Tcp(listener), None)
    }

    /// Serves a listener handed over by the system, such as socket activation's.
    ///
    /// # Errors
    ///
    /// [`SetupError::Listener`] if it cannot be made non-blocking.
    pub fn from_std(listener: std::net::TcpListener) -> Result<Self, SetupError> {
        listener.set_nonblocking(true).map_err(SetupError::Listener)?;
        TcpListener::from_std(listener).map(Self::from_listener).map_err(SetupError::Listener)
    }

    /// Serves a Unix socket handed over by the system, such as socket activation's. Its file stays.
    ///
    /// # Errors
    ///
    /// [`SetupError::Listener`] if it cannot be made non-blocking.
    #[cfg(unix)]
    pub fn from_std_unix(listener: std::os::unix::net::UnixListener) -> Result<Self, SetupError> {
        listener.set_nonblocking(true).map_err(SetupError::Listener)?;
        let listener = tokio::net::UnixListener::from_std(listener).map_err(SetupError::Listener)?;
        Ok(Self::new(Listener::Unix(listener), None))
    }

    /// Keeps to `limits` instead of the defaults.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.terms.limits = limits;
        self
    }

    /// Names the proxies whose connections have no limit for their address.
    #[must_use]
    pub fn trust(mut self, proxies: TrustedProxies) -> Self {
        self.terms.trusted = proxies;
        self
    }

    /// Has each connection begin with a header of the PROXY protocol, version 2, which names the client. Only those of
    /// [trusted](Self::trust) proxies are taken then.
    ///
    /// The header has to come within [`Limits::first_byte_time`]. A connection of others, or without it, is closed.
    #[must_use]
    pub fn proxy_protocol(mut self, required: bool) -> Self {
        self.terms.proxy_protocol = required;
        self
    }

    /// Counts neither connections nor bytes in the metrics: for a server beside the app's own, such as that of its operator.
    #[must_use]
    pub fn without_metrics(mut self) -> Self {
        self.terms.without_metrics = true;
        self
    }

    /// Speaks TLS on each connection, behind the header of the [PROXY protocol](Self::proxy_protocol) if there is one. The
    /// handshake has to end within [`Limits::first_byte_time`].
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.terms.tls = Some(tls);
        self
    }

    /// The connections that may be open at once: [`Limits::connections`], or fewer if the limit of open files is lower.
    #[must_use]
    pub fn connections(&self) -> u32 {
        in_force(&self.terms.limits).0
    }

    /// The address clients reach, with the port the system chose.
    ///
    /// # Errors
    ///
    /// [`SetupError::Listener`] if the system does not say, and for a Unix socket, which has none.
    pub fn local_addr(&self) -> Result<SocketAddr, SetupError> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().map_err(SetupError::Listener),
            #[cfg(unix)]
            Listener::Unix(_) => Err(SetupError::Listener(io::ErrorKind::AddrNotAvailable.into())),
        }
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
    /// [`SetupError::Listener`] if the listener cannot be emptied at the end. Failures to accept are logged and survived.
    pub async fn serve<S>(self, service: S, shutdown: impl Future<Output = ()>) -> Result<(), SetupError>
    where
        S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.serve_each(move |_| service.clone(), shutdown).await
    }

    /// Serves as [`serve`](Self::serve) does, each connection by the service that `make` has for its other end: the client,
    /// or the last proxy before the server.
    ///
    /// # Errors
    ///
    /// As for [`serve`](Self::serve).
    pub async fn serve_each<M, S>(self, make: M, shutdown: impl Future<Output = ()>) -> Result<(), SetupError>
    where
        M: Fn(Peer) -> S + Clone + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<Body>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        LazyLock::force(&TRAFFIC);
        let (phase, serving) = watch::channel(Phase::Serving);
        let Limits { shutdown_delay, shutdown_grace: grace, .. } = self.terms.limits;
        let connections = OpenConnections::new(make, self.terms, serving);
        let forever = async {
            loop {
                let slot = connections.slot().await;
                let accepted = accept(&self.listener, connections.accept_errors()).await;
                connections.start(slot, accepted);
            }
        };
        let told_to_stop = async {
            shutdown.await;
            if !shutdown_delay.is_zero() {
                phase.send_replace(Phase::Draining);
                tokio::time::sleep(shutdown_delay).await;
            }
        };
        tokio::select! {
            biased;
            () = told_to_stop => {}
            () = forever => {}
        }
        phase.send_replace(Phase::Finishing);
        // Before the socket is closed: whoever comes next finds the path free.
        drop(self.file);
        let listener = self.listener.into_std().map_err(SetupError::Listener)?;
        if tokio::time::timeout(grace, connections.finish(listener)).await.is_err() {
            let unfinished = connections.count();
            tracing::warn!(unfinished, ?grace, "connections dropped that did not finish in time");
        }
        phase.send_replace(Phase::Abandoned);
        Ok(())
    }
}
