//! The body of a response on its way to the client. Its bytes are counted.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Body;
use crate::error::Error;
use crate::traffic::{TRAFFIC, count};

/// A response's body, wrapped where it leaves the server. A body inside another one, or one that a handler reads
/// itself, is not sent.
pub(crate) struct SentBody {
    pub(crate) body: Body,
    pub(crate) is_counted: bool,
}

impl http_body::Body for SentBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        match self.is_counted {
            true => next.map(|next| next.inspect(|frame| count(&TRAFFIC.sent, frame))),
            false => next,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
