//! A store that fails on request.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::record::{Creation, Cursor, Found, Listed, Page, Record, RecordHead, Swap};
use crate::{Fault, Promise, PublicId, RecordKey, Revision, SessionStore, Timestamp, Usage, yield_once};

/// Wraps another store and fails on request: for tests of an app during an outage.
///
/// It also counts calls, can hold them back, and yields to other tasks at every call, so that tasks race even if the
/// wrapped store never waits. Clones share these settings and the store.
///
/// # Example
///
/// ```
/// use waxseal_store::testing::FaultyStore;
/// use waxseal_store::{Fault, MemoryStore, SessionId, SessionStore, Timestamp};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = FaultyStore::new(MemoryStore::new());
/// let (key, now) = (SessionId::generate()?.key(), Timestamp::from_millis(1_790_000_000_000));
///
/// store.fail_next(1);
/// let error = store.load(&key, now).await.unwrap_err();
/// assert_eq!(FaultyStore::<MemoryStore>::fault(&error), Fault::Outage);
/// assert_eq!(store.load(&key, now).await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FaultyStore<S> {
    store: Arc<S>,
    plan: Arc<Mutex<Plan>>,
}

/// A method of [`SessionStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum Operation {
    Load,
    Revalidate,
    Confirm,
    Create,
    Update,
    Touch,
    Renew,
    Delete,
    Rewrap,
    SealedOtherwise,
    List,
    Owned,
    End,
    EndAll,
    Purge,
    Ready,
    Usage,
    Clock,
}

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each course is treated by tests")]
pub enum Turn {
    /// The call is done and answered.
    Work,
    /// The call is not done, and returns an outage.
    Fail,
    /// The call is done, but returns an outage.
    LoseReply,
    /// The call is done, but returns that it is unconfirmed.
    Unconfirmed,
}

/// The failure of a [`FaultyStore`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaultyError<E: std::error::Error + 'static> {
    /// A requested failure: an outage.
    #[error("the store fails as it was told to")]
    Told,
    /// A requested failure of a call that was done: it is unconfirmed.
    #[error("the store has done it and has it confirmed by nobody, as it was told to")]
    Unconfirmed,
    /// A failure of the wrapped store.
    #[error(transparent)]
    Store(E),
}

struct Plan {
    decide: Box<dyn FnMut(Operation) -> Turn + Send>,
    fail: usize,
    lose: usize,
    is_away: bool,
    is_alone: bool,
    is_held: bool,
    holds: Option<Operation>,
    held: Vec<Waker>,
    asked: Vec<Operation>,
    clock: Option<Timestamp>,
}

impl<S: SessionStore> FaultyStore<S> {
    /// Wraps `store`, and passes every call on until set otherwise.
    pub fn new(store: S) -> Self {
        let plan = Plan {
            decide: Box::new(|_| Turn::Work),
            fail: 0,
            lose: 0,
            is_away: false,
            is_alone: false,
            is_held: false,
            holds: None,
            held: Vec::new(),
            asked: Vec::new(),
            clock: None,
        };
        Self { store: Arc::new(store), plan: Arc::new(Mutex::new(plan)) }
    }

    /// Starts or ends an outage, in which every call fails.
    pub fn set_away(&self, is_away: bool) {
        self.plan().is_away = is_away;
    }

    /// Starts or ends a time without copies: every call that has to be confirmed is done, and returns
    /// [`Fault::Unconfirmed`].
    pub fn set_alone(&self, is_alone: bool) {
        self.plan().is_alone = is_alone;
    }

    /// Makes the next `count` calls fail without being done.
    pub fn fail_next(&self, count: usize) {
        self.plan().fail = count;
    }

    /// Does the next `count` calls, but loses their answers.
    pub fn lose_next_replies(&self, count: usize) {
        self.plan().lose = count;
    }

    /// Calls `decide` for every call to which no other setting applies.
    pub fn decide_with(&self, decide: impl FnMut(Operation) -> Turn + Send + 'static) {
        self.plan().decide = Box::new(decide);
    }

    /// Holds all calls back before they are done, until this is called with `false`.
    pub fn set_held(&self, is_held: bool) {
        let mut plan = self.plan();
        plan.is_held = is_held;
        plan.held.drain(..).for_each(Waker::wake);
    }

    /// Holds calls of one operation back before they are done, until this is called with another, or with `None`.
    pub fn hold(&self, operation: Option<Operation>) {
        let mut plan = self.plan();
        plan.holds = operation;
        plan.held.drain(..).for_each(Waker::wake);
    }

    /// Sets the time that [`clock`](SessionStore::clock) returns. With `None` it is the wrapped store's own.
    pub fn set_clock(&self, now: Option<Timestamp>) {
        self.plan().clock = now;
    }

