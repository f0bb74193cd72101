//! A request that becomes a WebSocket.

use http::HeaderValue;
use http::header::SEC_WEBSOCKET_VERSION;
use waxseal_server::{WebSocketLimits, WebSocketUpgrade};

use super::Request;
use crate::error::{Error, Result};
use crate::response::Response;
use crate::websocket::{SessionView, WebSocket};

impl Request {
    /// Turns the connection into a WebSocket and runs `handler` with it in a separate task.
    ///
    /// A request from another site is refused with 403, like unsafe requests, unless the route [allows
    /// it](crate::Route::allow_cross_site). Otherwise any site could open a socket to this app with the visitor's
    /// cookies, because browsers allow that. The socket counts as a connection, has the [limits](WebSocketLimits) of
    /// the settings, and is closed with
    ///
    /// - 1008 when the visitor's session [ends](Self::session_ended), with the reason; the page can then open a new
    ///   socket, with the cookie that it has by then,
    /// - 1001 when the server stops,
    /// - 1008 when nothing is received for too long, 1009 for a message that is too large,
    /// - 1000 when the handler returns.
    ///
    /// Changes to the session after the response's head was sent would be lost. The socket therefore has a read-only
    /// [view](WebSocket::session) of the session as it was when the socket was opened.
    ///
    /// # Errors
    ///
    /// 426 if the request is not a WebSocket handshake; and those of [`session`](Self::session).
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Request, Response, Result};
    ///
    /// async fn echo(request: Request) -> Result<Response> {
    ///     let name = |socket: &waxseal::WebSocket| socket.session().owner().unwrap_or("stranger".to_owned());
    ///     request
    ///         .websocket(move |mut socket| async move {
    ///             while let Some(message) = socket.receive().await {
    ///                 let text = format!("{}: {}", name(&socket), message.as_text().unwrap_or_default());
    ///                 if socket.send(text).await.is_err() {
    ///                     break;
    ///                 }
    ///             }
    ///         })
    ///         .await
    /// }
    /// ```
    pub async fn websocket<H, F>(&self, handler: H) -> Result<Response>
    where
        H: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.websocket_within(self.app().websocket, handler).await
    }

    /// Like [`websocket`](Self::websocket), with these limits in place of those of the settings.
    ///
    /// # Errors
    ///
    /// Those of [`websocket`](Self::websocket).
    pub async fn websocket_within<H, F>(&self, limits: WebSocketLimits, handler: H) -> Result<Response>
    where
        H: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let upgrade = WebSocketUpgrade::of(self.method(), self.headers(), &self.0.parts.extensions);
        let upgrade = upgrade.map_err(|error| {
            Error::from(error).header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
        })?;
        let view = SessionView::new(self.session().await?, self.request_session().clone());
        let ended = view.ended();
        let end = async move { ended.await.to_string() };
        let open = move |socket| handler(WebSocket::new(socket, view));
        Ok(upgrade.limits(limits).ended_by(end).accept(open))
    }
}
