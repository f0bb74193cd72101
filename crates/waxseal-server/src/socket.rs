//! A stream as hyper uses it: it notes what comes, and keeps reading for a while at its end.

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

/// A stream that tells what comes to those who judge it. At the end, it keeps reading from a client that is still sending.
///
/// Closing a socket with unread bytes resets the connection, and the reset may overtake the response: a visitor with a
/// large upload would see a broken connection instead of the 413.
pub(crate) struct Socket {
    stream: Transport,
    /// Is told when bytes come.
    heads: HeadTimer,
    /// Is given the bytes that come.
    framing: Framing,
    /// Runs while a read waits at the end.
    silence: Option<Pin<Box<Sleep>>>,
    /// Until when to keep reading; set once our side is shut.
    end: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(stream: Transport, heads: HeadTimer, framing: Framing) -> Self {
        Self { stream, heads, framing, silence: None, end: None }
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
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        let stream = Pin::new(&mut self.stream);
        match slices {
            [one] => stream.poll_write(cx, one),
            _ if bytes <= COPIED_BYTES => WHOLE.with_borrow_mut(|whole| {
                whole.clear();
                slices.iter().for_each(|slice| whole.extend_from_slice(slice));
                stream.poll_write(cx, whole)
            }),
            _ => stream.poll_write_vectored(cx, slices),
        }
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
                *self.end.insert(Instant::now() + LINGER)
            }
        };
        let mut unwanted = [0; 4096];
        while Instant::now() < end {
            let mut buf = ReadBuf::new(&mut unwanted);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.silence = None,
                Poll::Ready(_) => break,
                Poll::Pending => {
                    let silence = || Box::pin(tokio::time::sleep(LINGER_SILENCE));
                    ready!(self.silence.get_or_insert_with(silence).as_mut().poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
