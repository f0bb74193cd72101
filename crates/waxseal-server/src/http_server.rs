//! The server: a listener whose connections are held to the limits.

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

/// HTTP/1 over TCP or a Unix socket, with one task for each connection, within [`Limits`].
///
/// The server enforces these limits. It uses hyper's HTTP/1 connection with its timers set, which the automatic one of
/// `hyper-util` leaves unset:
///
/// - a head that exceeds [`Limits::head`] or [`Limits::head_fields`] is answered with 431, and one that is not HTTP
///   with 400;
/// - a connection is closed without a response if its first byte takes longer than [`Limits::first_byte_time`], the
///   rest of a head longer than [`Limits::head_time`], or the next request longer than [`Limits::keep_alive_time`];
/// - connections of one address beyond [`Limits::connections_per_address`] are closed;
/// - a connection is closed if its client takes nothing of a response for [`Limits::answer_idle`], or for as much
///   longer as it needs to read what it took before;
/// - beyond [`Limits::connections`], or three quarters of the limit of open files if that is less, clients wait in the
///   system's queue, which has room for 4,096 if the system allows it.
///
/// Left to the service, which knows what to answer, are the check of `Host`, the size and time of a body
/// ([`Body::collect`]), and the time and panics of a request
/// ([`timeout_catching_panics`](crate::timeout_catching_panics)). A panic that the service does not catch ends only its
/// connection.
///
/// If a connection ends while its client is still sending, the server keeps reading for a while, so that the client
/// sees the response (a 413, a 431) and not a reset.
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
    /// The socket's file, if this server has to remove it.
    file: Option<SocketFile>,
    terms: Terms,
}

impl HttpServer {
    /// Listens on `address`. With port 0 the system chooses a port.
    ///
    /// # Errors
    ///
    /// [`SetupError::AddressInUse`], [`SetupError::PermissionDenied`], or [`SetupError::Bind`] for any other error.
    pub async fn bind(address: impl Into<SocketAddr>) -> Result<Self, SetupError> {
        let address = address.into();
        listen(address, false).map(Self::from_listener).map_err(|source| SetupError::bind(address, source))
    }

    /// Listens on `address` together with other processes of the same user that also use this method (`SO_REUSEPORT`).
    /// The system distributes new connections among them. If a process ends, the connections that it was just being
    /// given are lost.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Self::bind). [`SetupError::Bind`] if the system does not support this.
    pub fn bind_shared(address: impl Into<SocketAddr>) -> Result<Self, SetupError> {
        let address = address.into();
        listen(address, true).map(Self::from_listener).map_err(|source| SetupError::bind(address, source))
    }

    /// Listens on a Unix socket at `path` with the permissions `mode`, such as `0o660`: whoever may write to the socket
    /// may connect. A socket that a program left there when it ended is replaced. The socket is removed when the server
    /// stops.
    ///
    /// # Errors
    ///
    /// [`SetupError::PathInUse`], [`SetupError::PathTaken`], or [`SetupError::Path`] for any other error.
    #[cfg(unix)]
    pub async fn bind_unix(path: impl AsRef<Path>, mode: u32) -> Result<Self, SetupError> {
        let path = path.as_ref();
        let (listener, file) = listen_at(path, mode).await.map_err(|source| SetupError::at(path, source))?;
        Ok(Self::new(Listener::Unix(listener), Some(file)))
    }

    fn new(listener: Listener, file: Option<SocketFile>) -> Self {
        Self { listener, file, terms: Terms::default() }
    }

    /// Serves an existing listener. The length of its queue was chosen when it was made: 128 connections for the
    /// standard library's `bind`.
    #[must_use]
    pub fn from_listener(listener: TcpListener) -> Self {
        Self::new(Listener::Tcp(listener), None)
    }

    /// Serves a listener that the system passes on, as in socket activation.
    ///
    /// # Errors
    ///
    /// [`SetupError::Listener`] if it cannot be made non-blocking.
    pub fn from_std(listener: std::net::TcpListener) -> Result<Self, SetupError> {
        listener.set_nonblocking(true).map_err(SetupError::Listener)?;
        TcpListener::from_std(listener).map(Self::from_listener).map_err(SetupError::Listener)
    }

    /// Serves a Unix socket that the system passes on, as in socket activation. Its file is not removed.
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

