//! Sessions for which a request wants to know when they are over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use waxseal_crypto::Limits;
use waxseal_store::{Lifespan, RecordKey, Timestamp};

use crate::end_reason::EndReason;
use crate::origin::{COOKIE_ID_BYTES, Origin};
use crate::revocations::question::Question;

/// The most questions about watched sessions under way at once. They must not use up the store's concurrency limit.
const MAX_QUESTIONS: usize = 64;
/// About the time that a store takes to answer.
const ROUND: Duration = Duration::from_millis(10);

/// A watched session; from [`SessionManager::watch`](crate::SessionManager::watch). All requests that watch a session
/// under the same id share one watch, and so its questions to the store.
pub struct Watch {
    id: WatchedId,
    pub(crate) subject: Subject,
    known: Mutex<Known>,
    all: Arc<Watches>,
}

/// A session by one of its ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WatchedId {
    Cookie([u8; COOKIE_ID_BYTES]),
    Record(RecordKey),
}

/// The session, with what is needed to ask about it.
pub(crate) enum Subject {
    /// A token that holds the whole session.
    Token {
        question: Option<Question>,
    },
    Record {
        key: RecordKey,
        owner: Option<String>,
        limits: Limits,
    },
}

/// What is known about a watched session.
#[derive(Clone, Copy)]
pub(crate) struct Known {
    pub(crate) over: Option<EndReason>,
    /// The last time at which the session was known to be alive.
    pub(crate) good_at: Timestamp,
    /// The time from which the store may be asked again.
    pub(crate) ask_at: Timestamp,
    /// The record's lifespan according to the last answer.
    pub(crate) life: Option<Lifespan>,
    /// When the newest token that holds the whole session ends.
    pub(crate) token_end: Option<Timestamp>,
}

/// The watched sessions of one manager.
#[derive(Default)]
pub(crate) struct Watches {
    by_id: Mutex<HashMap<WatchedId, Weak<Watch>>>,
    count: AtomicUsize,
    questions: AtomicUsize,
    /// Questions that could not be asked because too many were under way.
    refused: AtomicUsize,
}

impl Watch {
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing can panic while the lock is held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the session is over. The first reason is kept.
    pub(crate) fn end(&self, reason: EndReason) -> EndReason {
        *self.known().over.get_or_insert(reason)
    }
}

impl Watches {
    /// The watch of this session. If nobody watches it yet, a new one for `subject`.
    pub(crate) fn watch(self: &Arc<Self>, id: WatchedId, subject: Subject, known: Known) -> Arc<Watch> {
        let mut by_id = self.lock();
        if let Some(watch) = by_id.get(&id).and_then(Weak::upgrade) {
            let newest = watch.known().token_end.max(known.token_end);
            watch.known().token_end = newest;
            return watch;
        }
        let watch = Arc::new(Watch { id, subject, known: Mutex::new(known), all: Arc::clone(self) });
        by_id.insert(id, Arc::downgrade(&watch));
        self.count.store(by_id.len(), Ordering::Release);
        watch
    }

    /// Tells those who watch the session of `origin` that this process has ended or renewed it.
    pub(crate) fn tell(&self, origin: &Origin, reason: EndReason) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let Some(id) = WatchedId::of(origin) else { return };
        let watch = self.lock().get(&id).and_then(Weak::upgrade);
        if let Some(watch) = watch {
            watch.end(reason);
        }
    }

    /// Takes a place among those that ask the store. `None` if there are too many.
    pub(crate) fn asking(&self) -> Option<Asking<'_>> {
        let before = self.questions.fetch_add(1, Ordering::AcqRel);
        let asking = Asking(&self.questions);
        (before < MAX_QUESTIONS).then_some(asking)
    }

    /// How long to wait before a question that was refused is tried again. The refused ones come back in turns, each
    /// time as many as may ask at once. So nobody spins, and all get their turn, however many they are.
    pub(crate) fn next_try(&self) -> Duration {
        let watched = self.count.load(Ordering::Acquire).max(1);
        let before = self.refused.fetch_add(1, Ordering::Relaxed) % watched;
        let rounds = u32::try_from(1 + before / MAX_QUESTIONS).unwrap_or(u32::MAX);
        ROUND.saturating_mul(rounds)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WatchedId, Weak<Watch>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those that ask the store.
pub(crate) struct Asking<'a>(&'a AtomicUsize);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl WatchedId {
    /// `None` for a foreign session, which was shown to nobody.
    pub(crate) fn of(origin: &Origin) -> Option<Self> {
        match origin {
            Origin::Cookie(token) => Some(Self::Cookie(token.id)),
            Origin::Record(record) => Some(Self::Record(record.id.key())),
            Origin::Foreign(_) => None,
        }
    }
}

/// The last request that watches a session removes it from the list.
impl Drop for Watch {
    fn drop(&mut self) {
        let mut by_id = self.all.lock();
        // Another watch of the session may have begun meanwhile.
        if by_id.get(&self.id).is_some_and(|watch| watch.strong_count() == 0) {
            by_id.remove(&self.id);
            self.all.count.store(by_id.len(), Ordering::Release);
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("over", &self.known().over).finish_non_exhaustive()
    }
}
