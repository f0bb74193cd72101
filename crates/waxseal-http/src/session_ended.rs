//! The end of a session, as a future for a request whose response is still open.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use waxseal_manager::{EndReason, Visit};

use crate::carrier::Carrier;

/// A future that resolves with the reason when the session of a request is over.
///
/// From [`RequestSession::ended`](crate::RequestSession::ended). It never resolves if the request brought no session.
/// The store is not asked before the future is first polled, nor after it is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct SessionEnded(Option<Pin<Box<dyn Future<Output = EndReason> + Send>>>);

impl SessionEnded {
    /// The end of the session of `visit`. If `until` comes first, it ends then, because the request's device proof has
    /// expired.
    pub(crate) fn of(carrier: &Arc<Carrier>, visit: &Visit, until: Option<SystemTime>) -> Self {
        let Some(watch) = carrier.sessions().watch(visit, carrier.now()) else { return Self(None) };
        let carrier = carrier.clone();
        Self(Some(Box::pin(async move {
            loop {
                let left = until.map(|until| until.duration_since(carrier.now()).unwrap_or_default());
                if left.is_some_and(|left| left.is_zero()) {
                    return EndReason::ProofExpired;
                }
                if let Some(reason) = carrier.sessions().look(&watch, carrier.now()).await {
                    return reason;
                }
                let pause = carrier.sessions().next_look(&watch, carrier.now());
                tokio::time::sleep(pause.min(left.unwrap_or(Duration::MAX))).await;
            }
        })))
    }

    pub(crate) fn never() -> Self {
        Self(None)
    }

    /// Returns `true` if the future will never resolve.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.0.is_none()
    }
}

impl Future for SessionEnded {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EndReason> {
        match &mut self.0 {
            None => Poll::Pending,
            Some(end) => end.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for SessionEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionEnded(..)")
    }
}
