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
        inner: Option<B>,
        text: Option<Bytes>,
    }
}

/// An empty body, for layers that respond by themselves.
impl<B> Default for SessionBody<B> {
    fn default() -> Self {
        Self { inner: None, text: None }
    }
}

impl<B> SessionBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { inner: Some(body), text: None }
    }

    pub(crate) fn text(text: String) -> Self {
        Self { inner: None, text: Some(text.into()) }
    }
}

impl<B: Body<Data: From<Bytes>>> Body for SessionBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(body) => body.poll_frame(context),
            None => Poll::Ready(this.text.take().map(|text| Ok(Frame::data(text.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().map_or(self.text.is_none(), B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let text = || SizeHint::with_exact(self.text.as_ref().map_or(0, Bytes::len) as u64);
        self.inner.as_ref().map_or_else(text, B::size_hint)
    }
}
