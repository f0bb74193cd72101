//! How long a body was waited for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time for which a [body](crate::body::Body) was waited for. Clones are about the same body.
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

/// The body's side: its wait ends at the latest when the body is dropped.
pub(crate) struct Waiting {
    waits: Waits,
    /// `true` during a wait. Most bodies are there when they are asked for.
    is_pending: bool,
}

impl Waiting {
    pub(crate) fn new(waits: Waits) -> Self {
        Self { waits, is_pending: false }
    }

    /// Notes that the body was polled, and whether it `is_pending`.
    pub(crate) fn note(&mut self, is_pending: bool) {
        match (self.is_pending, is_pending) {
            (false, true) => self.waits.begin(),
            (true, false) => self.waits.end(),
            _ => {}
        }
        self.is_pending = is_pending;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.note(false);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::BodyExt;
    use http_body_util::channel::Channel;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::body::Body;
    use crate::error::Error;

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
