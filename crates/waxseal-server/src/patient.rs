//! A stream that gives up on clients that take nothing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How many bytes a client may take in one `limit`, 3.3 KB/s with the default of 15 s. The client's system does not
/// report each byte that is read: it fills a buffer of 128 KB, or of megabytes, and takes more when that is nearly
/// empty. A proxy that does not buffer waits for its own client. So a client gets time to read everything that it took.
const BYTES_A_LIMIT: u64 = 48 * 1024;
/// The most `limit`s that a client can have in advance, whatever it took.
const MOST_LIMITS: u32 = 16;

/// A stream that gives up on a client that takes nothing.
///
/// It stands below TLS, which takes what is written before the client does, and then waits for the client when it is
/// flushed or shut. Here every wait is a write, and only what the client took counts.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    /// How long a write may make no progress, at least.
    limit: Duration,
    /// Bytes that the client took and for which it has not been given time yet.
    taken: u64,
    /// Until when the client may read what it took before those bytes.
    read_by: Option<Instant>,
    /// Runs while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Waits without limit until there [is one](Self::give_up_after).
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, limit: Duration::MAX, taken: 0, read_by: None, timer: None }
    }

    pub(crate) fn give_up_after(&mut self, limit: Duration) {
        self.limit = limit;
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Returns `progress`, unless there has been none for too long.
    fn or_give_up(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = progress {
            self.timer = None;
            self.taken = self.taken.saturating_add(*written.as_ref().unwrap_or(&0) as u64);
            return Poll::Ready(written);
        }
        let patience = if self.timer.is_none() { self.patience() } else { Duration::ZERO };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }

    /// How long to wait for the client from now on. Computed only if there is a wait, so that other writes do not read
    /// the clock.
    fn patience(&mut self) -> Duration {
        let now = Instant::now();
        let left = self.read_by.map_or(Duration::ZERO, |end| end.saturating_duration_since(now));
        let limits = (self.taken / BYTES_A_LIMIT).min(MOST_LIMITS.into()) as u32;
        self.taken %= BYTES_A_LIMIT;
        let time = left.saturating_add(self.limit.saturating_mul(limits));
        let time = time.min(self.limit.saturating_mul(MOST_LIMITS));
        self.read_by = now.checked_add(time);
        time.max(self.limit)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.or_give_up(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.or_give_up(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    /// How long a client is waited for that took so many bytes at once and then takes none.
    async fn waited_for(taken: usize) -> Duration {
        let (ours, _theirs) = tokio::io::duplex(taken.max(1));
        let mut patient = Patient::new(ours);
        patient.give_up_after(LIMIT);
        if taken == 0 {
            patient.stream.write_all(b"a").await.unwrap();
        } else {
            patient.write_all(&vec![0; taken]).await.unwrap();
        }
        let began = Instant::now();
        assert_eq!(patient.write_all(b"more").await.unwrap_err().kind(), io::ErrorKind::TimedOut, "{taken}");
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_time_to_read_what_its_system_took() {
        for (kilobytes, limits) in [(0, 1), (47, 1), (48, 1), (96, 2), (480, 10), (768, 16), (4096, 16)] {
            let waited = waited_for(kilobytes * 1024).await;
            assert_eq!(waited.as_secs(), LIMIT.as_secs() * limits, "{kilobytes} KB");
        }
    }

    /// As a slow reader's system does: it takes much, and then nothing until all of that is read.
    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_gets_everything() {
        const STEP: usize = 480 * 1024;
        let (ours, mut theirs) = tokio::io::duplex(STEP);
        let mut patient = Patient::new(ours);
        patient.give_up_after(LIMIT);
        let reader = tokio::spawn(async move {
            let mut taken = vec![0; STEP];
            for _ in 0..4 {
                tokio::time::sleep(LIMIT * 9).await;
                theirs.read_exact(&mut taken).await.unwrap();
            }
        });
        patient.write_all(&vec![0; 4 * STEP]).await.unwrap();
        drop(patient);
        reader.await.unwrap();
    }
}
