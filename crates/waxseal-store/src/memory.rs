//! A store in the memory of this process.

mod budget;
mod owners;
mod shard;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::budget::{Budget, NoRoom};
use self::owners::Owners;
use self::shard::Shard;
use crate::record::{Creation, Cursor, Found, Listed, Page, Record, RecordHead, Swap};
use crate::{Answers, Fault, PublicId, RecordKey, Revision, SessionStore, Timestamp, Usage};

/// A power of two, so that a public id's first byte spreads sessions evenly.
const SHARDS: usize = 64;

/// Keeps records in the memory of this process: for tests, for development, and for a single process whose sessions may
/// end with it.
///
/// The store is limited to [`MAX_RECORDS`](Self::MAX_RECORDS) and [`MAX_BYTES`](Self::MAX_BYTES) unless set otherwise.
/// At a limit it first drops expired records, then sessions without an owner, those that expire soonest first. After
/// that it refuses new sessions, so that anonymous visitors cannot displace signed-in ones. A sixteenth of each limit
/// is reserved for [records of ends](Record::is_end). A full store is not [ready](SessionStore::ready).
///
/// Clones share their records.
///
/// # Example
///
/// ```
/// let store = waxseal_store::MemoryStore::new().max_records(10_000).max_bytes(64 << 20);
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    shards: Box<[Mutex<Shard>]>,
    owners: Owners,
    budget: Budget,
    /// The store has refused a record, and has had little space since then.
    is_full: AtomicBool,
}

/// A refusal of the memory store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The store is at its limit, and every session in it has an owner.
    #[error(
        "the memory store is full at {records} records and {bytes} bytes, none of which may be forgotten; give it more \
         room, or use a store on a disk"
    )]
    Full {
        /// Records and tombstones in the store.
        records: usize,
        /// Bytes that these take.
        bytes: usize,
    },
}

impl MemoryStore {
    /// Default limit of records and tombstones.
    pub const MAX_RECORDS: usize = 1_000_000;
    /// Default limit of bytes: 1 GiB.
    pub const MAX_BYTES: usize = 1 << 30;

    /// Makes an empty store with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(Self::MAX_RECORDS, Self::MAX_BYTES)
    }

    /// Makes an empty store that holds at most `records` records and tombstones.
    #[must_use]
    pub fn max_records(self, records: usize) -> Self {
        Self::bounded(records, self.shared.budget.max_bytes())
    }

    /// Makes an empty store that holds at most `bytes` bytes: sealed bytes, texts, and an estimate of the overhead of
    /// each record.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        Self::bounded(self.shared.budget.max_records(), bytes)
    }

    fn bounded(records: usize, bytes: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let (owners, budget) = (Owners::default(), Budget::new(records, bytes));
        let shared = Shared { shards, owners, budget, is_full: AtomicBool::new(false) };
        Self { shared: Arc::new(shared) }
    }
}

