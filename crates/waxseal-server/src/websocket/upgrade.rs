//! The handshake of a WebSocket.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::header::{HeaderMap, SEC_WEBSOCKET_VERSION};
use http::{Extensions, HeaderValue, Method, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::Instrument;

use super::drive::{End, drive};
use super::limits::WebSocketLimits;
use super::socket::WebSocket;
use crate::body::Body;
use crate::error::Error;
use crate::lease::Lease;
use crate::panics::catching_panics_of;

/// How many bytes are read at once. The rest of a larger frame is read into its own buffer.
const READ_BUFFER: usize = 8 * 1024;
/// The text that RFC 6455 §1.3 adds to a key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for a WebSocket, on a server that supports it.
///
/// Check the request's origin first, as for a request that changes something: browsers let every page open a WebSocket
/// to every site, with the visitor's cookies.
///
/// # Example
///
/// ```
/// use http::{Request, Response};
/// use waxseal_server::{Body, Error, WebSocketUpgrade};
///
/// fn echo(request: &Request<hyper::body::Incoming>) -> Result<Response<Body>, Error> {
///     let upgrade = WebSocketUpgrade::of(request.method(), request.headers(), request.extensions())?;
///     Ok(upgrade.accept(|mut socket| async move {
///         while let Some(message) = socket.receive().await {
///             if socket.send(message).await.is_err() {
///                 break;
///             }
///         }
///     }))
/// }
/// ```
#[must_use]
pub struct WebSocketUpgrade {
    accept: HeaderValue,
    on_upgrade: OnUpgrade,
    lease: Option<Lease>,
    limits: WebSocketLimits,
    end: End,
}

impl WebSocketUpgrade {
    /// The WebSocket that a request asks for.
    ///
    /// # Errors
    ///
    /// [`Error::NoWebSocket`], answered with 426, if the request does not ask for a WebSocket, asks for a version other
    /// than 13, or did not come over a connection of [`HttpServer`](crate::HttpServer).
    pub fn of(method: &Method, headers: &HeaderMap, extensions: &Extensions) -> Result<Self, Error> {
        let no = |problem| Err(Error::NoWebSocket { problem });
        if method != Method::GET
            || !names(headers, &UPGRADE, "websocket")
            || !names(headers, &CONNECTION, "upgrade")
        {
            return no("this is for WebSockets alone; send GET with `Upgrade: websocket`");
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return no("only version 13 of WebSockets is spoken");
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        let Some(key) = key.filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16)) else {
            return no("`Sec-WebSocket-Key` is not 16 bytes in base64");
        };
        let Some(on_upgrade) = extensions.get::<OnUpgrade>().cloned() else {
            return no("this connection cannot become a WebSocket; use HTTP/1.1");
        };
        Ok(Self {
            accept: accept_of(key),
            on_upgrade,
            lease: extensions.get::<Lease>().cloned(),
            limits: WebSocketLimits::default(),
            end: Box::pin(std::future::pending()),
        })
    }

    /// Uses `limits` instead of the defaults.
    pub fn limits(mut self, limits: WebSocketLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Closes the socket with 1008 when `end` is ready. Its output is sent as the reason.
    pub fn ended_by(mut self, end: impl Future<Output = String> + Send + 'static) -> Self {
        self.end = Box::pin(end);
        self
    }

    /// The response that opens the socket. `handler` then runs with the socket in its own task.
    ///
    /// The handler's lines in the log are in the request's `tracing` span. If it panics, the socket is closed with 1011.
    ///
    /// The socket counts as a connection of its server. When the server [stops](crate::HttpServer::serve), the socket
    /// is closed with 1001.
    #[must_use]
    pub fn accept<H, F>(self, handler: H) -> Response<Body>
    where
        H: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { accept, on_upgrade, lease, limits, end } = self;
        let task = async move {
            let abandoned = lease.clone();
            let open = async {
                let Ok(upgraded) = on_upgrade.await else { return };
                let config = WebSocketConfig::default()
                    .max_message_size(Some(limits.message))
                    .max_frame_size(Some(limits.message))
                    .read_buffer_size(READ_BUFFER);
                let stream =
                    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config))
                        .await;
                let (socket, ends) = WebSocket::new();
                // The call stands inside, so that a panic before its first await is caught, too.
                let handler = catching_panics_of(async move { handler(socket).await });
                drive(stream, handler, ends, limits, end, lease).await;
            };
            match abandoned {
                Some(mut lease) => tokio::select! { () = open => {}, () = lease.abandoned() => {} },
                None => open.await,
            }
        };
        tokio::spawn(task.in_current_span());
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        response
    }
}

/// Checks whether a field contains `word`, in upper or lower case.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let fields = headers.get_all(name).iter().filter_map(|field| field.to_str().ok());
    fields.flat_map(|field| field.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

fn accept_of(key: &[u8]) -> HeaderValue {
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(STANDARD.encode(hash)).expect("base64 is visible ASCII")
}

impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_answered_as_in_the_rfcs_example() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_request_that_asks_for_no_websocket_is_told_what_to_send() {
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        for (case, method, name, value, word) in [
            ("POST", "POST", "upgrade", "websocket", "GET"),
            ("another protocol", "GET", "upgrade", "h2c", "Upgrade: websocket"),
            ("no upgrade", "GET", "connection", "keep-alive", "Upgrade: websocket"),
            ("another version", "GET", "sec-websocket-version", "8", "version 13"),
            ("a short key", "GET", "sec-websocket-key", "dGhl", "16 bytes"),
            ("no base64", "GET", "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=!", "16 bytes"),
            ("no connection of hyper's", "GET", "upgrade", "websocket", "HTTP/1.1"),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in good {
                headers.insert(name, HeaderValue::from_static(value));
            }
            headers.insert(name, HeaderValue::from_static(value));
            let method = method.parse().unwrap();
            let error = WebSocketUpgrade::of(&method, &headers, &Extensions::new()).unwrap_err();
            assert!(error.to_string().contains(word), "{case}: {error}");
            assert_eq!(error.status(), StatusCode::UPGRADE_REQUIRED, "{case}");
        }
    }
}
