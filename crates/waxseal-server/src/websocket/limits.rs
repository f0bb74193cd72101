//! Limits of one WebSocket.

use std::time::Duration;

/// Longer times would not be told apart from none, and clocks cannot add all of them.
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
    /// Bytes of a message that the client sends; a larger one closes the socket with 1009. Default 64 KiB. Up to eight
    /// messages wait on their way in and out together, so a socket may hold eight times as much.
    pub message: usize,
    /// The time for which nothing may come from the client; then the socket is closed with 1008. After half of it the client
    /// is sent a ping, which browsers answer by themselves. Default 60 s.
    pub idle: Duration,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self { message: 64 * 1024, idle: Duration::from_secs(60) }
    }
}

impl WebSocketLimits {
    /// Sets the bytes of a message.
    #[must_use]
    pub fn message(mut self, bytes: usize) -> Self {
        self.message = bytes;
        self
    }

    /// Sets the time for which nothing may come, a year at most.
    #[must_use]
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = time.min(MAX_IDLE);
        self
    }
}
