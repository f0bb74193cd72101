//! A connection's bytes, and the patience with whoever is at its other end.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Bytes that the system takes of us and has not sent yet. Without such a bound it takes megabytes, and then takes nothing
/// for as long as a slow reader needs for a third of them; with it, it takes more whenever the client has taken some.
const UNSENT_BYTES: u32 = 16 * 1024;
/// A client's system does not tell of every byte that is read, but makes room when much of its buffer is empty: 128 KB and
/// more, half a minute at 5 KB/s. A proxy that buffers nothing itself waits for its own client's system. So it takes several
/// times the limit without a sign of either to call one dead.
const SPANS: u32 = 4;
/// How long a client may be silent, and how long it may go on sending, after our side is shut.
const LINGER_SILENCE: Duration = Duration::from_millis(500);
const LINGER: Duration = Duration::from_secs(5);
/// A head and its page up to this size are copied together: to send one piece costs the system a quarter of a
/// microsecond less than to gather two, and to copy 4 KB a tenth.
const COPIED_BYTES: usize = 4096;

thread_local! {
    /// Where they are copied together.
    static WHOLE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A TCP stream that gives up on a client who reads nothing, and at the end hears one out who still sends.
///
/// Closing a socket with unread bytes in it resets the connection, and the reset may overtake the answer: the visitor
/// with a large upload would see a broken connection instead of the 413.
pub(crate) struct Socket {
    stream: TcpStream,
    /// How long a write may make no progress.
    patience: Duration,
    /// Runs while a write, or at the end a read, waits.
    timer: Option<Pin<Box<Sleep>>>,
    /// When to stop listening; set once our side is shut.
    end: Option<Instant>,
}

impl Socket {
    /// Gives up on a client that takes nothing for four times as long as `idle`.
    pub(crate) fn new(stream: TcpStream, idle: Duration) -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = socket2::SockRef::from(&stream).set_send_buffer_size(4 * UNSENT_BYTES as usize);
        Self { stream, patience: idle.saturating_mul(SPANS), timer: None, end: None }
    }

    /// Passes `progress` on, unless there has been none for too long.
    fn or_give_up<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.timer = None;
            return progress;
        }
        ready!(self.poll_waited(cx, self.patience));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
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
        Pin::new(&mut self.stream).poll_read(cx, buf)
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
