//! Server-sent events.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep};

use crate::body::Body;
use crate::error::Error;

/// After this much silence, a comment keeps the connection open: proxies close it after 30 s or more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A response with a stream of events, `text/event-stream`, for `EventSource` in the browser.
///
/// When nothing is sent for 15 s, a comment is sent that pages do not see. It keeps proxies from closing the
/// connection, and detects that the visitor has left; the stream is then dropped. The browser reconnects by itself when
/// the stream ends; to stop it, answer its next request with 204. When the server stops, it ends its streams between
/// two events.
///
/// # Example
///
/// ```
/// use futures_util::stream;
/// use waxseal_server::{Event, sse};
///
/// let response = sse(stream::iter([Event::new("the kettle boils").name("kitchen"), Event::new("tea")]));
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// ```
///
/// The format: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
#[must_use]
pub fn sse<S>(events: S) -> Response<Body>
where
    S: Stream<Item = Event> + Send + 'static,
{
    let events = Events { events: Box::pin(events), silence: None };
    let mut response = Response::new(Body::boxed(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx buffers responses unless told not to.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.extensions_mut().insert(EventStream);
    response
}

/// Marks the response of [`sse`] in its extensions: its body may [end](Body::ended_by) between any two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventStream;

/// An event, with its text and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Event(String);

impl Event {
    /// An event with this text, of any number of lines.
    pub fn new(text: &str) -> Self {
        let mut event = String::with_capacity(text.len() + 8);
        for line in lines(text) {
            event.push_str("data: ");
            event.push_str(line);
            event.push('\n');
        }
        Self(event)
    }

    /// Sets the type that the page listens for; `message` if none is set.
    pub fn name(self, name: &str) -> Self {
        self.field("event", name)
    }

    /// Sets the id that the browser sends back as `Last-Event-ID` when it reconnects.
    pub fn id(self, id: &str) -> Self {
        self.field("id", id)
    }

    /// Sets how long the browser waits before it reconnects.
    pub fn retry(self, time: Duration) -> Self {
        self.field("retry", &time.as_millis().to_string())
    }

    /// Adds a field on its own line, without the characters that would end the line or the event.
    fn field(mut self, name: &str, value: &str) -> Self {
        self.0.push_str(name);
        self.0.push_str(": ");
        self.0.extend(value.chars().filter(|letter| !matches!(letter, '\r' | '\n' | '\0')));
        self.0.push('\n');
        self
    }
}

/// The lines of a text, separated by any of the three line ends that browsers know.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

struct Events<S> {
    events: Pin<Box<S>>,
    /// Ends when a comment is due. Starts when the body is first polled, which happens inside a runtime.
    silence: Option<Pin<Box<Sleep>>>,
}

impl<S: Stream<Item = Event>> http_body::Body for Events<S> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let silence = this.silence.get_or_insert_with(|| Box::pin(sleep(KEEP_ALIVE)));
        let text = match this.events.as_mut().poll_next(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Event(mut event))) => {
                event.push('\n');
                Bytes::from(event)
            }
            Poll::Pending => {
                ready!(silence.as_mut().poll(cx));
                Bytes::from_static(b":\n\n")
            }
        };
        silence.as_mut().reset(Instant::now() + KEEP_ALIVE);
        Poll::Ready(Some(Ok(Frame::data(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::BodyExt;

    fn text(event: Event) -> String {
        event.0
    }

    #[test]
    fn a_text_of_many_lines_is_one_event() {
        assert_eq!(text(Event::new("a\nb\r\nc\rd")), "data: a\ndata: b\ndata: c\ndata: d\n");
        assert_eq!(text(Event::new("")), "data: \n");
        assert_eq!(text(Event::new("a\n\nevent: evil")), "data: a\ndata: \ndata: event: evil\n");
    }

    #[test]
    fn no_text_makes_a_field_of_its_own() {
        let event = Event::new("x").name("a\ndata: evil").id("1\r\n\r\ndata: evil\0").retry(KEEP_ALIVE);
        assert_eq!(text(event), "data: x\nevent: adata: evil\nid: 1data: evil\nretry: 15000\n");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_with_comments_until_the_next_event() {
        let started = Instant::now();
        let slow = stream::unfold(0, |sent| async move {
            tokio::time::sleep(Duration::from_secs(40)).await;
            (sent < 1).then(|| (Event::new("tea"), sent + 1))
        });
        let mut body = sse(slow).into_body();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push((started.elapsed().as_secs(), frame.unwrap().into_data().unwrap()));
        }
        let comment = &b":\n\n"[..];
        let expected = [(15, comment), (30, comment), (40, b"data: tea\n\n"), (55, comment), (70, comment)];
        assert_eq!(frames, expected.map(|(second, text)| (second, Bytes::from_static(text))));
    }
}
