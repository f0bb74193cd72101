//! A WebSocket, as its handler sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::message::Message;

/// The most messages that wait in each direction.
const WAITING: usize = 4;

/// An open WebSocket. Its handler receives messages from it and sends messages to it. When the handler returns, it is
/// closed with 1000; if it panics, with 1011.
///
/// The socket is also closed, whatever the handler does, when the client breaks a limit, when its session is over, and
/// when the server stops. From then on [`receive`](Self::receive) returns `None`, and the handler has five seconds to
/// return before it is dropped.
pub struct WebSocket {
    incoming: mpsc::Receiver<Message>,
    outgoing: mpsc::Sender<Message>,
    is_over: Arc<AtomicBool>,
}

/// The error of sending a message to a socket that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the WebSocket is closed")]
#[non_exhaustive]
pub struct WebSocketClosed;

/// The other ends of a socket's channels.
pub(super) struct Ends {
    pub(super) incoming: mpsc::Sender<Message>,
    pub(super) outgoing: mpsc::Receiver<Message>,
    /// `true` if messages that wait are no longer given to the handler.
    pub(super) is_over: Arc<AtomicBool>,
}

impl WebSocket {
    pub(super) fn new() -> (Self, Ends) {
        let (to_handler, incoming) = mpsc::channel(WAITING);
        let (outgoing, to_client) = mpsc::channel(WAITING);
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Ends { incoming: to_handler, outgoing: to_client, is_over: is_over.clone() };
        (Self { incoming, outgoing, is_over }, ends)
    }

    /// Receives the next message. `None` once the socket is closed. It is cancel safe: if the future is dropped, no
    /// message is lost.
    pub async fn receive(&mut self) -> Option<Message> {
        let message = self.incoming.recv().await;
        message.filter(|_| !self.is_over.load(Ordering::Acquire))
    }

    /// Sends a message. Waits while the client takes nothing.
    ///
    /// # Errors
    ///
    /// [`WebSocketClosed`]. Even a message that was sent may not arrive, as on any connection.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), WebSocketClosed> {
        self.outgoing.send(message.into()).await.map_err(|_| WebSocketClosed)
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSocket(..)")
    }
}
