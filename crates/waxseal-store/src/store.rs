//! The trait that every store implements.

use crate::record::{Creation, Cursor, Found, Listed, Page, Record, RecordHead, Swap, Tombstone};
use crate::{PublicId, RecordKey, Revision, Timestamp};

/// Keeps records: what a session leaves on the server.
///
/// Implementers write plain `async fn`. What each method must guarantee is written at the method; the suite in
/// [`testing`](crate::testing) checks it. For all of them:
///
/// - **One truth.** Every method reads and writes at the primary, never at a replica: what one call was told is
///   done, the next one sees, from any process.
/// - **A living record** is one whose `expires` is after `now` and whose owner's sessions were not ended since it
///   got that owner. Any other is *absent*, judged in the same statement as the read or the write, whether
///   or not it still takes up space. `now` is given; a store reads no clock to decide.
/// - **Never again.** What is absent is never brought back by anything but `create`, and `create` is asked only
///   with an id that was just drawn. So do not send a `create` twice by yourself: the second may arrive after
///   the session's end. Nothing is made by a read.
/// - **All or nothing.** A method happens completely or not at all, also if its future is dropped half-way: then
///   it may still happen, as after any answer that was lost.
/// - **Owner and generation.** A store keeps a generation beside each record's owner: the one its owner had when
///   the record got that owner. Writing the same owner again keeps it; another owner takes that owner's present
///   one. [`end_all`](Self::end_all) raises the owner's, and records of a lower one are absent from then on.
///   An index of owners may be written second, if what it finds is checked against the records.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_store::{Creation, Found, Lifespan, MemoryStore, Timestamp, Record, Revision, SessionId, SessionStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let id = SessionId::generate()?;
/// let now = Timestamp::from_millis(1_790_000_000_000);
/// let half_an_hour = now.after(Duration::from_secs(1_800));
/// let record = Record {
///     revision: Revision::first()?,
///     kid: [0; 4],
///     life: Lifespan::new(now, now, half_an_hour, Timestamp::MAX),
///     owner: None,
///     device: String::new(),
///     sealed: b"sealed by a key that the store does not have".to_vec(),
/// };
/// assert_eq!(store.create(&id.key(), &record, now).await?, Creation::Created);
/// assert_eq!(store.load(&id.key(), now).await?, Some(Found::Living(record)));
/// assert_eq!(store.load(&id.key(), half_an_hour).await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait SessionStore: Send + Sync + 'static {
    /// Why the store could not do what was asked. Its text names no session and no password.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What kind of failure `error` is.
    ///
    /// An error says nothing about what happened: a write that failed may have been done. Whoever must know
    /// loads the record and looks for the revision that was to be written.
    fn fault(error: &Self::Error) -> Fault;

    /// The living record under `key`, or the trace that a renewal left there.
    fn load(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Found<Record>>, Self::Error>> + Send;

    /// As [`load`](Self::load), without the data: a small read, and as true as that one.
    fn confirm(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Found<RecordHead>>, Self::Error>> + Send;

    /// Keeps a new record. [`Creation::Taken`], and nothing changes, if a record lives under `key` or a trace
    /// does; also, where a store knows one record by its handle, if another session has that.
    ///
    /// A store that is full refuses with [`Fault::Refused`]. It may first forget records without an owner, the
    /// nearest to their end first, and never one with an owner. It may keep some room for
    /// [records of ends](Record::is_end).
    fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> impl Future<Output = Result<Creation, Self::Error>> + Send;

    /// Replaces the living record under `key` if its revision, all 16 bytes, is `expected`. Never makes one.
    fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> impl Future<Output = Result<Swap, Self::Error>> + Send;

    /// Notes activity at `now` on a living record, as [`Lifespan::touched`](crate::Lifespan::touched) says: the revision
    /// stays, and so does everything else. False, and nothing changes, if no record lives under `key`.
    fn touch(
        &self,
        key: &RecordKey,
        idle_end: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Moves the living record under `old` to `new`, which has the same handle, with new contents and in one
    /// step, if its revision is `expected`; leaves `trace` under `old`. At no moment is the session under both
    /// keys, or under neither. A `trace` with a pointer leads to `new`.
    ///
    /// The trace answers `load` and `confirm` at `old` up to its `expires`, whatever becomes of the session;
    /// `update` and `renew` at `old` are a [`Swap::Conflict`] if it is a pointer, and [`Swap::Gone`] if it is a
    /// marker. Generation and owner are as in an `update`.
    fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        trace: &Tombstone,
        now: Timestamp,
    ) -> impl Future<Output = Result<Swap, Self::Error>> + Send;

    /// Ends the session: from now on it is absent, whatever writes are under way. Follows pointers, however
    /// many, to where the session is now, in one step: a sign-out must not be lost to a renewal. A marker is not
    /// followed. Whether there was anything to end.
    fn delete(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Replaces the sealed bytes of a living record by the same state sealed with another key, if its revision
    /// is still `revision`. That stays, and so does everything but `kid` and `sealed`. Whether it was done.
    fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// A part of the living records whose `kid` is another than this, to be rewrapped: about `limit` of them,
    /// from `after` on. A walk to its last page meets each record that is there all the time; it may meet one
    /// twice. Each call does a bounded amount of work, so a page may be empty.
    fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page<(RecordKey, Record)>, Self::Error>> + Send;

    /// A part of the owner's living sessions, about `limit` of them, in an order of the store's own. A walk
    /// finds each session that is there all the time.
    fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page<Listed>, Self::Error>> + Send;

    /// The owner's living session of this handle, and the key that it is under now. `None` if there is none, or it is
    /// another's: a handle is public.
    fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<(RecordKey, Record)>, Self::Error>> + Send;

    /// Ends the owner's session of this handle, under whatever id it is now. False, and nothing changes, if it
    /// is another's: a handle is public.
    fn end(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Ends all sessions of the owner that have begun, in one step, by raising the owner's generation; except
    /// the one under `keep`, pointers followed, if it is there and the owner's. The kept record's revision stays.
    /// No write under way brings one of the others back, and none ends the kept one.
    fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Frees the space of at most `limit` records and traces that have expired, and says of how many. To be
    /// called again while that is `limit`. What expired within the last hour may be left for later, and a store
    /// that expires by itself answers 0.
    fn purge(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<usize, Self::Error>> + Send;

    /// Whether the store can be reached and would take writes now, asked without touching a session: for a
    /// readiness page. Always, as here unless overridden, where a call that fails says so itself.
    fn ready(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }

    /// The time at the primary, to compare this process's clock with. `None`, as here unless overridden: the
    /// store lives on this machine, and has no other clock.
    fn clock(&self) -> impl Future<Output = Result<Option<Timestamp>, Self::Error>> + Send {
        async { Ok(None) }
    }
}

/// What kind of failure a store's error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The store cannot be reached, did not answer in time, or is damaged, and perhaps it was done all the same.
    /// Waiting or an operator heals it; until then the declared policy holds.
    Outage,
    /// The store cannot do it now and has not done it: locked, full, read-only. The policy is that of an outage, and
    /// nothing is sent again: the store has waited for as long as it may.
    Refused,
    /// The request itself went wrong, and would again.
    Defect,
}

impl Fault {
    /// Whether the policy for outages holds.
    pub(crate) fn passes(self) -> bool {
        self != Self::Defect
    }
}
