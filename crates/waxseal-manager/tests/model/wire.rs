//! The network to the store: each call is done, answered, lost, delayed or doubled when the case says so.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use waxseal_store::{MemoryStore, RecordKey, Revision, SessionStore, Timestamp};

use crate::clock::Clock;
use crate::truth::Truth;

/// The store, and all calls to it.
pub(crate) struct Wire {
    store: MemoryStore,
    pub(crate) calls: Vec<Call>,
    pub(crate) truth: Truth,
    /// The true time since which the store is away.
    pub(crate) away_since: Option<u64>,
    /// The request whose future is being polled, and whether it still waits for its session.
    pub(crate) request: usize,
    pub(crate) is_loading: bool,
}

/// A call under way, or one that was.
pub(crate) struct Call {
    pub(crate) process: usize,
    pub(crate) request: usize,
    pub(crate) kind: Kind,
    pub(crate) key: Option<RecordKey>,
    /// It was made to load a session.
    pub(crate) is_loading: bool,
    /// The caller's time before it was sent.
    pub(crate) asked: Timestamp,
    /// The true time of that.
    pub(crate) sent: u64,
    pub(crate) work: Box<dyn FnMut(&MemoryStore) -> Told + Send>,
    pub(crate) fate: Arc<Mutex<Fate>>,
    /// What it told, once it was done, and the true time of that.
    pub(crate) told: Option<Told>,
    pub(crate) done: Option<u64>,
    /// It met a store that was away, and will never be done.
    pub(crate) is_dropped: bool,
    /// When the caller heard of it, and whether it heard the answer.
    pub(crate) heard: Option<(u64, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Load,
    Confirm,
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
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Renew)
    }
}

/// The store's answer about a record, or a record that it wrote.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) key: Option<RecordKey>,
    pub(crate) revision: Option<Revision>,
    pub(crate) last_seen: Option<Timestamp>,
    /// There is nothing under `key`.
    pub(crate) is_absent: bool,
    /// Under `key` there is something from now on that was not there before.
    pub(crate) made: bool,
}

/// The fate of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Open,
    Answered,
    Lost,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let (store, truth) = (MemoryStore::new(), Truth::default());
        Self { store, calls: Vec::new(), truth, away_since: None, request: 0, is_loading: false }
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away_since.is_some()
    }

    /// Begins an outage, or ends it.
    pub(crate) fn set_away(&mut self, is_away: bool, clock: &Clock) {
        let since = self.away_since.unwrap_or(clock.true_millis());
        self.away_since = is_away.then_some(since);
    }

    /// Calls whose callers still wait.
    pub(crate) fn open(&self) -> Vec<usize> {
        let waits = |at: &usize| self.calls[*at].is_open();
        (0..self.calls.len()).filter(waits).collect()
    }

    /// Calls whose callers will have waited too long when it is `until`.
    pub(crate) fn overdue(&self, until: u64) -> Vec<usize> {
        const PATIENCE_MILLIS: u64 = 10_000;
        let is_overdue = |at: &usize| until > self.calls[*at].sent + PATIENCE_MILLIS;
        self.open().into_iter().filter(is_overdue).collect()
    }

    /// Calls that were given up and not done, and may arrive yet.
    pub(crate) fn late(&self) -> Vec<usize> {
        let is_late = |call: &Call| !call.is_open() && call.told.is_none() && !call.is_dropped;
        (0..self.calls.len()).filter(|at| is_late(&self.calls[*at])).collect()
    }

    /// When a request's save was first done, if it was.
    pub(crate) fn wrote(&self, request: usize) -> Option<u64> {
        let saves = self.calls.iter().filter(|call| call.request == request && call.kind.writes());
        saves.filter(|call| call.told.is_some_and(|told| told.revision.is_some())).find_map(|call| call.done)
    }

    /// The call arrives at the store, for the first time or once more.
    pub(crate) fn perform(&mut self, at: usize, clock: &Clock) {
        let is_away = self.is_away();
        let call = &mut self.calls[at];
        let again = call.told.is_some();
        call.is_dropped |= is_away && !again;
        if is_away || call.is_dropped || (again && call.kind == Kind::Create) {
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
    pub(crate) fn answer(&mut self, at: usize, clock: &Clock) {
        let is_away = self.is_away();
        let call = &mut self.calls[at];
        let done = call.told.is_some() && !is_away;
        call.settle(if done { Fate::Answered } else { Fate::Lost }, clock);
    }

    /// The caller hears that it failed, whether it was done, will be done, or not.
    pub(crate) fn lose(&mut self, at: usize, clock: &Clock) {
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

    pub(crate) fn was_answered(&self) -> bool {
        self.heard.is_some_and(|(_, answered)| answered)
    }
}

/// The answer of a store in memory, which waits for nothing.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("memory does not wait"),
    }
}
