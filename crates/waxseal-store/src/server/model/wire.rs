//! The way to the store: every call is done, answered, lost, delayed or doubled when the case says so.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use super::clock::Clock;
use super::truth::Truth;
use crate::record::{Creation, Cursor, Found, Lifespan, Listed, Page, Record, RecordHead, Swap};
use crate::{Fault, MemoryStore, PublicId, RecordKey, Revision, SessionStore, Timestamp};

/// What all processes' lines lead to.
pub(super) struct Wire {
    store: MemoryStore,
    pub(super) calls: Vec<Call>,
    pub(super) truth: Truth,
    pub(super) is_away: bool,
    /// The request whose future is being polled, and whether it still waits for its session.
    pub(super) request: usize,
    pub(super) is_loading: bool,
}

/// A call under way, or one that was.
pub(super) struct Call {
    pub(super) process: usize,
    pub(super) request: usize,
    pub(super) kind: Kind,
    pub(super) key: Option<RecordKey>,
    /// It was made to load a session.
    pub(super) is_loading: bool,
    /// The caller's time before it was sent.
    pub(super) asked: Timestamp,
    /// The true time of that.
    pub(super) sent: u64,
    work: Box<dyn FnMut(&MemoryStore) -> Told + Send>,
    fate: Arc<Mutex<Fate>>,
    /// What it told, once it was done, and the true time of that.
    pub(super) told: Option<Told>,
    pub(super) done: Option<u64>,
    /// It met a store that was away, and will never be done.
    is_dropped: bool,
    /// When the caller heard of it, and whether it heard the answer.
    pub(super) heard: Option<(u64, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Load,
    ConfirmedAt,
    Create,
    Update,
    Touch,
    Renew,
    Delete,
    Rewrap,
    Owned,
    End,
    EndAll,
}

impl Kind {
    /// Whether it makes or changes a session.
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Renew)
    }
}

/// What the store has said of a record, or written at its caller's wish.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    pub(super) key: Option<RecordKey>,
    pub(super) revision: Option<Revision>,
    pub(super) last_seen: Option<Timestamp>,
    /// There is nothing under `key`.
    pub(super) is_absent: bool,
    /// Under `key` there is something from now on that was not there before.
    pub(super) made: bool,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Answered,
    Lost,
}

#[derive(Debug, thiserror::Error)]
#[error("the wire is cut")]
pub(super) struct Cut;

impl Wire {
    pub(super) fn new() -> Self {
        let (store, truth) = (MemoryStore::new(), Truth::default());
        Self { store, calls: Vec::new(), truth, is_away: false, request: 0, is_loading: false }
    }

    /// Calls whose callers still wait.
    pub(super) fn open(&self) -> Vec<usize> {
        let waits = |at: &usize| self.calls[*at].is_open();
        (0..self.calls.len()).filter(waits).collect()
    }

    /// Calls whose callers will have waited too long when it is `until`.
    pub(super) fn overdue(&self, until: u64) -> Vec<usize> {
        const PATIENCE_MILLIS: u64 = 10_000;
        let is_overdue = |at: &usize| until > self.calls[*at].sent + PATIENCE_MILLIS;
        self.open().into_iter().filter(is_overdue).collect()
    }

    /// Calls that were given up and not done, and may arrive yet.
    pub(super) fn late(&self) -> Vec<usize> {
        let is_late = |call: &Call| !call.is_open() && call.told.is_none() && !call.is_dropped;
        (0..self.calls.len()).filter(|at| is_late(&self.calls[*at])).collect()
    }

    /// When a request's save was first done, if it was.
    pub(super) fn wrote(&self, request: usize) -> Option<u64> {
        let saves = self.calls.iter().filter(|call| call.request == request && call.kind.writes());
        saves.filter(|call| call.told.is_some_and(|told| told.revision.is_some())).find_map(|call| call.done)
    }

    /// The call arrives at the store, for the first time or once more.
    pub(super) fn perform(&mut self, at: usize, clock: &Clock) {
        let call = &mut self.calls[at];
        let again = call.told.is_some();
        call.is_dropped |= self.is_away && !again;
        if self.is_away || call.is_dropped || (again && call.kind == Kind::Create) {
            return;
        }
        let told = (call.work)(&self.store);
        call.told.get_or_insert(told);
        call.done.get_or_insert(clock.true_millis());
        if told.made {
            self.truth.made(told.key.expect("it was made under one"));
        }
        let writes = call.kind.writes();
        self.truth
            .look(at, writes, clock, |key| now(self.store.load(key, clock.now())).expect("memory answers"));
    }

