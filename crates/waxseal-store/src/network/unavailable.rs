use std::time::Duration;

/// Why a call to a store across a network got no answer; always a [`Fault::Outage`](crate::Fault::Outage).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The call was sent, or tried to connect, and nothing came back in time. What it asked for may have been done.
    #[error("no answer from the session store within {0:?}")]
    Timeout(Duration),
    /// As many calls wait as may. Nothing was sent.
    #[error("{0} calls are waiting for the session store already")]
    Crowded(usize),
    /// A place among the calls under way was waited for in vain. Nothing was sent.
    #[error("the session store was busy for {0:?}")]
    Busy(Duration),
    /// Several calls in a row found the store out of reach. Nothing was sent.
    #[error("the session store is out of reach, and tried again once in {0:?}")]
    Open(Duration),
}
