//! Bodies that have to come at a minimum rate.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use crate::body::Body;
use crate::error::Error;

/// How long the server waits for a client in all before its rate counts.
const PATIENCE: Duration = Duration::from_secs(5);

impl Body {
    /// This body, which must bring `rate` bytes a second while it is waited for, once it was waited for 5 s in all.
    /// Otherwise it fails with [`Error::TooSlow`]. 0 for no limit.
    ///
    /// Time that the reader itself takes does not count. A body of which nothing comes is not detected here; that is
    /// what the idle time is for.
    #[must_use]
    pub fn at_least(self, rate: u32) -> Self {
        if rate == 0 || self.is_end_stream() {
            return self;
        }
        Self::boxed(Paced { body: self, rate, bytes: 0, waited: Duration::ZERO, since: None })
    }
}

struct Paced {
    body: Body,
    rate: u32,
    bytes: u64,
    /// The time waited before the current wait.
    waited: Duration,
    /// The start of the current wait.
    since: Option<Instant>,
}

impl Paced {
    fn is_too_slow(&self) -> bool {
        let due = self.waited.as_secs_f64() * f64::from(self.rate);
        self.waited > PATIENCE && (self.bytes as f64) < due
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending() {
            self.since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        }
        let frame = ready!(polled);
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        if let Some(Ok(frame)) = &frame {
            self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if self.is_too_slow() {
                return Poll::Ready(Some(Err(Error::TooSlow { rate: self.rate })));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use http_body_util::channel::Channel;

    const IDLE: Duration = Duration::from_secs(15);

    /// The result for a body in pieces of `bytes` bytes, each `pause` after the one before.
    async fn sent(rate: u32, pieces: usize, bytes: usize, pause: Duration) -> Result<Bytes, Error> {
        let (mut sender, channel) = Channel::<Bytes, Error>::new(1);
        tokio::spawn(async move {
            for _ in 0..pieces {
                tokio::time::sleep(pause).await;
                let _ = sender.send_data(vec![b'x'; bytes].into()).await;
            }
        });
        Body::boxed(channel).at_least(rate).collect(1 << 20, IDLE).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_is_refused_and_whoever_is_quick_enough_is_not() {
        let second = Duration::from_secs(1);
        for (case, rate, pieces, bytes, pause, passes) in [
            ("a drip", 100, 100, 1, second, false),
            ("a drip with no rule", 0, 100, 1, second, true),
            ("just enough", 100, 100, 101, second, true),
            ("a little slower", 100, 100, 99, second, false),
            ("slow for less than five seconds", 100, 4, 1, second, true),
            ("in large pieces, far apart", 100, 5, 2000, 14 * second, true),
            ("small ones, far apart", 100, 5, 500, 14 * second, false),
        ] {
            let answer = sent(rate, pieces, bytes, pause).await;
            match answer {
                Ok(body) => assert!(passes && body.len() == pieces * bytes, "{case}"),
                Err(error) => {
                    assert!(!passes, "{case}: {error}");
                    assert_eq!(error.status(), StatusCode::REQUEST_TIMEOUT, "{case}");
                    assert!(matches!(error, Error::TooSlow { rate: 100 }), "{case}: {error}");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_the_clients_fault() {
        let (mut sender, channel) = Channel::<Bytes, Error>::new(3);
        for _ in 0..3 {
            sender.send_data(Bytes::from_static(b"x")).await.unwrap();
        }
        drop(sender);
        let mut body = Body::boxed(channel).at_least(1000);
        let mut frames = 0;
        while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
            frame.unwrap();
            frames += 1;
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        assert_eq!(frames, 3);
    }
}
