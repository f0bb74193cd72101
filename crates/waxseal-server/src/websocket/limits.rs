//! Limits of one WebSocket.

use std::time::Duration;

/// Longer times are the same as no limit, and clocks cannot add all of them.
const MAX_IDLE: Duration = Duration::from_secs(365 * 24 * 3600);

/// The sizes and times of one WebSocket.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_server::WebSocketLimits;
///
/// let limits = WebSocketLimits::default().message(4 * 1024).idle(Duration::from_secs(30));
/// assert_eq!(limits.message, 4_096);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSocketLimits {
    /// The largest message that the client may send, in bytes; a larger one closes the socket with 1009. Default 64
    /// KiB. Up to eight messages wait in both directions together, so a socket may hold eight times as much.
    pub message: usize,
    /// How long the client may send nothing. After half of this time it is sent a ping, which browsers answer by
    /// themselves. If nothing comes in the other half, the socket is closed with 1008. Default 60 s.
    pub idle: Duration,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self { message: 64 * 1024, idle: Duration::from_secs(60) }
    }
}

impl WebSocketLimits {
    /// Sets the largest message that the client may send, in bytes.
    #[must_use]
    pub fn message(mut self, bytes: usize) -> Self {
        self.message = bytes;
        self
    }

    /// Sets how long the client may send nothing, at most a year.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time.min(MAX_IDLE);
        self
    }
}
