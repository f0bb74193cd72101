//! Feeds a body to the parser: counted, and in small pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body as _;

use crate::body::Body;
use crate::error::Error;

/// The longest head of a part, in bytes: a name, a file name, a type. After each piece the parser searches everything
/// that it holds for the end of the head, so long heads would be slow.
const MAX_HEAD_BYTES: u64 = 8 * 1024;
/// How many bytes the parser gets at a time. It searches everything that it holds for a part's head.
const HELPING_BYTES: usize = 16 * 1024;

/// How many bytes the parser may still get. Shared with the code that drives it.
#[derive(Clone)]
pub(super) struct Allowance(Arc<Counts>);

struct Counts {
    total: u64,
    fed: AtomicU64,
    /// The parser gets no more bytes after this position before it has found a part's head.
    head_end: AtomicU64,
}

impl Allowance {
    pub(super) fn new(total: u64) -> Self {
        Self(Arc::new(Counts { total, fed: AtomicU64::new(0), head_end: AtomicU64::new(u64::MAX) }))
    }

    /// Limits the bytes until the next head of a part is found.
    pub(super) fn head(&self) {
        let end = self.0.fed.load(Ordering::Relaxed).saturating_add(MAX_HEAD_BYTES);
        self.0.head_end.store(end, Ordering::Relaxed);
    }

    /// Lifts the limit of [`head`](Self::head) when the head is found. Only the total limits what follows.
    pub(super) fn rest(&self) {
        self.0.head_end.store(u64::MAX, Ordering::Relaxed);
    }

    fn feed(&self, bytes: usize) -> Result<(), Error> {
        let before = self.0.fed.fetch_add(bytes as u64, Ordering::Relaxed);
        if before.saturating_add(bytes as u64) > self.0.total {
            return Err(Error::TooLarge { limit: self.0.total });
        }
        // The last piece may hold the end of the head and a lot after it.
        if before >= self.0.head_end.load(Ordering::Relaxed) {
            return Err(Error::PartHead { limit: MAX_HEAD_BYTES });
        }
        Ok(())
    }
}

/// A body as the parser's stream. After each piece it waits once, and is ready again at once.
///
/// The parser reads its stream until that has to wait, so without this a fast upload would end up in memory completely.
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
