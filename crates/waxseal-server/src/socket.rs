//! A stream that gives up on clients that take nothing.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::framing::Framing;
use crate::head_timer::HeadTimer;
use crate::transport::Transport;

/// The most bytes that the system may hold without having sent them. Without this limit it takes megabytes at once, and
/// then nothing for as long as a slow reader needs for a third of them. With the limit, it takes more whenever the
/// client has taken some.
const UNSENT_BYTES: u32 = 16 * 1024;
/// How many bytes a client may take in one `limit`, 3.3 KB/s with the default of 15 s. The client's system does not
/// report each byte that is read: it fills a buffer of 128 KB, or of megabytes, and takes more when that is nearly
/// empty. A proxy that does not buffer waits for its own client. So a client gets time to read everything that it took.
const BYTES_A_LIMIT: u64 = 48 * 1024;
/// The most `limit`s that a client can have in advance, whatever it took.
const MOST_LIMITS: u32 = 16;
/// After our side is shut, the connection ends if the client sends nothing for this long.
const LINGER_SILENCE: Duration = Duration::from_millis(500);
/// How long a client may go on sending after our side is shut.
const LINGER: Duration = Duration::from_secs(5);
/// A head and its page up to this size are copied together. Sending one piece costs the system a quarter of a
/// microsecond less than gathering two, and copying 4 KB costs a tenth of a microsecond.
const COPIED_BYTES: usize = 4096;

thread_local! {
    /// The buffer in which a head and its page are copied together.
    static WHOLE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A stream that gives up on a client that takes nothing. At the end, it keeps reading from a client that is still
/// sending.
///
/// Closing a socket with unread bytes resets the connection, and the reset may overtake the response: a visitor with a
/// large upload would see a broken connection instead of the 413.
pub(crate) struct Socket {
    stream: Transport,
    /// Is told when bytes come.
    heads: HeadTimer,
    /// Is given the bytes that come.
    framing: Framing,
    /// How long a write may make no progress, at least.
    limit: Duration,
    /// Bytes that the client took and for which it has not been given time yet.
    taken: u64,
    /// Until when the client may read what it took before those bytes.
    read_by: Option<Instant>,
    /// Runs while a write waits, or a read at the end.
    timer: Option<Pin<Box<Sleep>>>,
    /// Until when to keep reading; set once our side is shut.
    end: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(stream: Transport, limit: Duration, heads: HeadTimer, framing: Framing) -> Self {
        stream.hold_little_back(UNSENT_BYTES);
        Self { stream, heads, framing, limit, taken: 0, read_by: None, timer: None, end: None }
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
        ready!(self.poll_waited(cx, patience));
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

    fn poll_waited(&mut self, cx: &mut Context<'_>, wait: Duration) -> Poll<()> {
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait))).as_mut().poll(cx)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = &buf.filled()[before..];
        if !came.is_empty() {
            self.heads.received();
            self.framing.read(came);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.or_give_up(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        let stream = Pin::new(&mut self.stream);
        let progress = match slices {
            [one] => stream.poll_write(cx, one),
            _ if bytes <= COPIED_BYTES => WHOLE.with_borrow_mut(|whole| {
                whole.clear();
                slices.iter().for_each(|slice| whole.extend_from_slice(slice));
                stream.poll_write(cx, whole)
            }),
            _ => stream.poll_write_vectored(cx, slices),
        };
        self.or_give_up(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = match self.end {
            Some(end) => end,
            None => {
                ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                self.timer = None;
                *self.end.insert(Instant::now() + LINGER)
            }
        };
        let mut unwanted = [0; 4096];
        while Instant::now() < end {
            let mut buf = ReadBuf::new(&mut unwanted);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.timer = None,
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(self.poll_waited(cx, LINGER_SILENCE));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
