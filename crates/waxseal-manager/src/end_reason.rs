//! The reasons that a session is over.

use std::fmt;

/// The reason that a session is over, for a request whose response is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The session was signed out, or ended by its owner, in a request to this process or to another one.
    Ended,
    /// The session has expired. An open response does not count as activity of its visitor.
    Expired,
    /// A sign-in or a renewal has given the session another id. What was opened with the old id has to be opened again.
    Renewed,
    /// The store has not answered for longer than the stale-if-error grace, so nothing is known about the session.
    StoreAway,
    /// The proof of the device with which the request was opened has run out. The browser proves its device again when
    /// it opens the next request.
    ProofExpired,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the session was ended",
            Self::Expired => "the session has expired",
            Self::Renewed => "the session was renewed",
            Self::StoreAway => "the session store is away",
            Self::ProofExpired => "the proof of the device has run out",
        })
    }
}
