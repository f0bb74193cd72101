//! The body of a response: that of the inner service, or a text of the layer.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response behind a [`SessionLayer`](crate::SessionLayer): that of the inner service, or a short
    /// text that says why the layer refused the request.
    ///
    /// It is a [`Body`] with the data and error types of the inner one. The data type must implement `From<Bytes>`.
    /// Nearly all bodies satisfy this, since their data is `Bytes`.
    #[derive(Debug)]
    pub struct SessionBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = KindProjection]
    enum Kind<B> {
        Inner { #[pin] body: B },
        // Boxed, so that it does not enlarge every response. `None` once it was sent.
        Text { text: Option<Box<Bytes>> },
    }
}

/// An empty body, for layers that respond by themselves.
impl<B> Default for SessionBody<B> {
    fn default() -> Self {
        Self { kind: Kind::Text { text: None } }
    }
}

impl<B> SessionBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(crate) fn text(text: String) -> Self {
        Self { kind: Kind::Text { text: Some(Box::new(text.into())) } }
    }
}

impl<B: Body<Data: From<Bytes>>> Body for SessionBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(context),
            KindProjection::Text { text } => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data((*text).into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Text { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Text { text } => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len()) as u64),
        }
    }
}
