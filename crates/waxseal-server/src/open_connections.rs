//! The open connections of a server. Each is a task with a slot.

use std::error::Error;
use std::io;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use metrics::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::accept::{QUEUE, accept_waiting};
use crate::addresses::{Addresses, Counted};
use crate::body::Body;
use crate::connection::{Checks, http, one_by_one, run};
use crate::connection_metrics::{ConnectionMetrics, Failure};
use crate::descriptors;
use crate::framing::Framing;
use crate::head_timer::HeadTimer;
#[cfg(feature = "websocket")]
use crate::lease::Lease;
use crate::limits::Limits;
use crate::log_limit::LogLimit;
use crate::peer::Peer;
use crate::phase::Phase;
use crate::proxies::protocol;
use crate::socket::Socket;
use crate::terms::Terms;
use crate::transport::{StdListener, Transport};

/// Starts connections, within a number of slots. `make` makes the service of each connection for its peer.
pub(crate) struct OpenConnections<M> {
    make: M,
    serving: watch::Receiver<Phase>,
    http: http1::Builder,
    slots: Arc<Semaphore>,
    most: u32,
    /// Limits the log lines about times when all slots are taken.
    crowded: LogLimit,
    entrance: Entrance,
    metrics: ConnectionMetrics,
}

/// The checks that a connection passes before its first request.
#[derive(Clone)]
struct Entrance {
    terms: Arc<Terms>,
    addresses: Addresses,
    turned_away: Arc<LogLimit>,
}

