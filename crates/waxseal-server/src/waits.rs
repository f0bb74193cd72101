//! How long a body was waited for.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::body::Body;
use crate::error::Error;

/// The time for which a [body](Body::with_waits) was waited for. Clones are about the same body.
#[derive(Clone, Debug, Default)]
pub struct Waits(Arc<Mutex<Waited>>);

#[derive(Debug, Default)]
struct Waited {
    /// The time waited before the current wait.
    before: Duration,
    /// The start of the current wait.
    since: Option<Instant>,
}

impl Waits {
    /// The whole time, up to now or to when the body was dropped. Time that the reader itself takes does not count.
    #[must_use]
    pub fn total(&self) -> Duration {
        let Waited { before, since } = *self.lock();
        before + since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn begin(&self) {
        self.lock().since.get_or_insert_with(Instant::now);
    }

    fn end(&self) {
        let mut waited = self.lock();
        if let Some(since) = waited.since.take() {
            waited.before += since.elapsed();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body {
    /// This body, and how long it is waited for: with a [timeout](crate::timeout_catching_panics) around the request, it
    /// tells a slow client from a slow handler.
    #[must_use]
    pub fn with_waits(self) -> (Self, Waits) {
        let waits = Waits::default();
        (Self::boxed(WaitedFor { body: self, waits: waits.clone() }), waits)
    }
}

struct WaitedFor {
    body: Body,
    waits: Waits,
}

impl http_body::Body for WaitedFor {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled.is_pending() {
            true => self.waits.begin(),
            false => self.waits.end(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for WaitedFor {
    fn drop(&mut self) {
        self.waits.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use http_body_util::channel::Channel;
    use tokio::time::{sleep, timeout};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_clients_time_counts_and_the_readers_does_not() {
        let (mut sender, channel) = Channel::<Bytes, Error>::new(1);
        let (mut body, waits) = Body::boxed(channel).with_waits();
        let total = || waits.total().as_secs();
        assert!(timeout(2 * SECOND, body.frame()).await.is_err());
        assert_eq!(total(), 2, "it is still waited for");
        sender.send_data(Bytes::from_static(b"x")).await.unwrap();
        body.frame().await.unwrap().unwrap();
        sleep(60 * SECOND).await;
        assert_eq!(total(), 2, "it has come");
        assert!(timeout(3 * SECOND, body.frame()).await.is_err());
        drop(body);
        sleep(60 * SECOND).await;
        assert_eq!(total(), 5, "nobody waits for it any longer");
    }
}
