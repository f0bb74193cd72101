//! A WebSocket with its visitor's session.

use std::fmt;

use serde::de::DeserializeOwned;
use waxseal_http::{RequestSession, SessionEnded};
use waxseal_server::{Message, WebSocketClosed};
use waxseal_session::Session;

use crate::error::Result;

/// An open WebSocket and the session of its visitor; from [`Request::websocket`](crate::Request::websocket).
///
/// When the socket is closed, [`receive`](Self::receive) is `None`, and the handler has five seconds to return.
#[derive(Debug)]
pub struct WebSocket {
    socket: waxseal_server::WebSocket,
    session: SessionView,
}

/// A session as it was when a socket was opened, to be read.
#[derive(Clone)]
pub struct SessionView {
    session: Session,
    request: RequestSession,
}

impl WebSocket {
    pub(crate) fn new(socket: waxseal_server::WebSocket, session: SessionView) -> Self {
        Self { socket, session }
    }

    /// The next message; `None` once the socket is closed. May be dropped half-way: no message is lost.
    pub async fn receive(&mut self) -> Option<Message> {
        self.socket.receive().await
    }

    /// Sends a message. It waits while the client takes nothing.
    ///
    /// # Errors
    ///
    /// [`WebSocketClosed`].
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

    /// The owner who is signed in.
    #[must_use]
    pub fn owner(&self) -> Option<String> {
        self.session.owner()
    }

    /// Returns `true` if the visitor had no session.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.session.is_new()
    }

    /// The [end](crate::Request::session_ended) of the session. The socket is closed by itself then.
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