impl<M, S> OpenConnections<M>
where
    M: Fn(Peer) -> S + Clone + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(crate) fn new(make: M, terms: Terms, serving: watch::Receiver<Phase>) -> Self {
        let (most, open_files) = in_force(&terms.limits);
        if let Some(open_files) = open_files {
            let meant = terms.limits.connections;
            tracing::info!(
                "at most {most} connections at once and not {meant}: the limit of open files is {open_files}, see `ulimit -n`"
            );
        }
        let slots = Arc::new(Semaphore::new(most as usize));
        let addresses = Addresses::new(terms.limits.connections_per_address);
        let http = http(&terms.limits);
        let metrics = match terms.without_metrics {
            true => ConnectionMetrics::none(),
            false => ConnectionMetrics::new(most),
        };
        let entrance = Entrance { terms: Arc::new(terms), addresses, turned_away: Arc::default() };
        Self { make, serving, http, slots, most, crowded: LogLimit::default(), entrance, metrics }
    }

    /// Waits for a slot.
    pub(crate) async fn slot(&self) -> OwnedSemaphorePermit {
        if self.slots.available_permits() == 0
            && let Some(times) = self.crowded.note()
        {
            let most = self.most;
            tracing::warn!(
                most,
                times,
                "as many connections are open as may be; the next ones wait to be accepted"
            );
        }
        Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// The counter of failures to accept.
    pub(crate) fn accept_errors(&self) -> &Counter {
        &self.metrics.accept_errors
    }

    /// Drives a connection in its own task, which holds its slot until the connection ends.
    pub(crate) fn start(&self, slot: OwnedSemaphorePermit, (stream, peer): (Transport, Peer)) {
        let (entrance, make, mut http, phase) =
            (self.entrance.clone(), self.make.clone(), self.http.clone(), self.serving.clone());
        let (open, metrics) = (self.metrics.open(), self.metrics.clone());
        tokio::spawn(async move {
            let (stream, peer, counted) = match entrance.pass(stream, peer).await {
                Ok(passed) => passed,
                Err(failure) => return metrics.failed(failure).increment(1),
            };
            let limits = &entrance.terms.limits;
            let (heads, framing) = (HeadTimer::new(limits), Framing::new());
            let socket = Socket::new(stream, heads.clone(), framing.clone());
            #[cfg(feature = "websocket")]
            let (lease, leases) = Lease::new(phase.clone());
            let service = one_by_one(
                make(peer),
                Checks {
                    most: limits.head_fields,
                    framing,
                    malformed: metrics.failed(Failure::Malformed).clone(),
                    counts_bytes: !entrance.terms.without_metrics,
                },
                phase.clone(),
                #[cfg(feature = "websocket")]
                lease,
            );
            let connection = http.timer(heads.clone()).serve_connection(TokioIo::new(socket), service);
            #[cfg(feature = "websocket")]
            let connection = connection.with_upgrades();
            if let Err(error) = run(connection, phase).await {
                if !heads.was_idle()
                    && let Some(failure) = Failure::of(&error)
                {
                    metrics.failed(failure).increment(1);
                }
                // The client caused this, or a line in the log says what did, so it is only logged at this level.
                tracing::debug!(%peer, error = &error as &(dyn Error + 'static), "connection ended early");
            }
            #[cfg(feature = "websocket")]
            leases.returned().await;
            drop((open, slot, counted));
        });
    }

    /// Accepts the connections that wait, closes the listener, and waits until all connections have ended.
    pub(crate) async fn finish(&self, listener: StdListener) {
        // No more than may have been waiting, because new clients must not keep the port open.
        for _ in 0..QUEUE {
            let slot = self.slot().await;
            let Some(accepted) = accept_waiting(&listener).await else { break };
            self.start(slot, accepted);
        }
        drop(listener);
        let _ = self.slots.acquire_many(self.most).await;
    }

    /// The number of open connections.
    pub(crate) fn count(&self) -> usize {
        self.most as usize - self.slots.available_permits()
    }
}

impl Entrance {
    /// Returns the stream for HTTP, and the connection's peer, or the client that its proxy names.
    ///
    /// # Errors
    ///
    /// Why the connection is turned away.
    async fn pass(&self, mut stream: Transport, peer: Peer) -> Result<(Transport, Peer, Counted), Failure> {
        let peer = match self.terms.proxy_protocol {
            true => self.named_by_proxy(&mut stream, peer).await?,
            false => peer,
        };
        let counted = match peer.ip() {
            Some(address) if !self.terms.trusted.contains_ip(address) => {
                self.addresses.enter(address).ok_or(Failure::Refused)?
            }
            _ => Counted::exempt(),
        };
        stream.give_up_after(self.terms.limits.answer_idle);
        #[cfg(feature = "tls")]
        let stream = self.over_tls(stream, peer).await?;
        Ok((stream, peer, counted))
    }

    #[cfg(feature = "tls")]
    async fn over_tls(&self, stream: Transport, peer: Peer) -> Result<Transport, Failure> {
        let Some(tls) = &self.terms.tls else { return Ok(stream) };
        self.in_time(tls.accept(stream)).await.map_err(|error| self.turn_away(peer, Failure::Tls, error))
    }

    async fn named_by_proxy(&self, stream: &mut Transport, peer: Peer) -> Result<Peer, Failure> {
        if !self.terms.trusted.contains(peer) {
            return Err(self.turn_away(
                peer,
                Failure::ProxyProtocol,
                io::Error::other("it is no trusted proxy"),
            ));
        }
        let named = self.in_time(protocol::read(stream)).await;
        let client = named.map_err(|error| self.turn_away(peer, Failure::ProxyProtocol, error))?;
        Ok(client.map_or(peer, Peer::from))
    }

    /// Awaits what has to come before the first byte of HTTP, with a time limit.
    async fn in_time<T>(&self, coming: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let time = self.terms.limits.first_byte_time;
        tokio::time::timeout(time, coming).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Logs that a connection is turned away, because the cause may be how the operator set up a proxy.
    fn turn_away(&self, peer: Peer, failure: Failure, error: io::Error) -> Failure {
        let failure = if error.kind() == io::ErrorKind::TimedOut { Failure::Slow } else { failure };
        if let Some(connections) = self.turned_away.note() {
            tracing::info!(%peer, ?failure, %error, connections, "connections turned away before their first request");
        }
        failure
    }
}

/// How many connections may be open at once: the limit, or fewer if the system allows too few open files. In that case
/// also returns the system's limit.
pub(crate) fn in_force(limits: &Limits) -> (u32, Option<u64>) {
    let most = limits.connections.clamp(1, u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
    match descriptors::room() {
        Some((room, open_files)) if room < most => (room, Some(open_files)),
        _ => (most, None),
    }
}
