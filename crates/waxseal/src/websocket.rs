//! A WebSocket with its visitor's session.

use std::fmt;

use serde::de::DeserializeOwned;
use waxseal_http::{RequestSession, SessionEnded};
use waxseal_server::{Message, WebSocketClosed};
use waxseal_session::Session;

use crate::error::Result;

/// An open WebSocket and the session of its visitor; from [`Request::websocket`](crate::Request::websocket).
///
/// Once the socket is closed, [`receive`](Self::receive) returns `None`, and the handler has five seconds to return.
#[derive(Debug)]
pub struct WebSocket {
    socket: waxseal_server::WebSocket,
    session: SessionView,
}

/// A read-only session, as it was when its socket was opened.
#[derive(Clone)]
pub struct SessionView {
    session: Session,
    request: RequestSession,
}

impl WebSocket {
    pub(crate) fn new(socket: waxseal_server::WebSocket, session: SessionView) -> Self {
        Self { socket, session }
    }

    /// Receives the next message; `None` once the socket is closed. This is cancel safe: if the future is dropped, no
    /// message is lost.
    pub async fn receive(&mut self) -> Option<Message> {
        self.socket.receive().await
    }

    /// Sends a message. Waits while the client does not read.
    ///
    /// # Errors
    ///
    /// [`WebSocketClosed`] if the socket is closed.
    pub async fn send(&self, message: impl Into<Message>) -> std::result::Result<(), WebSocketClosed> {
        self.socket.send(message).await
    }

    /// The visitor's session, as it was when the socket was opened.
    #[must_use]
    pub fn session(&self) -> &SessionView {
        &self.session
    }
}

impl SessionView {
    pub(crate) fn new(session: Session, request: RequestSession) -> Self {
        Self { session, request }
    }

    /// The value under `key`, decoded.
    ///
    /// # Errors
    ///
    /// Those of [`Session::get`].
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.session.get(key)?)
    }

    /// The owner of the session; `None` if nobody is signed in.
    #[must_use]
    pub fn owner(&self) -> Option<String> {
        self.session.owner()
    }

    /// Returns `true` if the visitor had no session.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.session.is_new()
    }

    /// The [end](crate::Request::session_ended) of the session, as a future. The socket is then closed by itself.
    pub fn ended(&self) -> SessionEnded {
        self.request.loaded_end()
    }
}

/// Shows nothing of the session.
impl fmt::Debug for SessionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionView(..)")
    }
}
