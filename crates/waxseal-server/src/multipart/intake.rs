//! A body on its way into the parser: counted, and in small helpings.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body as _;

use crate::body::Body;
use crate::error::Error;

/// Bytes of one part's head: a name, a file's name, a type. Each end that a parser looks for costs a look at all that
/// came so far, so there is no room for a long one.
const MAX_HEAD_BYTES: u64 = 8 * 1024;
/// Bytes that the parser gets at a time. It looks for a part's head in all that it holds.
const HELPING_BYTES: usize = 16 * 1024;

/// The bytes that the parser may still be given; shared with the code that drives it.
#[derive(Clone)]
pub(super) struct Allowance(Arc<Counts>);

struct Counts {
    total: u64,
    fed: AtomicU64,
    /// The parser may not be fed beyond this before it has found a part's head.
    head_end: AtomicU64,
}

impl Allowance {
    pub(super) fn new(total: u64) -> Self {
        Self(Arc::new(Counts { total, fed: AtomicU64::new(0), head_end: AtomicU64::new(u64::MAX) }))
    }

    /// Limits the bytes until the next part's head is found.
    pub(super) fn head(&self) {
        let end = self.0.fed.load(Ordering::Relaxed).saturating_add(MAX_HEAD_BYTES);
        self.0.head_end.store(end, Ordering::Relaxed);
    }

    /// Lifts the limit of [`head`](Self::head) when the head is found: the total limits what follows.
    pub(super) fn rest(&self) {
        self.0.head_end.store(u64::MAX, Ordering::Relaxed);
    }

    fn feed(&self, bytes: usize) -> Result<(), Error> {
        let before = self.0.fed.fetch_add(bytes as u64, Ordering::Relaxed);
        if before.saturating_add(bytes as u64) > self.0.total {
            return Err(Error::TooLarge { limit: self.0.total });
        }
        // The last helping may hold the end of the head and a lot behind it.
        if before >= self.0.head_end.load(Ordering::Relaxed) {
            return Err(Error::PartHead { limit: MAX_HEAD_BYTES });
        }
        Ok(())
    }
}

/// A body as the parser's stream, which waits after each helping and is ready again at once.
///
/// The parser reads its stream until that has to wait, so that all of a fast upload would end in memory.
pub(super) struct Intake {
    body: Body,
    waiting: Bytes,
    fed: bool,
    allowance: Allowance,
}

impl Intake {
    pub(super) fn new(body: Body, allowance: Allowance) -> Self {
        Self { body, waiting: Bytes::new(), fed: false, allowance }
    }
}

impl Stream for Intake {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.fed) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.waiting.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => self.waiting = frame.into_data().unwrap_or_default(),
            }
        }
        let helping = self.waiting.len().min(HELPING_BYTES);
        let helping = self.waiting.split_to(helping);
        self.fed = true;
        let fed = self.allowance.feed(helping.len());
        Poll::Ready(Some(fed.map(|()| helping)))
    }
}
