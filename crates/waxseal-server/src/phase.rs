//! The phases of a server.

/// The server's phase on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Connections are still accepted; each answer closes its own.
    Draining,
    /// Each connection ends with its present answer.
    Finishing,
    /// Each connection ends now.
    Abandoned,
}
