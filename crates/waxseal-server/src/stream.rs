//! Bodies from streams, produced while they are sent.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;

use crate::body::Body;

impl Body {
    /// A body made of the pieces of a stream. Its length is not announced.
    ///
    /// The head is sent before the first piece. If the stream fails, the response is cut short, so that the browser
    /// notices that it is incomplete, and the error is logged.
    ///
    /// # Example
    ///
    /// ```
    /// use std::{convert::Infallible, time::Duration};
    /// use futures_util::stream;
    /// use waxseal_server::Body;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let body = Body::stream(stream::iter(["abra", "cadabra"].map(Ok::<_, Infallible>)));
    /// assert_eq!(body.collect(1024, Duration::from_secs(15)).await?, "abracadabra");
    /// # Ok::<(), waxseal_server::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn stream<S, D, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<D, E>> + Send + 'static,
        D: Into<Bytes>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::boxed(Streamed(Box::pin(stream)))
    }
}

struct Streamed<S>(Pin<Box<S>>);

impl<S, D, E> http_body::Body for Streamed<S>
where
    S: Stream<Item = Result<D, E>>,
    D: Into<Bytes>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.as_mut().poll_next(cx).map(|next| {
            next.map(|piece| {
                piece.map(|data| Frame::data(data.into())).map_err(|error| {
                    let error = error.into();
                    tracing::error!(
                        error = &*error as &(dyn Error + 'static),
                        "a streamed body failed; its answer ends here"
                    );
                    error
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_stream_that_fails_is_no_whole_body() {
        let pieces = [Ok("ink"), Err(std::io::Error::other("the pot is empty"))];
        let body = Body::stream(futures_util::stream::iter(pieces));
        let error = body.collect(1024, Duration::from_secs(15)).await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "the pot is empty");
    }
}
