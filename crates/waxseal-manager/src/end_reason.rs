//! Reasons for which a session is over.

use std::fmt;

/// The reason for which a session is over for a request whose answer is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The session was signed out, or ended by its owner, by a request to this process or to another.
    Ended,
    /// The session has expired. An open answer is no activity of its visitor.
    Expired,
    /// The session has another id since, by a sign-in or a renewal. What was opened with the old one has to be opened
    /// anew.
    Renewed,
    /// The store has not answered for longer than the grace, so nothing is known of the session.
    StoreAway,
    /// The proof of the device that the request was opened with has run out. The browser proves its device anew when it
    /// opens the next one.
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
