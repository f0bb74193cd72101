//! The connections that a server has open, each a task with a slot.

use std::error::Error;
use std::io;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::accept::{QUEUE, accept_waiting};
use crate::addresses::{Addresses, Counted};
use crate::body::Body;
use crate::connection::{Checks, http, one_by_one, run};
use crate::connection_metrics::ConnectionMetrics;
use crate::descriptors;
use crate::framing::Framing;
use crate::head_timer::HeadTimer;
#[cfg(feature = "websocket")]
use crate::lease::Lease;
use crate::limits::Limits;
use crate::peer::Peer;
use crate::phase::Phase;
use crate::proxies::protocol;
use crate::socket::Socket;
use crate::terms::Terms;
use crate::transport::{StdListener, Transport};

/// Starts connections, within a number of slots, each with the service that `make` has for its other end.
pub(crate) struct OpenConnections<M> {
    make: M,
    serving: watch::Receiver<Phase>,
    http: http1::Builder,
    slots: Arc<Semaphore>,
    most: u32,
    entrance: Entrance,
    metrics: ConnectionMetrics,
}

/// The checks that a connection passes before its first request.
#[derive(Clone)]
struct Entrance {
    terms: Arc<Terms>,
    addresses: Addresses,
}

impl<M, S> OpenConnections<M>
where
    M: Fn(Peer) -> S + Clone + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(crate) fn new(make: M, terms: Terms, serving: watch::Receiver<Phase>) -> Self {
        let most = most(&terms.limits);
        let slots = Arc::new(Semaphore::new(most as usize));
        let addresses = Addresses::new(terms.limits.connections_per_address);
        let (http, metrics) = (http(&terms.limits), ConnectionMetrics::new());
        let entrance = Entrance { terms: Arc::new(terms), addresses };
        Self { make, serving, http, slots, most, entrance, metrics }
    }

    /// Waits for a slot.
    pub(crate) async fn slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Drives a connection in a task of its own, which holds its slot until it ends.
    pub(crate) fn start(&self, slot: OwnedSemaphorePermit, (stream, peer): (Transport, Peer)) {
        let (entrance, make, mut http, phase) =
            (self.entrance.clone(), self.make.clone(), self.http.clone(), self.serving.clone());
        let (open, metrics) = (self.metrics.open(), self.metrics.clone());
        tokio::spawn(async move {
            let Some((stream, peer, counted)) = entrance.pass(stream, peer).await else {
                return metrics.count_refused();
            };
            let limits = &entrance.terms.limits;
            let (heads, framing) = (HeadTimer::new(limits), Framing::new());
            let socket = Socket::new(stream, limits.answer_idle, heads.clone(), framing.clone());
            #[cfg(feature = "websocket")]
            let (lease, leases) = Lease::new(phase.clone());
            let service = one_by_one(
                make(peer),
                Checks { most: limits.head_fields, framing, malformed: metrics.malformed() },
                phase.clone(),
                #[cfg(feature = "websocket")]
                lease,
            );
            let connection = http.timer(heads).serve_connection(TokioIo::new(socket), service);
            #[cfg(feature = "websocket")]
            let connection = connection.with_upgrades();
            if let Err(error) = run(connection, phase).await {
                metrics.count(&error);
                // The client's doing, so not worth more than this.
                tracing::debug!(%peer, error = &error as &(dyn Error + 'static), "connection ended early");
            }
            #[cfg(feature = "websocket")]
            leases.returned().await;
            drop((open, slot, counted));
        });
    }

    /// Accepts the connections that wait, closes the listener, and waits until all connections have ended.
    pub(crate) async fn finish(&self, listener: StdListener) {
        // As many as may have waited: clients that come all the time must not keep the port open.
        for _ in 0..QUEUE {
            let slot = self.slot().await;
            let Some(accepted) = accept_waiting(&listener).await else { break };
            self.start(slot, accepted);
        }
        drop(listener);
        let _ = self.slots.acquire_many(self.most).await;
    }

    /// The connections open now.
    pub(crate) fn count(&self) -> usize {
        self.most as usize - self.slots.available_permits()
    }
}

impl Entrance {
    /// The stream for HTTP, and the other end of the connection, or the client that its proxy names; `None` if it is turned
    /// away.
    async fn pass(&self, mut stream: Transport, peer: Peer) -> Option<(Transport, Peer, Counted)> {
        let peer = match self.terms.proxy_protocol {
            true => self.named_by_proxy(&mut stream, peer).await?,
            false => peer,
        };
        let counted = match peer.ip() {
            Some(address) if !self.terms.trusted.contains_ip(address) => self.addresses.enter(address)?,
            _ => Counted::exempt(),
        };
        #[cfg(feature = "tls")]
        let stream = self.over_tls(stream, peer).await?;
        Some((stream, peer, counted))
    }

    #[cfg(feature = "tls")]
    async fn over_tls(&self, stream: Transport, peer: Peer) -> Option<Transport> {
        let Some(tls) = &self.terms.tls else { return Some(stream) };
        let shaken = match tokio::time::timeout(self.terms.limits.first_byte_time, tls.accept(stream)).await {
            Ok(shaken) => shaken,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        shaken.inspect_err(|error| tracing::debug!(%peer, %error, "a TLS handshake failed")).ok()
    }

    async fn named_by_proxy(&self, stream: &mut Transport, peer: Peer) -> Option<Peer> {
        if !self.terms.trusted.contains(peer) {
            tracing::debug!(%peer, "a connection of no trusted proxy was closed");
            return None;
        }
        let time = self.terms.limits.first_byte_time;
        let named = match tokio::time::timeout(time, protocol::read(stream)).await {
            Ok(named) => named,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match named {
            Ok(client) => Some(client.map_or(peer, Peer::from)),
            Err(error) => {
                tracing::debug!(%peer, %error, "a connection without the PROXY protocol was closed");
                None
            }
        }
    }
}

/// The connections to be open at once: the limit, or fewer if the system has no room for so many open files.
fn most(limits: &Limits) -> u32 {
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