impl Shared {
    /// The shard of all rows of a session, including its tombstones, which share its public session id.
    fn shard(&self, public_id: PublicId) -> MutexGuard<'_, Shard> {
        let [first, ..] = *public_id.as_bytes();
        self.shard_at(usize::from(first) % SHARDS)
    }

    fn shard_at(&self, at: usize) -> MutexGuard<'_, Shard> {
        // No change can panic half-way, so the state is consistent even after a panic.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` on the shard of `public_id`, and makes space as long as `work` needs it.
    fn with_room<T>(
        &self,
        public_id: PublicId,
        now: Timestamp,
        mut work: impl FnMut(&mut Shard) -> Result<T, NoRoom>,
    ) -> Result<T, MemoryError> {
        loop {
            // A separate statement, because making space locks all shards one by one, including this one.
            let outcome = work(&mut self.shard(public_id));
            match outcome {
                Ok(done) => {
                    self.note_room();
                    return Ok(done);
                }
                Err(NoRoom { ever: true }) if self.make_room(now) => {}
                Err(NoRoom { ever }) => {
                    let full = self.full();
                    if ever && !self.is_full.swap(true, Ordering::AcqRel) {
                        tracing::error!("{full}");
                    }
                    return Err(full);
                }
            }
        }
    }

    fn full(&self) -> MemoryError {
        let (records, bytes) = self.budget.used();
        MemoryError::Full { records, bytes }
    }

    /// Checks whether a new session would fit, if necessary by dropping one without an owner.
    fn has_room(&self) -> bool {
        self.budget.has(1, shard::ROW_BYTES)
            || (0..SHARDS).any(|at| self.shard_at(at).first_ownerless().is_some())
    }

    /// Logs that there is space again, if it is more than a single sign-out frees. The next refusal is then logged
    /// again.
    fn note_room(&self) {
        let (records, bytes) = self.budget.ample();
        if self.is_full.load(Ordering::Acquire) && self.budget.has(records, bytes) {
            self.is_full.store(false, Ordering::Release);
            tracing::info!("the memory store has room again");
        }
    }

    /// Drops one expired row or, if there is none, the ownerless session that expires soonest.
    fn make_room(&self, now: Timestamp) -> bool {
        let mut nearest = None;
        for at in 0..SHARDS {
            let mut shard = self.shard_at(at);
            if shard.purge(now, 1, &self.owners, &self.budget) > 0 {
                return true;
            }
            if let Some(end) = shard.first_ownerless() {
                nearest = nearest.min(Some((end, at))).or(Some((end, at)));
            }
        }
        // If another thread came first, that thread has made the space.
        nearest.is_some_and(|(_, at)| {
            self.shard_at(at).forget_ownerless(&self.owners, &self.budget);
            true
        })
    }
}

impl SessionStore for MemoryStore {
    type Error = MemoryError;

    fn fault(_: &MemoryError) -> Fault {
        Fault::Full
    }

    fn answers(&self) -> Answers {
        Answers::AtOnce
    }

    async fn load(&self, key: &RecordKey, now: Timestamp) -> Result<Option<Found<Record>>, MemoryError> {
        Ok(self.shared.shard(key.public_id()).find(key, now, Record::clone))
    }

