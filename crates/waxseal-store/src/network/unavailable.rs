//! The refusals of the call policy.

use std::time::Duration;

/// A call to a store across a network that got no answer; always a [`Fault::Outage`](crate::Fault::Outage).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// No answer came in time. The call was sent or was still connecting, so it may have been done.
    #[error("no answer from the session store within {0:?}")]
    Timeout(Duration),
    /// The queue for the concurrency limit is full; it holds this many calls. Nothing was sent.
    #[error("{0} calls are waiting for the session store already")]
    QueueFull(usize),
    /// The call waited in the queue until its timeout. Nothing was sent.
    #[error("the session store was busy for {0:?}")]
    Busy(Duration),
    /// The circuit breaker is open, and lets one call through per half-open interval. Nothing was sent.
    #[error("the session store is out of reach, and tried again once in {0:?}")]
    Open(Duration),
}
