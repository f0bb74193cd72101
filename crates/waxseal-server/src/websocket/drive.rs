//! The task of a WebSocket: frames, limits, and closing.

use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Bytes};

use super::limits::WebSocketLimits;
use super::message::Message;
use super::socket::Ends;
use crate::error::Error;
use crate::lease::Lease;

/// How long the handler may take to return, and the client to send its close frame, once the socket is closed.
const GOODBYE: Duration = Duration::from_secs(5);
/// The longest reason in a close frame, in bytes: the payload is at most 125 bytes, two of which are the code.
const MAX_REASON_BYTES: usize = 123;

/// A future that closes the socket from outside. Its output is the reason to send.
pub(super) type End = Pin<Box<dyn Future<Output = String> + Send>>;

/// Why a socket is closed.
enum Cause {
    /// The handler has returned.
    Done,
    /// The handler has panicked.
    Failed,
    /// The future from outside was ready.
    Over(String),
    Stopping,
    /// The client broke a limit or the protocol.
    Client(CloseCode, &'static str),
    /// The client is gone, or has sent its close frame.
    Gone,
}

/// Drives a socket until it is closed, and its handler until it has returned.
pub(super) async fn drive<S, H>(
    mut stream: WebSocketStream<S>,
    handler: H,
    ends: Ends,
    limits: WebSocketLimits,
    end: End,
    lease: Option<Lease>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Future<Output = Result<(), Error>>,
{
    let mut handler = pin!(handler);
    let Ends { incoming, mut outgoing, is_over } = ends;
    let mut outside = Outside { end, lease };
    let cause = {
        let mut exchange = Exchange { stream: &mut stream, incoming, outgoing: &mut outgoing, limits };
        exchange.run(handler.as_mut(), &mut outside).await
    };
    let is_done = matches!(cause, Cause::Done | Cause::Failed);
    if is_done {
        while let Ok(message) = outgoing.try_recv() {
            if timeout(GOODBYE, stream.send(message.into_frame())).await.is_err() {
                return;
            }
        }
    }
    // Messages that a client sent before it left are still given to the handler. When the session is over, waiting
    // messages are not.
    is_over.store(!matches!(cause, Cause::Gone), Ordering::Release);
    outgoing.close();
    let closed = timeout(GOODBYE, close(&mut stream, cause));
    if is_done {
        let _ = closed.await;
    } else {
        let _ = tokio::join!(closed, timeout(GOODBYE, handler));
    }
}

/// What closes a socket from outside.
struct Outside {
    end: End,
    lease: Option<Lease>,
}

impl Outside {
    async fn comes(&mut self) -> Cause {
        let stops = async {
            match &mut self.lease {
                Some(lease) => lease.stopping().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            reason = &mut self.end => Cause::Over(reason),
            () = stops => Cause::Stopping,
        }
    }
}

struct Exchange<'a, S> {
    stream: &'a mut WebSocketStream<S>,
    incoming: tokio::sync::mpsc::Sender<Message>,
    outgoing: &'a mut tokio::sync::mpsc::Receiver<Message>,
    limits: WebSocketLimits,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<'_, S> {
    /// Passes messages on until there is a reason to close the socket.
    async fn run(
        &mut self,
        mut handler: Pin<&mut impl Future<Output = Result<(), Error>>>,
        outside: &mut Outside,
    ) -> Cause {
        let half = self.limits.idle / 2;
        let (mut until, mut is_pinged) = (Instant::now() + half, false);
        loop {
            let (stream, incoming) = (&mut *self.stream, &self.incoming);
            // Nothing is read while the handler is behind.
            let next = async {
                let permit = incoming.reserve().await;
                // The answers to pings are sent first. A client that does not read them is not listened to either.
                stream.flush().await.map_err(|_| Cause::Gone)?;
                let frame = stream.next().await.ok_or(Cause::Gone)?.map_err(|error| cause_of(&error))?;
                if let (Some(message), Ok(permit)) = (Message::of(frame), permit) {
                    permit.send(message);
                }
                Ok::<_, Cause>(())
            };
            tokio::select! {
                cause = outside.comes() => return cause,
                done = handler.as_mut() => return done.map_or(Cause::Failed, |()| Cause::Done),
                Some(message) = self.outgoing.recv() => {
                    if let Some(cause) = self.send(message.into_frame(), outside).await {
                        return cause;
                    }
                }
                // Looks at what came before it looks at the clock: a server that stood still finds both.
                heard_of = timeout_at(until, next) => match heard_of {
                    Ok(Ok(())) => (until, is_pinged) = (Instant::now() + half, false),
                    Ok(Err(cause)) => return cause,
                    Err(_elapsed) => {
                        // Nothing is read in that case, which is the handler's fault and not the client's. The ping
                        // still detects a client that is gone.
                        let is_handler_behind = self.incoming.capacity() == 0;
                        if is_pinged && !is_handler_behind {
                            return Cause::Client(CloseCode::Policy, "nothing came for too long");
                        }
                        is_pinged = !is_handler_behind;
                        let ping = tungstenite::Message::Ping(Bytes::new());
                        if let Some(cause) = self.send(ping, outside).await {
                            return cause;
                        }
                        // From now on, however late the ping was sent, so that the client can answer it.
                        until = Instant::now() + half;
                    }
                },
            }
        }
    }

    /// Sends a frame. Returns the reason to close the socket if there is one meanwhile.
    async fn send(&mut self, frame: tungstenite::Message, outside: &mut Outside) -> Option<Cause> {
        tokio::select! {
            sent = self.stream.send(frame) => sent.err().map(|_| Cause::Gone),
            cause = outside.comes() => Some(cause),
        }
    }
}

fn cause_of(error: &tungstenite::Error) -> Cause {
    match error {
        tungstenite::Error::Capacity(_) => Cause::Client(CloseCode::Size, "the message is too large"),
        tungstenite::Error::Utf8(_) => Cause::Client(CloseCode::Invalid, "the text is not UTF-8"),
        tungstenite::Error::Protocol(_) => Cause::Client(CloseCode::Protocol, "the protocol was broken"),
        _ => Cause::Gone,
    }
}

/// Sends a close frame, and waits for the client's.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut WebSocketStream<S>, cause: Cause) {
    let (code, mut reason) = match cause {
        Cause::Done => (CloseCode::Normal, String::new()),
        Cause::Failed => (CloseCode::Error, String::new()),
        Cause::Over(reason) => (CloseCode::Policy, reason),
        Cause::Stopping => (CloseCode::Away, "the server stops".to_owned()),
        Cause::Client(code, reason) => (code, reason.to_owned()),
        Cause::Gone => return drop(stream.close(None).await),
    };
    let end = (0..=MAX_REASON_BYTES.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
    reason.truncate(end.unwrap_or(0));
    tracing::debug!(%code, reason, "a WebSocket is closed");
    if stream.close(Some(CloseFrame { code, reason: reason.into() })).await.is_ok() {
        // Messages that still come are dropped.
        while let Some(Ok(_)) = stream.next().await {}
    }
    // If the client sent more than was read, waits until it has read the close frame.
    let _ = stream.get_mut().shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::time::advance;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::super::socket::WebSocket;

    const IDLE: Duration = Duration::from_secs(60);

    /// The server is polled by hand: between two polls it stands still.
    #[tokio::test(start_paused = true)]
    async fn a_client_is_not_closed_for_the_time_that_the_server_stood_still() {
        let (server, client) = tokio::io::duplex(1024);
        let server = WebSocketStream::from_raw_socket(server, Role::Server, None).await;
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let (_socket, ends) = WebSocket::new();
        let limits = WebSocketLimits::default().idle(IDLE);
        let end = Box::pin(std::future::pending());
        let mut driven = pin!(drive(server, std::future::pending(), ends, limits, end, None));
        assert!(driven.as_mut().now_or_never().is_none());
        // Often enough that no order of looking at the client and the clock passes by chance.
        for round in 0..20 {
            advance(2 * IDLE).await;
            assert!(driven.as_mut().now_or_never().is_none());
            let heard = client.next().now_or_never();
            assert!(matches!(heard, Some(Some(Ok(tungstenite::Message::Ping(_))))), "{round}: {heard:?}");
            client.flush().await.unwrap();
            assert!(client.next().now_or_never().is_none(), "{round}: closed before it could answer");
            advance(2 * IDLE).await;
            assert!(driven.as_mut().now_or_never().is_none());
            assert!(client.next().now_or_never().is_none(), "{round}: the answer was there");
        }

        advance(IDLE).await;
        assert!(driven.as_mut().now_or_never().is_none());
        advance(IDLE).await;
        assert!(driven.as_mut().now_or_never().is_none());
        let mut last = None;
        while let Some(Some(Ok(frame))) = client.next().now_or_never() {
            last = Some(frame);
        }
        let Some(tungstenite::Message::Close(Some(frame))) = last else { panic!("{last:?}") };
        assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Policy, "nothing came for too long"));
    }
}
