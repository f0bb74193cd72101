//! A request that becomes a WebSocket.

use http::HeaderValue;
use http::header::SEC_WEBSOCKET_VERSION;
use waxseal_server::{WebSocketLimits, WebSocketUpgrade};

use super::Request;
use crate::error::{Error, Result};
use crate::response::Response;
use crate::websocket::{SessionView, WebSocket};

impl Request {
    /// Makes the connection a WebSocket, which `handler` has in a task of its own.
    ///
    /// A request of another site is refused with 403, as unsafe requests are, unless the route
    /// [allows it](crate::Route::allow_cross_site): a browser lets any page open a socket to this app, with the visitor's
    /// cookies. The socket counts as a connection, keeps to the [default limits](WebSocketLimits), and is closed with
    ///
    /// - 1008 when the visitor's session [is over](Self::session_ended), with the reason; the page opens it anew, and its
    ///   visitor is then who they are,
    /// - 1001 when the server stops,
    /// - 1008 when nothing comes for too long, 1009 for a message that is too large,
    /// - 1000 when the handler returns.
    ///
    /// What is written to the session after the answer's head is lost, so the socket has a [view](WebSocket::session) of it
    /// that cannot be written: what the session held when the socket was opened.
    ///
    /// # Errors
    ///
    /// 426 for a request that asks for no WebSocket; those of [`session`](Self::session).
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
        self.websocket_within(WebSocketLimits::default(), handler).await
    }

    /// As [`websocket`](Self::websocket), within other limits.
    ///
    /// # Errors
    ///
    /// As there.
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
