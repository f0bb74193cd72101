//! A WebSocket, as its handler has it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::message::Message;

/// Messages that wait in each direction.
const WAITING: usize = 4;

/// An open WebSocket, which its handler receives from and sends to. It is closed with 1000 when the handler returns.
///
/// Whatever the handler does, the socket is closed when the client breaks a limit, when its session is over, and when the
/// server stops. [`receive`](Self::receive) is `None` from then on, and the handler has five seconds to return before it
/// is dropped where it stands.
pub struct WebSocket {
    incoming: mpsc::Receiver<Message>,
    outgoing: mpsc::Sender<Message>,
    is_over: Arc<AtomicBool>,
}

/// The error of a message that was sent to a socket which is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the WebSocket is closed")]
#[non_exhaustive]
pub struct WebSocketClosed;

/// The other ends of a socket's channels.
pub(super) struct Ends {
    pub(super) incoming: mpsc::Sender<Message>,
    pub(super) outgoing: mpsc::Receiver<Message>,
    /// Nothing that waits is handed to the handler any more.
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

    /// The next message; `None` once the socket is closed. May be dropped half-way: no message is lost.
    pub async fn receive(&mut self) -> Option<Message> {
        let message = self.incoming.recv().await;
        message.filter(|_| !self.is_over.load(Ordering::Acquire))
    }

    /// Sends a message. It waits while the client takes nothing.
    ///
    /// # Errors
    ///
    /// [`WebSocketClosed`]. A message that was sent may still not arrive, as on any line.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), WebSocketClosed> {
        self.outgoing.send(message.into()).await.map_err(|_| WebSocketClosed)
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSocket(..)")
    }
}