    /// The caller hears the answer; or, if the call never arrived or the store is away, that it failed.
    pub(super) fn answer(&mut self, at: usize, clock: &Clock) {
        let call = &mut self.calls[at];
        let done = call.told.is_some() && !self.is_away;
        call.settle(if done { Fate::Answered } else { Fate::Lost }, clock);
    }

    /// The caller hears that it failed, whether it was done, will be done, or not.
    pub(super) fn lose(&mut self, at: usize, clock: &Clock) {
        self.calls[at].settle(Fate::Lost, clock);
    }
}

impl Call {
    fn is_open(&self) -> bool {
        *self.fate.lock().unwrap() == Fate::Open
    }

    fn settle(&mut self, fate: Fate, clock: &Clock) {
        let mut now = self.fate.lock().unwrap();
        if *now == Fate::Open {
            *now = fate;
            self.heard = Some((clock.true_millis(), fate == Fate::Answered));
        }
    }

    pub(super) fn was_answered(&self) -> bool {
        self.heard.is_some_and(|(_, answered)| answered)
    }
}

/// One process's way to the store.
pub(super) struct Line {
    pub(super) process: usize,
    pub(super) wire: Arc<Mutex<Wire>>,
    pub(super) clock: Clock,
    /// Whether the store has a clock, which is right.
    pub(super) tells_time: bool,
}

impl Line {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap()
    }

    fn call<T: Clone + Send + 'static>(
        &self,
        kind: Kind,
        key: Option<&RecordKey>,
        work: impl Fn(&MemoryStore) -> T + Send + 'static,
        tell: impl Fn(&T) -> Told + Send + 'static,
    ) -> Waiting<T> {
        let answer = Arc::new(Mutex::new(None));
        let fate = Arc::new(Mutex::new(Fate::Open));
        let waiting = Waiting { answer: answer.clone(), fate: fate.clone() };
        let work = move |store: &MemoryStore| {
            let done = work(store);
            let told = tell(&done);
            answer.lock().unwrap().get_or_insert(done);
            told
        };
        let mut wire = self.wire();
        let (process, request, is_loading) = (self.process, wire.request, wire.is_loading);
        let asked = self.clock.now();
        let (sent, key, work) = (self.clock.true_millis(), key.copied(), Box::new(work));
        wire.calls.push(Call {
            process,
            request,
            kind,
            key,
            is_loading,
            asked,
            sent,
            work,
            fate,
            told: None,
            done: None,
            is_dropped: false,
            heard: None,
        });
        waiting
    }
}

struct Waiting<T> {
    answer: Arc<Mutex<Option<T>>>,
    fate: Arc<Mutex<Fate>>,
}

impl<T: Clone> Future for Waiting<T> {
    type Output = Result<T, Cut>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match *self.fate.lock().unwrap() {
            Fate::Open => Poll::Pending,
            Fate::Answered => {
                Poll::Ready(Ok(self.answer.lock().unwrap().clone().expect("only what was done is answered")))
            }
            Fate::Lost => Poll::Ready(Err(Cut)),
        }
    }
}

/// Whoever waited has gone: nobody will hear the answer.
impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        let mut fate = self.fate.lock().unwrap();
        if *fate == Fate::Open {
            *fate = Fate::Lost;
        }
    }
}

fn nothing<T>(_: &T) -> Told {
    Told::default()
}

fn living(key: RecordKey, revision: Revision) -> Told {
    Told { key: Some(key), revision: Some(revision), ..Told::default() }
}

fn found(key: RecordKey, found: Option<(Revision, Lifespan)>, is_absent: bool) -> Told {
    let last_seen = found.map(|(_, life)| life.last_seen);
    Told { key: Some(key), revision: found.map(|(revision, _)| revision), last_seen, is_absent, made: false }
}

impl SessionStore for Line {
    type Error = Cut;

    fn fault(_: &Cut) -> Fault {
        Fault::Outage
    }

    async fn load(&self, key: &RecordKey, at: Timestamp) -> Result<Option<Found<Record>>, Cut> {
        let key = *key;
        let work = move |store: &MemoryStore| now(store.load(&key, at)).unwrap();
        let tell = move |answer: &Option<Found<Record>>| match answer {
            Some(Found::Living(record)) => found(key, Some((record.revision, record.life)), false),
            other => found(key, None, other.is_none()),
        };
        self.call(Kind::Load, Some(&key), work, tell).await
    }

    async fn confirm(&self, key: &RecordKey, at: Timestamp) -> Result<Option<Found<RecordHead>>, Cut> {
        let key = *key;
        let work = move |store: &MemoryStore| now(store.confirm(&key, at)).unwrap();
        let tell = move |answer: &Option<Found<RecordHead>>| match answer {
            Some(Found::Living(RecordHead { revision, life, .. })) => {
                found(key, Some((*revision, *life)), false)
            }
            other => found(key, None, other.is_none()),
        };
        self.call(Kind::ConfirmedAt, Some(&key), work, tell).await
    }