    /// Uses `limits` instead of the defaults.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.terms.limits = limits;
        self
    }

    /// Sets the trusted proxies. The limit of connections for each address does not apply to them.
    #[must_use]
    pub fn trust(mut self, proxies: TrustedProxies) -> Self {
        self.terms.trusted = proxies;
        self
    }

    /// Requires each connection to begin with a header of the PROXY protocol, version 2, which names the client. Only
    /// connections from [trusted](Self::trust) proxies are then accepted.
    ///
    /// The header must come within [`Limits::first_byte_time`]. Connections from others, or without the header, are
    /// closed.
    #[must_use]
    pub fn proxy_protocol(mut self, required: bool) -> Self {
        self.terms.proxy_protocol = required;
        self
    }

    /// Leaves connections and bytes out of the metrics. For a server beside the app's own, such as the operator's.
    #[must_use]
    pub fn without_metrics(mut self) -> Self {
        self.terms.without_metrics = true;
        self
    }

    /// Uses TLS on each connection, after the header of the [PROXY protocol](Self::proxy_protocol) if there is one. The
    /// handshake must end within [`Limits::first_byte_time`].
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.terms.tls = Some(tls);
        self
    }

    /// The most connections that may be open at once: [`Limits::connections`], or fewer if the limit of open files is
    /// lower.
    #[must_use]
    pub fn connections(&self) -> u32 {
        in_force(&self.terms.limits).0
    }

    /// The address that clients connect to, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// [`SetupError::Listener`] if the system does not provide it, or for a Unix socket, which has no such address.
    pub fn local_addr(&self) -> Result<SocketAddr, SetupError> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().map_err(SetupError::Listener),
            #[cfg(unix)]
            Listener::Unix(_) => Err(SetupError::Listener(io::ErrorKind::AddrNotAvailable.into())),
        }
    }

    /// Serves until `shutdown` is ready, then lets requests in flight finish.
    ///
    /// From then on each connection ends with its next response. The connections that wait to be accepted are accepted,
    /// and then the port is closed. Streams of [events](crate::sse()) end, and WebSockets are closed. Connections without
    /// a request are closed after a quarter of a second, so that a request that was on its way is still answered. Lost
    /// are only a connection that is made at the very moment at which the port is closed, and a request that comes at the
    /// moment at which its idle connection is closed.
    ///
    /// Connections that have not ended after [`Limits::shutdown_grace`] are dropped, and their number is logged.
    /// Dropping the future instead closes everything at once.
    ///
    /// # Errors
    ///
    /// [`SetupError::Listener`] if the listener cannot be emptied at the end. Failures to accept a connection are only
    /// logged.
    pub fn serve<S>(
        self,
        service: S,
        shutdown: impl Future<Output = ()>,
    ) -> impl Future<Output = Result<(), SetupError>>
    where
        S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.serve_each(move |_| service.clone(), shutdown)
    }

    /// Serves as [`serve`](Self::serve) does, but each connection with its own service. `make` makes it for the
    /// connection's peer: the client, or the last proxy before the server. Its metrics are there before the future is
    /// polled, so that a page of metrics that is served beside it has all of them from its first request on.
    ///
    /// # Errors
    ///
    /// As for [`serve`](Self::serve).
    pub fn serve_each<M, S>(
        self,
        make: M,
        shutdown: impl Future<Output = ()>,
    ) -> impl Future<Output = Result<(), SetupError>>
    where
        M: Fn(Peer) -> S + Clone + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<Body>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        LazyLock::force(&TRAFFIC);
        let Self { listener, terms, file } = self;
        let (phase, serving) = watch::channel(Phase::Serving);
        let Limits { shutdown_delay, shutdown_grace: grace, .. } = terms.limits;
        let connections = OpenConnections::new(make, terms, serving);
        async move {
            let forever = async {
                loop {
                    let slot = connections.slot().await;
                    let accepted = accept(&listener, connections.accept_errors()).await;
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
            // Before the socket is closed, so that the next process finds the path free.
            drop(file);
            let listener = listener.into_std().map_err(SetupError::Listener)?;
            if tokio::time::timeout(grace, connections.finish(listener)).await.is_err() {
                let unfinished = connections.count();
                tracing::warn!(unfinished, ?grace, "connections dropped that did not finish in time");
            }
            phase.send_replace(Phase::Abandoned);
            Ok(())
        }
    }
}
