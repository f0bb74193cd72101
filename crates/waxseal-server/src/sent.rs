//! The body of an answer on its way to the client, which counts its bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Body;
use crate::error::Error;
use crate::traffic::{TRAFFIC, count};

/// An answer's body, wrapped where it leaves the server: a body within another one, or one that a handler reads itself,
/// is not sent.
pub(crate) struct SentBody(pub(crate) Body);

impl http_body::Body for SentBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = Pin::new(&mut self.0).poll_frame(cx);
        next.map(|next| next.inspect(|frame| count(&TRAFFIC.sent, frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
