//! The connections that a server has open, each a task with a slot.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::accept::{QUEUE, accept_waiting};
use crate::addresses::Addresses;
use crate::body::Body;
use crate::connection::{Phase, http, one_by_one, run};
use crate::descriptors;
use crate::head_timer::HeadTimer;
use crate::limits::Limits;
use crate::socket::Socket;

/// Starts connections, within a number of slots.
pub(crate) struct OpenConnections<S> {
    service: S,
    limits: Limits,
    serving: watch::Receiver<Phase>,
    http: http1::Builder,
    slots: Arc<Semaphore>,
    most: u32,
    addresses: Addresses,
}

impl<S> OpenConnections<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(crate) fn new(service: S, limits: Limits, serving: watch::Receiver<Phase>) -> Self {
        let most = most(&limits);
        let slots = Arc::new(Semaphore::new(most as usize));
        let addresses = Addresses::new(limits.connections_per_address);
        Self { service, limits, serving, http: http(&limits), slots, most, addresses }
    }

    /// Waits for a slot.
    pub(crate) async fn slot(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Drives a connection in a task of its own, which holds its slot until it ends. One that its address has no room for is
    /// closed.
    pub(crate) fn start(&self, slot: OwnedSemaphorePermit, (stream, peer): (TcpStream, SocketAddr)) {
        let Some(counted) = self.addresses.enter(peer.ip()) else { return };
        // Answers are small and whole: waiting for more to send with them only delays them.
        let _ = stream.set_nodelay(true);
        let heads = HeadTimer::new(&self.limits);
        let socket = TokioIo::new(Socket::new(stream, self.limits.answer_idle, heads.clone()));
        let service = one_by_one(self.service.clone(), self.limits.head_fields, self.serving.clone());
        let connection = self.http.clone().timer(heads).serve_connection(socket, service);
        let phase = self.serving.clone();
        tokio::spawn(async move {
            if let Err(error) = run(connection, phase).await {
                // The client's doing, so not worth more than this.
                tracing::debug!(%peer, error = &error as &(dyn Error + 'static), "connection ended early");
            }
            drop((slot, counted));
        });
    }

    /// Accepts the connections that wait, closes the listener, and waits until all connections have ended.
    pub(crate) async fn finish(&self, listener: std::net::TcpListener) {
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