    async fn create(&self, key: &RecordKey, record: &Record, at: Timestamp) -> Result<Creation, Cut> {
        let (key, record) = (*key, record.clone());
        let revision = record.revision;
        let work = move |store: &MemoryStore| now(store.create(&key, &record, at)).unwrap();
        let tell = move |creation: &Creation| match creation {
            Creation::Created => Told { made: true, ..living(key, revision) },
            Creation::Taken => Told::default(),
        };
        self.call(Kind::Create, Some(&key), work, tell).await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        at: Timestamp,
    ) -> Result<Swap, Cut> {
        let (key, expected, record) = (*key, *expected, record.clone());
        let revision = record.revision;
        let work = move |store: &MemoryStore| now(store.update(&key, &expected, &record, at)).unwrap();
        let tell = move |swap: &Swap| match swap {
            Swap::Done => living(key, revision),
            _ => Told::default(),
        };
        self.call(Kind::Update, Some(&key), work, tell).await
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, at: Timestamp) -> Result<bool, Cut> {
        let key = *key;
        let work = move |store: &MemoryStore| now(store.touch(&key, idle_end, at)).unwrap();
        self.call(Kind::Touch, Some(&key), work, nothing).await
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        at: Timestamp,
    ) -> Result<Swap, Cut> {
        let (old, expected, new, record) = (*old, *expected, *new, record.clone());
        let revision = record.revision;
        let work = move |store: &MemoryStore| {
            now(store.renew(&old, &expected, &new, &record, tombstone_expires, at)).unwrap()
        };
        let tell = move |swap: &Swap| match swap {
            Swap::Done => Told { made: true, ..living(new, revision) },
            _ => Told::default(),
        };
        self.call(Kind::Renew, Some(&old), work, tell).await
    }

    async fn delete(&self, key: &RecordKey, at: Timestamp) -> Result<bool, Cut> {
        let key = *key;
        let work = move |store: &MemoryStore| now(store.delete(&key, at)).unwrap();
        self.call(Kind::Delete, Some(&key), work, nothing).await
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        at: Timestamp,
    ) -> Result<bool, Cut> {
        let (key, revision, sealed) = (*key, *revision, sealed.to_vec());
        let work = move |store: &MemoryStore| now(store.rewrap(&key, &revision, kid, &sealed, at)).unwrap();
        self.call(Kind::Rewrap, Some(&key), work, nothing).await
    }

    async fn sealed_otherwise(
        &self,
        _: [u8; 4],
        _: Option<&Cursor>,
        _: usize,
        _: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, Cut> {
        Ok(Page { items: Vec::new(), next: None })
    }

    async fn list(&self, _: &str, _: Option<&Cursor>, _: usize, _: Timestamp) -> Result<Page<Listed>, Cut> {
        Ok(Page { items: Vec::new(), next: None })
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        at: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, Cut> {
        let owner = owner.to_owned();
        let work = move |store: &MemoryStore| now(store.owned(&owner, public_id, at)).unwrap();
        let tell = |answer: &Option<(RecordKey, Record)>| match answer {
            Some((key, record)) => found(*key, Some((record.revision, record.life)), false),
            None => Told::default(),
        };
        self.call(Kind::Owned, None, work, tell).await
    }

    async fn end(&self, owner: &str, public_id: PublicId, at: Timestamp) -> Result<bool, Cut> {
        let owner = owner.to_owned();
        let work = move |store: &MemoryStore| now(store.end(&owner, public_id, at)).unwrap();
        self.call(Kind::End, None, work, nothing).await
    }

    async fn end_all(&self, owner: &str, keep: Option<&RecordKey>, at: Timestamp) -> Result<(), Cut> {
        let (owner, keep) = (owner.to_owned(), keep.copied());
        let work = move |store: &MemoryStore| now(store.end_all(&owner, keep.as_ref(), at)).unwrap();
        self.call(Kind::EndAll, None, work, nothing).await
    }

    async fn purge(&self, _: Timestamp, _: usize) -> Result<usize, Cut> {
        Ok(0)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Cut> {
        if self.wire().is_away {
            return Err(Cut);
        }
        Ok(self.tells_time.then(|| self.clock.ahead(0).now()))
    }
}

/// The answer of a store that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("memory does not wait"),
    }
}

/// By session, by key.
pub(super) type ByKey<T> = HashMap<RecordKey, T>;