    async fn revalidate(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, MemoryError> {
        let confirmed = |record: &Record| RecordHead {
            revision: record.revision,
            life: record.life,
            owner: record.owner.clone(),
        };
        Ok(self.shared.shard(key.public_id()).find(key, now, confirmed))
    }

    async fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Creation, MemoryError> {
        let Shared { owners, budget, .. } = &*self.shared;
        self.shared.with_room(key.public_id(), now, |shard| shard.create(key, record, now, owners, budget))
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, MemoryError> {
        let Shared { owners, budget, .. } = &*self.shared;
        self.shared.with_room(key.public_id(), now, |shard| {
            shard.swap(key, expected, None, record, now, owners, budget)
        })
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> Result<bool, MemoryError> {
        Ok(self.shared.shard(key.public_id()).touch(key, idle_end, now))
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        now: Timestamp,
    ) -> Result<Swap, MemoryError> {
        let Shared { owners, budget, .. } = &*self.shared;
        let renewal = Some((new, tombstone_expires));
        self.shared.with_room(old.public_id(), now, |shard| {
            shard.swap(old, expected, renewal, record, now, owners, budget)
        })
    }

    async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, MemoryError> {
        let Shared { owners, budget, .. } = &*self.shared;
        Ok(self.shared.shard(key.public_id()).delete(key, now, owners, budget))
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, MemoryError> {
        let budget = &self.shared.budget;
        self.shared
            .with_room(key.public_id(), now, |shard| shard.rewrap(key, revision, kid, sealed, now, budget))
    }

    async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, MemoryError> {
        let (at, public_id) = after.map_or((0, None), place);
        let items = if at < SHARDS {
            self.shared.shard_at(at).sealed_otherwise(kid, public_id, limit, now)
        } else {
            Vec::new()
        };
        // Each call reads one shard.
        let next = match items.last() {
            Some((key, _)) if items.len() == limit => Some(cursor(at, Some(key.public_id()))),
            _ if at + 1 < SHARDS => Some(cursor(at + 1, None)),
            _ => None,
        };
        Ok(Page { items, next })
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, MemoryError> {
        let after = after.and_then(|cursor| place(cursor).1);
        let ids = self.shared.owners.public_ids(owner, after, limit);
        let next = ids.last().filter(|_| ids.len() == limit).map(|last| cursor(0, Some(*last)));
        let listed = |public_id| self.shared.shard(public_id).listed(owner, public_id, now);
        Ok(Page { items: ids.into_iter().filter_map(listed).collect(), next })
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, MemoryError> {
        Ok(self.shared.shard(public_id).owned(owner, public_id, now))
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, MemoryError> {
        let Shared { owners, budget, .. } = &*self.shared;
        Ok(self.shared.shard(public_id).end(owner, public_id, now, owners, budget))
    }

    async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> Result<(), MemoryError> {
        let Shared { owners, budget, .. } = &*self.shared;
        match keep {
            Some(keep) => self.shared.shard(keep.public_id()).end_others(owner, keep, now, owners),
            None => _ = owners.raise(owner),
        }
        // The sessions have ended; the rest only frees space.
        for public_id in owners.public_ids(owner, None, usize::MAX) {
            self.shared.shard(public_id).forget_ended(public_id, owners, budget);
        }
        Ok(())
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, MemoryError> {
        let Shared { owners, budget, .. } = &*self.shared;
        let mut purged = 0;
        for at in 0..SHARDS {
            purged += self.shared.shard_at(at).purge(now, limit - purged, owners, budget);
        }
        self.shared.note_room();
        Ok(purged)
    }

    async fn ready(&self) -> Result<(), MemoryError> {
        if self.shared.has_room() { Ok(()) } else { Err(self.shared.full()) }
    }

    async fn usage(&self) -> Result<Usage, MemoryError> {
        let budget = &self.shared.budget;
        Ok(Usage::default().records(budget.used().0 as u64).fullness(budget.fullness()))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, bytes) = self.shared.budget.used();
        f.debug_struct("MemoryStore").field("records", &records).field("bytes", &bytes).finish()
    }
}

/// A position in a walk: a shard, and the public session id to continue after.
fn cursor(shard: usize, after: Option<PublicId>) -> Cursor {
    let mut bytes = vec![u8::try_from(shard).expect("there are fewer shards than a byte counts")];
    bytes.extend(after.iter().flat_map(PublicId::as_bytes));
    Cursor::new(bytes)
}

/// Reads a cursor that [`cursor`] made. Other bytes mean the beginning.
fn place(cursor: &Cursor) -> (usize, Option<PublicId>) {
    match cursor.as_bytes() {
        [shard, public_id @ ..] => {
            (usize::from(*shard), public_id.first_chunk().map(|bytes| PublicId::from_bytes(*bytes)))
        }
        [] => (0, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lifespan, SessionId};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    /// The answer of a store whose futures are ready at once.
    fn now<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(answer) => answer,
            std::task::Poll::Pending => unreachable!("memory is there at once"),
        }
    }

    fn record(owner: Option<&str>, expires: u64) -> Record {
        let end = Timestamp::from_millis(expires);
        Record {
            revision: Revision::first().unwrap(),
            kid: [1; 4],
            life: Lifespan::new(NOW, NOW, end, end),
            owner: owner.map(str::to_owned),
            device: String::new(),
            sealed: vec![0; 100],
        }
    }

    fn create(store: &MemoryStore, owner: Option<&str>, expires: u64) -> Result<RecordKey, MemoryError> {
        let key = SessionId::generate().unwrap().key();
        let creation = now(store.create(&key, &record(owner, expires), NOW))?;
        assert_eq!(creation, Creation::Created);
        Ok(key)
    }

    fn lives(store: &MemoryStore, key: &RecordKey) -> bool {
        now(store.load(key, NOW)).unwrap().is_some()
    }

    #[test]
    fn at_its_bound_the_expired_go_first_and_then_the_ownerless_nearest_to_their_end() {
        let store = MemoryStore::new().max_records(4);
        let expired = create(&store, Some("user"), 1_000).unwrap();
        let late = create(&store, None, 3_000).unwrap();
        let soon = create(&store, None, 2_000).unwrap();
        let owned = create(&store, Some("user"), 1_500).unwrap();

        create(&store, Some("user"), 9_000).unwrap();
        assert!(!lives(&store, &expired) && lives(&store, &soon));
        create(&store, Some("user"), 9_000).unwrap();
        assert!(!lives(&store, &soon) && lives(&store, &late));
        create(&store, Some("user"), 9_000).unwrap();
        assert!(!lives(&store, &late) && lives(&store, &owned));

        let full = create(&store, None, 9_000).unwrap_err();
        assert!(matches!(full, MemoryError::Full { records: 4, .. }), "{full}");
        assert_eq!(MemoryStore::fault(&full), Fault::Full);
        assert!(now(store.delete(&owned, NOW)).unwrap());
        create(&store, None, 9_000).unwrap();
    }

    #[test]
    fn a_part_of_the_room_is_for_ends_alone_and_a_full_store_says_so() {
        let store = MemoryStore::new().max_records(32);
        let sessions: Vec<_> = std::iter::from_fn(|| create(&store, Some("user"), 9_000).ok()).collect();
        assert_eq!(sessions.len(), 30);
        assert!(matches!(now(store.ready()), Err(MemoryError::Full { records: 30, .. })));
        let end = || {
            let revision = Revision::first().unwrap().next().unwrap();
            let key = SessionId::generate().unwrap().key();
            now(store.create(
                &key,
                &Record { revision, sealed: Vec::new(), ..record(Some("list"), 9_000) },
                NOW,
            ))
        };
        assert_eq!([end(), end()], [Ok(Creation::Created); 2]);
        assert!(end().is_err());
        assert!(create(&store, None, 9_000).is_err());
        // Sessions that may be dropped count as room: three of them make way for the next.
        for session in &sessions[..3] {
            assert!(now(store.delete(session, NOW)).unwrap());
        }
        create(&store, None, 9_000).unwrap();
        assert_eq!(now(store.ready()), Ok(()));
        create(&store, Some("user"), 9_000).unwrap();
        assert!(now(store.ready()).is_err());
        assert_eq!(now(store.purge(Timestamp::from_millis(9_000), 100)), Ok(32 - 2));
        assert_eq!(now(store.ready()), Ok(()));
    }

    #[test]
    fn bytes_are_bounded_and_come_back() {
        let store = MemoryStore::new().max_bytes(10_000);
        let mut keys = Vec::new();
        while let Ok(key) = create(&store, Some("user"), 9_000) {
            keys.push(key);
        }
        assert!(keys.len() > 5, "{} records", keys.len());
        let mut larger = record(Some("user"), 9_000);
        larger.sealed = vec![0; 9_000];
        let Some(Found::Living(there)) = now(store.load(&keys[0], NOW)).unwrap() else { panic!() };
        assert!(now(store.update(&keys[0], &there.revision, &larger, NOW)).is_err());
        assert!(lives(&store, &keys[0]), "a refused write leaves the record");

        now(store.end_all("user", None, NOW)).unwrap();
        assert_eq!(store.shared.budget.used(), (0, 0));
        larger.sealed = vec![0; 20_000];
        let ownerless = create(&store, None, 9_000).unwrap();
        assert!(now(store.create(&SessionId::generate().unwrap().key(), &larger, NOW)).is_err());
        assert!(lives(&store, &ownerless), "nothing is forgotten for what would never fit");
    }

    #[test]
    fn what_is_purged_leaves_nothing_behind() {
        let store = MemoryStore::new();
        for n in 0..100 {
            let key = create(&store, (n % 2 == 0).then_some("user"), 2_000).unwrap();
            let Some(Found::Living(record)) = now(store.load(&key, NOW)).unwrap() else { panic!() };
            let new = RecordKey::new(key.public_id(), [n; 32]);
            let end = Timestamp::from_millis(2_000);
            let swap = now(store.renew(&key, &record.revision, &new, &record, end, NOW)).unwrap();
            assert_eq!(swap, Swap::Done);
        }
        assert_eq!(now(store.purge(Timestamp::from_millis(1_999), 1_000)), Ok(0));
        assert_eq!(now(store.purge(Timestamp::from_millis(2_000), 150)), Ok(150));
        assert_eq!(now(store.purge(Timestamp::from_millis(2_000), 1_000)), Ok(50));
        assert_eq!(store.shared.budget.used(), (0, 0));
        assert!(store.shared.owners.is_empty());
    }
}
