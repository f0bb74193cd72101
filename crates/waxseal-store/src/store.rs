//! The trait that every session store implements.

use crate::fault::Fault;
use crate::record::{Creation, Cursor, Found, Listed, Page, Record, RecordHead, Swap};
use crate::{Answers, Promise, PublicId, RecordKey, Revision, Timestamp, Usage};

/// A store of records, the server-side part of sessions.
///
/// To write a store of your own, first see the crate `waxseal-key-value`, which implements this trait from two or three
/// methods. Implement the trait itself for a database that can do better:
///
/// | promise | methods |
/// |---|---|
/// | [records](Promise::Records), [expiry](Promise::Expiry), [races](Promise::Races) | `load`, `create`, `update`, `touch`, `delete`, `rewrap`, `purge`; `revalidate` unless it is `load` |
/// | [renewal](Promise::Renewal) | `renew` |
/// | [owners](Promise::Owners) | `owned`, `end`, `end_all` |
/// | [lists](Promise::Lists), optional | `list` |
/// | [keys](Promise::Keys), optional | `sealed_otherwise` |
/// | none: operation | `fault`, `answers`, `confirm`, `ready`, `usage`, `clock`, all with defaults |
///
/// Implementers write plain `async fn`. Each method documents what it must guarantee, and the suite in
/// [`testing`](crate::testing) checks it. These rules hold for all methods:
///
/// - **Primary only.** Every method reads and writes at the primary, never at a replica. Once a call is acknowledged,
///   every later call sees it, from any process.
/// - **A living record** is one whose `expires` is after `now` and whose owner's sessions were not ended since the
///   record got that owner. Any other record is *absent*, whether or not it still takes up space. The same statement
///   that reads or writes decides this. `now` is an argument: a store does not read a clock to decide.
/// - **No resurrection.** Only `create` makes a record where there is none, and it is called only with an id that was
///   just drawn. Never send a `create` twice, because the second may arrive after the session has ended. A read never
///   creates anything.
/// - **All or nothing.** A call takes effect completely or not at all, even if its future is dropped. After a drop or a
///   lost answer it may still take effect.
/// - **Confirmed.** If the operator asked for copies of the store to confirm writes, a method that writes answers only
///   when they have confirmed all that its answer tells of, even if an earlier call has written it: that a record was
///   already deleted, or already exists. Otherwise it fails with [`Fault::Unconfirmed`]. Only `touch` is exempt. What
///   a read finds may be unconfirmed, until [`confirm`](Self::confirm) succeeds.
/// - **Owner and generation.** A store keeps a generation beside each record's owner: the owner's generation at the
///   time when the record got that owner. Writing the same owner again keeps that generation; writing another owner
///   stores the new owner's present generation. [`end_all`](Self::end_all) raises the owner's generation, and records
///   of a lower one are absent from then on. An index of owners may be written separately, if its entries are checked
///   against the records.
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
    /// The error of a call. Its text names no session and no password.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns the kind of failure. Unless overridden, every failure is an outage, the kind that promises least.
    ///
    /// A write that returned an error may still have been done. To find out, a caller loads the record and compares its
    /// revision with the one to be written, and then [confirms](Self::confirm) it.
    fn fault(error: &Self::Error) -> Fault {
        let _ = error;
        Fault::Outage
    }

    /// Returns `false` for an [optional](Promise::is_optional) promise that the store does not make. The methods of
    /// that promise then fail with [`Fault::Defect`], and callers that need it refuse the store. The result must never
    /// change. Unless overridden, every promise is made.
    fn makes(&self, promise: Promise) -> bool {
        let _ = promise;
        true
    }

    /// Returns which calls are answered at once. The result must never change. Unless overridden, none is.
    fn answers(&self) -> Answers {
        Answers::Later
    }

    /// Loads the living record under `key`, or the tombstone that a renewal left there.
    fn load(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Found<Record>>, Self::Error>> + Send;

    /// Revalidates a record: like [`load`](Self::load), but without the sealed bytes. It is a smaller read with the
    /// same guarantees. Unless overridden, it calls `load`.
    fn revalidate(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Found<RecordHead>>, Self::Error>> + Send {
        async move { Ok(self.load(key, now).await?.map(Found::into_head)) }
    }

    /// Confirms what the store has under `key`, whether that is a record or none: succeeds when as many copies have it
    /// as the operator asked for. Unless overridden it always succeeds, for a store that shows nothing unconfirmed.
    fn confirm(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (key, now);
        async { Ok(()) }
    }

    /// Creates a record.
    ///
    /// Returns [`Creation::Taken`] and changes nothing if a record lives under `key` or a tombstone lies there. A store
    /// that finds records by their public session id does the same if another session has that id.
    ///
    /// A full store refuses with [`Fault::Full`]. Before that it may drop records without an owner, those that expire
    /// soonest first, but never one with an owner. It may reserve some space for [records of ends](Record::is_end).
    fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> impl Future<Output = Result<Creation, Self::Error>> + Send;

    /// Replaces the living record under `key` if its revision, all 16 bytes, is `expected`. Never creates one.
    fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> impl Future<Output = Result<Swap, Self::Error>> + Send;

    /// Notes activity at `now` on a living record, as [`Lifespan::touched`](crate::Lifespan::touched) describes. The
    /// revision and everything else stay the same. Returns `false` and changes nothing if there is no living record
    /// under `key`.
    fn touch(
        &self,
        key: &RecordKey,
        idle_end: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Moves the living record under `old` to `new` if its revision is `expected`, and leaves a tombstone under `old`.
    ///
    /// `new` has the same public session id. The move and the new contents are one step: at no moment is the session
    /// under both keys, or under neither.
    ///
    /// The tombstone answers `load` and `revalidate` at `old` with [`Found::Renewed`], whatever becomes of the session,
    /// while `tombstone_expires` is after their `now`. After that `old` is absent. Of more than 64 tombstones of a session
    /// the oldest may be dropped. Owner and generation follow the trait's rule, as in `update`.
    fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Swap, Self::Error>> + Send;

    /// Ends the session whose record lives under `key`. From then on the record is absent, whatever writes are in
    /// flight. Returns `false` and changes nothing if there is no living record.
    ///
    /// A tombstone is not followed: a session cannot be ended by an id that it had before a renewal.
    fn delete(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Replaces the sealed bytes of a living record by the same version sealed with another key, if the revision is
    /// still `revision`. Only `kid` and `sealed` change. Returns `true` if it was done.
    fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Returns a part of the living records whose `kid` is not this one, to be rewrapped: about `limit` of them, after
    /// `after`.
    ///
    /// A walk to the last page finds each record that exists during the whole walk, and may find a record twice. Each
    /// call does a bounded amount of work, so a page may be empty.
    fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page<(RecordKey, Record)>, Self::Error>> + Send;

    /// Returns a part of the owner's living sessions, about `limit` of them, in an order that the store chooses. A walk
    /// finds each session that exists during the whole walk.
    fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page<Listed>, Self::Error>> + Send;

    /// Returns the owner's living session with this public session id, and its present key. `None` if there is none, or
    /// if it belongs to another owner, because a public session id is not secret.
    fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<(RecordKey, Record)>, Self::Error>> + Send;

    /// Ends the owner's session with this public session id, whatever its present key is. Returns `false` and changes
    /// nothing if it belongs to another owner, because a public session id is not secret.
    fn end(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Ends all sessions of the owner that have begun, in one step, by raising the owner's generation.
    ///
    /// The session that lives under `keep` stays if it is the owner's, and keeps its revision. No write in flight
    /// brings one of the other sessions back or ends the kept one.
    fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Deletes at most `limit` expired records and tombstones, and returns their number. The caller calls again as long
    /// as the number is `limit`. Records that expired within the last hour may stay. A store that expires records by
    /// itself returns 0.
    fn purge(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<usize, Self::Error>> + Send;

    /// Checks that the store can be reached and would accept writes, without touching a session: for a readiness page.
    /// Unless overridden, it always succeeds.
    fn ready(&self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }

    /// Returns the space that records take, for metrics. It is called about once a minute. Unless overridden, both
    /// values are unknown.
    fn usage(&self) -> impl Future<Output = Result<Usage, Self::Error>> + Send {
        async { Ok(Usage::default()) }
    }

    /// Returns the primary's time, with which this process's clock is compared. Unless overridden it is `None`, for a
    /// store that uses this machine's clock.
    fn clock(&self) -> impl Future<Output = Result<Option<Timestamp>, Self::Error>> + Send {
        async { Ok(None) }
    }
}
