//! Bodies of an app's code, which are polled by the connection, after their request was answered.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tracing::Span;

use crate::error::Error;
use crate::panics::catching_panics;

/// A body that is polled in the span in which it was made, so that its lines in the log have their request's id. A panic
/// in it becomes an error.
pub(crate) struct Watched<B> {
    /// `None` after a panic.
    body: Option<Pin<Box<B>>>,
    span: Span,
}

impl<B> Watched<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body: Some(Box::pin(body)), span: Span::current() }
    }
}

impl<B: Body<Data = Bytes, Error = Error>> Body for Watched<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self { body, span } = &mut *self;
        let Some(polled) = body else { return Poll::Ready(None) };
        let _entered = span.enter();
        catching_panics(|| polled.as_mut().poll_frame(cx)).unwrap_or_else(|panicked| {
            *body = None;
            Poll::Ready(Some(Err(panicked)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