    /// The number of calls of `operation` since the last [`forget`](Self::forget), whatever their outcome.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.plan().asked.iter().filter(|asked| **asked == operation).count()
    }

    /// All calls since the last [`forget`](Self::forget), in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Operation> {
        self.plan().asked.clone()
    }

    /// Forgets all calls, so that counting starts again at zero.
    pub fn forget(&self) {
        self.plan().asked.clear();
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, S::Error>>,
    ) -> Result<T, FaultyError<S::Error>> {
        yield_once().await;
        std::future::poll_fn(|context| {
            let mut plan = self.plan();
            if !plan.is_held && plan.holds != Some(operation) {
                return Poll::Ready(());
            }
            plan.held.push(context.waker().clone());
            Poll::Pending
        })
        .await;
        let turn = self.plan().turn(operation);
        if turn == Turn::Fail {
            return Err(FaultyError::Told);
        }
        let answer = call.await.map_err(FaultyError::Store);
        yield_once().await;
        match turn {
            Turn::LoseReply => Err(FaultyError::Told),
            Turn::Unconfirmed => answer.and(Err(FaultyError::Unconfirmed)),
            Turn::Work | Turn::Fail => answer,
        }
    }
}

impl Operation {
    /// Checks whether copies of the store have to confirm a call.
    fn is_confirmed(self) -> bool {
        use Operation::{Confirm, Create, Delete, End, EndAll, Renew, Rewrap, Update};
        matches!(self, Confirm | Create | Update | Renew | Delete | Rewrap | End | EndAll)
    }
}

impl Plan {
    fn turn(&mut self, operation: Operation) -> Turn {
        self.asked.push(operation);
        let takes = |count: &mut usize| count.checked_sub(1).map(|left| *count = left).is_some();
        if self.is_away || takes(&mut self.fail) {
            Turn::Fail
        } else if takes(&mut self.lose) {
            Turn::LoseReply
        } else if self.is_alone && operation.is_confirmed() {
            Turn::Unconfirmed
        } else {
            (self.decide)(operation)
        }
    }
}

impl<S> Clone for FaultyStore<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), plan: self.plan.clone() }
    }
}

impl<S> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("FaultyStore").field("away", &plan.is_away).finish_non_exhaustive()
    }
}

macro_rules! passed_on {
    ($($operation:ident: fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {
        $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, Self::Error> {
            self.pass(Operation::$operation, self.store.$name($($argument),*)).await
        })+
    };
}

impl<S: SessionStore> SessionStore for FaultyStore<S> {
    type Error = FaultyError<S::Error>;

    fn fault(error: &Self::Error) -> Fault {
        match error {
            FaultyError::Told => Fault::Outage,
            FaultyError::Unconfirmed => Fault::Unconfirmed,
            FaultyError::Store(error) => S::fault(error),
        }
    }

    fn makes(&self, promise: Promise) -> bool {
        self.store.makes(promise)
    }

    passed_on! {
        Load: fn load(key: &RecordKey, now: Timestamp) -> Option<Found<Record>>;
        Revalidate: fn revalidate(key: &RecordKey, now: Timestamp) -> Option<Found<RecordHead>>;
        Confirm: fn confirm(key: &RecordKey, now: Timestamp) -> ();
        Create: fn create(key: &RecordKey, record: &Record, now: Timestamp) -> Creation;
        Update: fn update(key: &RecordKey, expected: &Revision, record: &Record, now: Timestamp) -> Swap;
        Touch: fn touch(key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> bool;
        Renew: fn renew(
            old: &RecordKey,
            expected: &Revision,
            new: &RecordKey,
            record: &Record,
            tombstone_expires: Timestamp,
            now: Timestamp
        ) -> Swap;
        Delete: fn delete(key: &RecordKey, now: Timestamp) -> bool;
        Rewrap: fn rewrap(
            key: &RecordKey,
            revision: &Revision,
            kid: [u8; 4],
            sealed: &[u8],
            now: Timestamp
        ) -> bool;
        SealedOtherwise: fn sealed_otherwise(
            kid: [u8; 4],
            after: Option<&Cursor>,
            limit: usize,
            now: Timestamp
        ) -> Page<(RecordKey, Record)>;
        List: fn list(
            owner: &str,
            after: Option<&Cursor>,
            limit: usize,
            now: Timestamp
        ) -> Page<Listed>;
        Owned: fn owned(owner: &str, public_id: PublicId, now: Timestamp) -> Option<(RecordKey, Record)>;
        End: fn end(owner: &str, public_id: PublicId, now: Timestamp) -> bool;
        EndAll: fn end_all(owner: &str, keep: Option<&RecordKey>, now: Timestamp) -> ();
        Purge: fn purge(now: Timestamp, limit: usize) -> usize;
        Ready: fn ready() -> ();
    }

    async fn usage(&self) -> Result<Usage, Self::Error> {
        self.pass(Operation::Usage, self.store.usage()).await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Self::Error> {
        let theirs = self.pass(Operation::Clock, self.store.clock()).await?;
        Ok(self.plan().clock.or(theirs))
    }
}
