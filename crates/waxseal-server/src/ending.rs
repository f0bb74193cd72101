//! Bodies that end when a future is ready.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::body::Body;
use crate::error::Error;

impl Body {
    /// This body until `end` is ready. It then ends as if it were complete, between two frames. Use it only for bodies
    /// that are never complete, such as events: with any other body, the client would take a part for the whole.
    ///
    /// # Example
    ///
    /// ```
    /// use std::{convert::Infallible, future::ready, time::Duration};
    /// use futures_util::stream;
    /// use waxseal_server::Body;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let endless = Body::stream(stream::repeat("tick ").map(Ok::<_, Infallible>));
    /// # use futures_util::StreamExt;
    /// assert_eq!(endless.ended_by(ready(())).collect(1024, Duration::from_secs(15)).await?, "");
    /// # Ok::<(), waxseal_server::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn ended_by(self, end: impl Future<Output: Send> + Send + 'static) -> Self {
        Self::boxed(Ending { body: self, end: Some(boxed(end)), cuts: false })
    }

    /// This body until `end` is ready. It is then cut short with [`Error::Cut`], so that the client notices that it is
    /// incomplete.
    #[must_use]
    pub fn cut_by(self, end: impl Future<Output: Send> + Send + 'static) -> Self {
        Self::boxed(Ending { body: self, end: Some(boxed(end)), cuts: true })
    }
}

type End = Pin<Box<dyn Future<Output = ()> + Send>>;

fn boxed(end: impl Future<Output: Send> + Send + 'static) -> End {
    Box::pin(async move { drop(end.await) })
}

struct Ending {
    body: Body,
    /// `None` once it was ready.
    end: Option<End>,
    cuts: bool,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        if end.as_mut().poll(cx).is_pending() {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        self.end = None;
        // What the body holds is dropped now, not when the client has taken what is on its way.
        self.body = Body::empty();
        Poll::Ready(self.cuts.then_some(Err(Error::Cut)))
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none() && !self.cuts || self.end.is_some() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // A body that may end early as if it were complete announces no length.
        if self.cuts { self.body.size_hint() } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::stream;
    use http_body::Body as _;
    use http_body_util::BodyExt;
    use tokio::sync::oneshot;

    fn ticks() -> Body {
        let tick = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Some((Ok::<_, Infallible>("tick"), ()))
        });
        Body::stream(tick)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_goes_on_until_its_end_comes() {
        for cuts in [false, true] {
            let (end, ended) = oneshot::channel::<()>();
            let mut body = if cuts { ticks().cut_by(ended) } else { ticks().ended_by(ended) };
            for _ in 0..3 {
                assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "tick");
            }
            let since = tokio::time::Instant::now();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(4)).await;
                end.send(())
            });
            match body.frame().await {
                None => assert!(!cuts, "as if it were complete"),
                Some(frame) => assert!(cuts && matches!(frame, Err(Error::Cut)), "{frame:?}"),
            }
            assert_eq!(since.elapsed().as_secs(), 4);
            assert!(body.frame().await.is_none());
            assert_eq!(body.is_end_stream(), !cuts);
        }
    }

    #[tokio::test]
    async fn a_body_that_is_complete_before_is_whole() {
        let whole = Body::from("abracadabra").cut_by(std::future::pending::<()>());
        assert_eq!(whole.size_hint().exact(), Some(11), "a length is still announced");
        assert_eq!(whole.collect(1024, Duration::from_secs(15)).await.unwrap(), "abracadabra");
        assert_eq!(Body::from("tick").ended_by(std::future::pending::<()>()).size_hint().exact(), None);
    }

    #[tokio::test]
    async fn a_body_that_was_cut_is_never_taken_for_whole() {
        let cut = Body::from("abracadabra").cut_by(std::future::ready(()));
        let error = cut.collect(1024, Duration::from_secs(15)).await.unwrap_err();
        assert!(matches!(error, Error::Cut), "{error}");
    }
}
