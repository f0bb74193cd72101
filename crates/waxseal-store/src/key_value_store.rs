//! A store over keys and values.

mod error;
mod keys;
mod row;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use self::error::KeyValueError;

use self::row::{Epoch, Living, Row, Tombstone};
use crate::key_value::KeyValue;
use crate::record::{Creation, Cursor, Found, Listed, Page, Record, Swap};
use crate::{Fault, NotPromised, Promise, PublicId, RecordKey, Revision, SessionStore, Timestamp, Usage};

/// The attempts of a call whose value other calls change meanwhile. Of those that collide one is always done, so it
/// takes as many callers at once to come to the last.
const ATTEMPTS: usize = 256;
/// The values that are looked through at once for what has expired.
const PURGE_PAGE: usize = 256;
/// The time for which a place that forgets by itself keeps a value that has expired, because clocks differ.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// A [`SessionStore`] over a [`KeyValue`].
///
/// All of a session is one value, its tombstones included, so that each change is one compare-and-swap. Beside it each
/// owner has an epoch, which "end all" replaces, and a list of sessions. A record lives while its epoch is the owner's.
///
/// A read costs one `get`, and one more for a session with an owner; a write costs a `swap` in addition, and a sign-in
/// about three more. A session stays in its owner's list until its absolute end, and is looked up for each list. An
/// owner whose sessions were ended all at once leaves 16 bytes for good.
///
/// [`purge`](SessionStore::purge) reads all values. With a hundred thousand sessions and more, write a [`SessionStore`]
/// that has an index of ends.
pub struct KeyValueStore<K> {
    values: K,
    /// The key up to which a purge has come that was stopped by its limit.
    purged_to: Arc<Mutex<Option<Vec<u8>>>>,
}

/// A session as it is now, and its value as it is compared with.
struct Seen {
    before: Option<Vec<u8>>,
    row: Row,
}

/// The end of one attempt to change a session.
enum Step<T> {
    /// The row is to be put, and this is the answer then.
    Put(T),
    /// Nothing is to be changed.
    Leave(T),
}

