//! The permission to keep a connection that is no longer HTTP.

use std::convert::Infallible;

use http::Request;
use hyper::upgrade::OnUpgrade;
use tokio::sync::{mpsc, watch};

use crate::phase::Phase;

/// Allows what a connection has become to go on until the server stops. The connection counts as open until all its
/// leases are returned.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    phase: watch::Receiver<Phase>,
    _held: mpsc::Sender<Infallible>,
}

/// The connection's side, which waits for its leases.
pub(crate) struct Leases(mpsc::Receiver<Infallible>);

impl Lease {
    pub(crate) fn new(phase: watch::Receiver<Phase>) -> (Self, Leases) {
        let (held, leases) = mpsc::channel(1);
        (Self { phase, _held: held }, Leases(leases))
    }

    /// Attaches the lease to a request that may turn the connection into something else.
    pub(crate) fn along_with<B>(&self, mut request: Request<B>) -> Request<B> {
        if request.extensions().get::<OnUpgrade>().is_some() {
            request.extensions_mut().insert(self.clone());
        }
        request
    }

    /// Completes when the server wants its connections to end.
    pub(crate) async fn stopping(&mut self) {
        let _ = self.phase.wait_for(|phase| *phase >= Phase::Finishing).await;
    }

    /// Completes when the server has waited long enough, or was dropped.
    pub(crate) async fn abandoned(&mut self) {
        let _ = self.phase.wait_for(|phase| *phase == Phase::Abandoned).await;
    }
}

impl Leases {
    /// Waits until all leases are returned.
    pub(crate) async fn returned(mut self) {
        let _ = self.0.recv().await;
    }
}
