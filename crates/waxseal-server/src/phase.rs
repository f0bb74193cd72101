//! The phases of a server.

/// The server's phase as it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Connections are still accepted; each closes after its next response.
    Draining,
    /// Each connection ends with its current response.
    Finishing,
    /// Each connection ends now.
    Abandoned,
}