impl<K: KeyValue> KeyValueStore<K> {
    /// Keeps sessions among `values`, which hold nothing else.
    #[must_use]
    pub fn new(values: K) -> Self {
        Self { values, purged_to: Arc::default() }
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KeyValueError<K::Error>> {
        self.values.get(key).await.map_err(KeyValueError::Values)
    }

    async fn swap(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        expires: Timestamp,
    ) -> Result<bool, KeyValueError<K::Error>> {
        self.values.swap(key, before, after, expires.after(SLACK)).await.map_err(KeyValueError::Values)
    }

    /// Reads a session without what has expired, and without a record whose owner's sessions were ended.
    async fn see(&self, public_id: PublicId, now: Timestamp) -> Result<Seen, KeyValueError<K::Error>> {
        let before = self.get(&keys::session(public_id)).await?;
        let mut row = before.as_deref().map(read).transpose()?.unwrap_or_default();
        row.drop_expired(now, usize::MAX);
        // After the record: whoever ends all marks the kept record first.
        if let Some(Living { epochs, record: Record { owner: Some(owner), .. }, .. }) = &row.living
            && !epochs.contains(&self.epoch(owner).await?.1)
        {
            row.living = None;
        }
        Ok(Seen { before, row })
    }

    /// Changes a session in one step, anew whenever another call came between.
    async fn change<T>(
        &self,
        public_id: PublicId,
        now: Timestamp,
        work: impl Fn(&mut Row) -> Step<T>,
    ) -> Result<T, KeyValueError<K::Error>> {
        let key = keys::session(public_id);
        for _ in 0..ATTEMPTS {
            let Seen { before, mut row } = self.see(public_id, now).await?;
            let answer = match work(&mut row) {
                Step::Leave(answer) => return Ok(answer),
                Step::Put(answer) => answer,
            };
            if self.swap(&key, before.as_deref(), row.write().as_deref(), row.expires()).await? {
                return Ok(answer);
            }
        }
        Err(KeyValueError::Contended { attempts: ATTEMPTS })
    }

    /// The value of an owner's epoch, and the epoch.
    async fn epoch(&self, owner: &str) -> Result<(Option<Vec<u8>>, Epoch), KeyValueError<K::Error>> {
        let value = self.get(&keys::owner(owner)).await?;
        let epoch = match value.as_deref() {
            None => Epoch::default(),
            Some(bytes) => bytes.try_into().map_err(|_| KeyValueError::Damaged { bytes: bytes.len() })?,
        };
        Ok((value, epoch))
    }

    /// Puts the record's session into its owner's list, and returns the owner's epoch. Called before the record is
    /// written, so no session is missing from the list; what is in it is checked against the record.
    async fn enrol(&self, public_id: PublicId, record: &Record) -> Result<Epoch, KeyValueError<K::Error>> {
        let Some(owner) = &record.owner else { return Ok(Epoch::default()) };
        let (key, end) = (keys::listed(owner, public_id), record.life.absolute_end);
        for _ in 0..ATTEMPTS {
            let before = self.get(&key).await?;
            if before.as_deref().is_some_and(|value| keys::until(value) >= end)
                || self.swap(&key, before.as_deref(), Some(&keys::until_value(end)), end).await?
            {
                return Ok(self.epoch(owner).await?.1);
            }
        }
        Err(KeyValueError::Contended { attempts: ATTEMPTS })
    }

    /// Checks whether the list of the record's owner has the session for as long. Asked before the swap, and true at the
    /// swap too: with the expected revision a record has the same owner and the same end.
    async fn is_enrolled(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<bool, KeyValueError<K::Error>> {
        let row = self.see(key.public_id(), now).await?.row;
        Ok(row.living(key).is_some_and(|Living { record: there, .. }| {
            there.owner == record.owner && there.life.absolute_end >= record.life.absolute_end
        }))
    }

    /// Replaces a record; with `renewal`, moves it to another key and leaves a tombstone that expires then.
    async fn replace(
        &self,
        key: &RecordKey,
        expected: &Revision,
        renewal: Option<(&RecordKey, Timestamp)>,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, KeyValueError<K::Error>> {
        let epoch = if record.owner.is_some() && !self.is_enrolled(key, record, now).await? {
            self.enrol(key.public_id(), record).await?
        } else {
            Epoch::default()
        };
        self.change(key.public_id(), now, |row| {
            let Some(living) = row.living_mut(key) else { return Step::Leave(Swap::Gone) };
            if living.record.revision != *expected {
                return Step::Leave(Swap::Conflict);
            }
            if living.record.owner != record.owner {
                living.epochs = vec![epoch];
            }
            living.record = record.clone();
            if let Some((new, expires)) = renewal {
                living.hash = *new.hash();
                row.tombstones.push(Tombstone { hash: *key.hash(), expires });
            }
            Step::Put(Swap::Done)
        })
        .await
    }

    /// Lets the record under `keep`, if it is the owner's, live in `next` too, the epoch that comes after `epoch`. If
    /// another call ends all meanwhile, `next` never comes.
    async fn keep(
        &self,
        keep: &RecordKey,
        owner: &str,
        [epoch, next]: [Epoch; 2],
        now: Timestamp,
    ) -> Result<(), KeyValueError<K::Error>> {
        self.change(keep.public_id(), now, |row| match row.living_mut(keep) {
            Some(living)
                if living.record.owner.as_deref() == Some(owner) && living.epochs.contains(&epoch) =>
            {
                living.keep(epoch, next);
                Step::Put(())
            }
            _ => Step::Leave(()),
        })
        .await
    }

    async fn scan(
        &self,
        promise: Promise,
        prefix: &[u8],
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<PublicId>, KeyValueError<K::Error>> {
        if !K::ORDERED {
            return Err(KeyValueError::NotPromised(NotPromised(promise)));
        }
        let after = after.map(Cursor::as_bytes).filter(|after| after.starts_with(prefix)).unwrap_or(prefix);
        let found = self.values.scan(prefix, after, limit).await.map_err(KeyValueError::Values)?;
        let last = found.last().filter(|_| found.len() >= limit);
        let next = last.map(|(key, _)| Cursor::new(key.clone()));
        Ok(Page { items: found.iter().filter_map(|(key, _)| keys::public_id(key)).collect(), next })
    }

    /// Forgets sessions in lists that have reached the ends of their lives.
    async fn purge_lists(&self, now: Timestamp) -> Result<(), KeyValueError<K::Error>> {
        let mut after = keys::LISTS.to_vec();
        loop {
            let page =
                self.values.scan(keys::LISTS, &after, PURGE_PAGE).await.map_err(KeyValueError::Values)?;
            for (key, value) in &page {
                if keys::until(value) <= now {
                    self.swap(key, Some(value), None, now).await?;
                }
            }
            match page.into_iter().nth(PURGE_PAGE - 1) {
                Some((last, _)) => after = last,
                None => return Ok(()),
            }
        }
    }

    fn purged_to(&self, key: Option<Vec<u8>>) -> Option<Vec<u8>> {
        std::mem::replace(&mut self.purged_to.lock().unwrap_or_else(PoisonError::into_inner), key)
    }
}

fn read<E: std::error::Error>(value: &[u8]) -> Result<Row, KeyValueError<E>> {
    Row::read(value).ok_or(KeyValueError::Damaged { bytes: value.len() })
}

impl<K: KeyValue> SessionStore for KeyValueStore<K> {
    type Error = KeyValueError<K::Error>;

    fn fault(error: &Self::Error) -> Fault {
        error.fault::<K>()
    }

    fn makes(&self, promise: Promise) -> bool {
        K::ORDERED || !promise.is_optional()
    }

    async fn load(&self, key: &RecordKey, now: Timestamp) -> Result<Option<Found<Record>>, Self::Error> {
        Ok(self.see(key.public_id(), now).await?.row.find(key, Record::clone))
    }

    async fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Creation, Self::Error> {
        let epoch = self.enrol(key.public_id(), record).await?;
        self.change(key.public_id(), now, |row| {
            if row.living.is_some() || row.has_tombstone(key) {
                return Step::Leave(Creation::Taken);
            }
            row.living = Some(Living { hash: *key.hash(), epochs: vec![epoch], record: record.clone() });
            Step::Put(Creation::Created)
        })
        .await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, Self::Error> {
        self.replace(key, expected, None, record, now).await
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> Result<bool, Self::Error> {
        self.change(key.public_id(), now, |row| {
            let Some(living) = row.living_mut(key) else { return Step::Leave(false) };
            let life = living.record.life.touched(now, idle_end);
            if life == living.record.life {
                return Step::Leave(true);
            }
            living.record.life = life;
            Step::Put(true)
        })
        .await
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        now: Timestamp,
    ) -> Result<Swap, Self::Error> {
        self.replace(old, expected, Some((new, tombstone_expires)), record, now).await
    }

    async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, Self::Error> {
        self.change(key.public_id(), now, |row| match row.living(key) {
            None => Step::Leave(false),
            Some(_) => {
                row.living = None;
                Step::Put(true)
            }
        })
        .await
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, Self::Error> {
        self.change(key.public_id(), now, |row| match row.living_mut(key) {
            Some(living) if living.record.revision == *revision => {
                living.record = Record { kid, sealed: sealed.to_vec(), ..living.record.clone() };
                Step::Put(true)
            }
            _ => Step::Leave(false),
        })
        .await
    }

    async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, Self::Error> {
        let Page { items, next } = self.scan(Promise::Keys, keys::SESSIONS, after, limit).await?;
        let mut page = Page { items: Vec::new(), next };
        for public_id in items {
            let living = self.see(public_id, now).await?.row.living;
            if let Some(Living { hash, record, .. }) = living.filter(|living| living.record.kid != kid) {
                page.items.push((RecordKey::new(public_id, hash), record));
            }
        }
        Ok(page)
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, Self::Error> {
        let Page { items, next } = self.scan(Promise::Lists, &keys::list(owner), after, limit).await?;
        let mut page = Page { items: Vec::new(), next };
        for public_id in items {
            if let Some((_, Record { device, life, .. })) = self.owned(owner, public_id, now).await? {
                page.items.push(Listed { public_id, device, life });
            }
        }
        Ok(page)
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, Self::Error> {
        let row = self.see(public_id, now).await?.row;
        Ok(row.living_of(owner).map(|living| (RecordKey::new(public_id, living.hash), living.record.clone())))
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, Self::Error> {
        self.change(public_id, now, |row| match row.living_of(owner) {
            None => Step::Leave(false),
            Some(_) => {
                row.living = None;
                Step::Put(true)
            }
        })
        .await
    }

    async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> Result<(), Self::Error> {
        for _ in 0..ATTEMPTS {
            let (before, epoch) = self.epoch(owner).await?;
            let mut next = Epoch::default();
            getrandom::fill(&mut next).map_err(|error| KeyValueError::Random(error.into()))?;
            if let Some(keep) = keep {
                self.keep(keep, owner, [epoch, next], now).await?;
            }
            if self.swap(&keys::owner(owner), before.as_deref(), Some(&next), Timestamp::MAX).await? {
                return Ok(());
            }
        }
        Err(KeyValueError::Contended { attempts: ATTEMPTS })
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, Self::Error> {
        if !K::ORDERED {
            return Ok(0);
        }
        let mut after = self.purged_to(None).unwrap_or_else(|| keys::SESSIONS.to_vec());
        let mut purged = 0;
        loop {
            let page =
                self.values.scan(keys::SESSIONS, &after, PURGE_PAGE).await.map_err(KeyValueError::Values)?;
            let is_last = page.len() < PURGE_PAGE;
            for (key, value) in page {
                if purged == limit {
                    self.purged_to(Some(after));
                    return Ok(purged);
                }
                let mut row = read(&value)?;
                let dropped = row.drop_expired(now, limit - purged);
                if dropped > 0 && self.swap(&key, Some(&value), row.write().as_deref(), row.expires()).await?
                {
                    purged += dropped;
                }
                after = key;
            }
            if is_last {
                self.purge_lists(now).await?;
                return Ok(purged);
            }
        }
    }

    async fn ready(&self) -> Result<(), Self::Error> {
        self.values.ready().await.map_err(KeyValueError::Values)
    }

    async fn usage(&self) -> Result<Usage, Self::Error> {
        self.values.usage().await.map_err(KeyValueError::Values)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Self::Error> {
        self.values.clock().await.map_err(KeyValueError::Values)
    }
}

impl<K: Clone> Clone for KeyValueStore<K> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), purged_to: self.purged_to.clone() }
    }
}

impl<K> fmt::Debug for KeyValueStore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValueStore").finish_non_exhaustive()
    }
}
