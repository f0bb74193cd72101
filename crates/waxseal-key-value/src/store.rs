//! A store over keys and values.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use waxseal_store::{
    Creation, Cursor, Fault, Found, Listed, Page, Promise, PublicId, Record, RecordKey, Revision,
    SessionStore, Swap, Timestamp, Usage, yield_once,
};

use crate::error::KeyValueError;
use crate::key_value::{KeyAndValue, KeyValue};
use crate::keys;
use crate::row::{Epoch, Living, Tombstone};
use crate::rows::{ATTEMPTS, Rows, Step, read};
use crate::skipped::Skipped;

/// The number of values that a purge reads at once. It is small, because a value may have a mebibyte.
const PURGE_PAGE: usize = 64;
/// The time for which a list keeps an entry without a session. No call takes that long between writing the list and
/// writing the record.
const ENROLLING: Duration = Duration::from_secs(60 * 60);

/// A [`SessionStore`] over a [`KeyValue`].
///
/// Everything about a session is one value, including its tombstones, so that each change is one compare-and-swap. In
/// addition each owner has an epoch, which "end all" replaces, and a list of sessions. A record lives as long as its
/// epoch is the owner's.
///
/// A read costs one `get`, and one more for a session with an owner; a write also costs a `swap`, and a sign-in about
/// three more calls. A session stays in its owner's list until its absolute end, and each listing reads it. For an
/// owner who ended all sessions, 16 bytes are kept for ever.
///
/// [`purge`](SessionStore::purge) reads all values, in pages between which other tasks run. For more than a hundred
/// thousand sessions, write a [`SessionStore`] that has an index of expiry times.
pub struct KeyValueStore<K> {
    rows: Rows<K>,
    /// The last key that a purge read when its limit stopped it.
    purged_to: Arc<Mutex<Option<Vec<u8>>>>,
}

impl<K: KeyValue> KeyValueStore<K> {
    /// Makes a store that keeps sessions in `values`, which must contain nothing else.
    #[must_use]
    pub fn new(values: K) -> Self {
        Self { rows: Rows { values }, purged_to: Arc::default() }
    }

    /// Replaces a record; with `renewal`, moves it to another key and leaves a tombstone that expires at that time.
    async fn replace(
        &self,
        key: &RecordKey,
        expected: &Revision,
        renewal: Option<(&RecordKey, Timestamp)>,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, KeyValueError<K::Error>> {
        let epoch = if record.owner.is_some() && !self.rows.is_enrolled(key, record, now).await? {
            self.rows.enrol(key.public_id(), record).await?
        } else {
            Epoch::default()
        };
        self.rows
            .change(key.public_id(), now, |row| {
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

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<PublicId>, KeyValueError<K::Error>> {
        if !K::ORDERED {
            return Err(KeyValueError::Unordered);
        }
        let after = after.map(Cursor::as_bytes).filter(|after| after.starts_with(prefix)).unwrap_or(prefix);
        let found = self.rows.values.scan(prefix, after, limit).await.map_err(KeyValueError::Values)?;
        let last = found.last().filter(|_| found.len() >= limit);
        let next = last.map(|(key, _)| Cursor::new(key.clone()));
        Ok(Page { items: found.iter().filter_map(|(key, _)| keys::public_id(key)).collect(), next })
    }

    /// Removes entries from lists whose sessions have reached their ends, and entries without an end whose sessions no
    /// longer exist.
    async fn purge_lists(&self, now: Timestamp) -> Result<(), KeyValueError<K::Error>> {
        let (mut after, mut skipped) = (keys::LISTS.to_vec(), Skipped::default());
        loop {
            let page = self.values_after(keys::LISTS, &after).await?;
            for (key, value) in &page {
                let until = keys::until(value);
                if until <= now || until == Timestamp::MAX {
                    skipped.unless_damaged(self.purge_listed(key, value, now).await)?;
                }
            }
            match page.into_iter().nth(PURGE_PAGE - 1) {
                Some((last, _)) => after = last,
                None => return Ok(()),
            }
            yield_once().await;
        }
    }

    /// Removes an entry whose session no longer exists. An entry without an end is removed only if its session still
    /// does not exist an hour later: the session may be about to begin, because it is put into the list before its
    /// record is written.
    async fn purge_listed(
        &self,
        key: &[u8],
        value: &[u8],
        now: Timestamp,
    ) -> Result<(), KeyValueError<K::Error>> {
        let there = match (keys::public_id(key), keys::owner_of_listed(key)) {
            (Some(public_id), Some(owner)) => self.owned(owner, public_id, now).await?,
            _ => None,
        };
        let until = match there {
            Some((_, record)) => Some(record.life.absolute_end),
            None if keys::until(value) == Timestamp::MAX => Some(now.after(ENROLLING)),
            None => None,
        };
        let after = until.map(keys::until_value);
        if after.as_ref().is_none_or(|after| after[..] != *value) {
            let after = after.as_ref().map(|after| &after[..]);
            self.rows.swap(key, Some(value), after, until.unwrap_or(now)).await?;
        }
        Ok(())
    }

    async fn values_after(
        &self,
        prefix: &[u8],
        after: &[u8],
    ) -> Result<Vec<KeyAndValue>, KeyValueError<K::Error>> {
        self.rows.values.scan(prefix, after, PURGE_PAGE).await.map_err(KeyValueError::Values)
    }

    fn purged_to(&self, key: Option<Vec<u8>>) -> Option<Vec<u8>> {
        std::mem::replace(&mut self.purged_to.lock().unwrap_or_else(PoisonError::into_inner), key)
    }
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
        Ok(self.rows.see(key.public_id(), now).await?.row.find(key, Record::clone))
    }

    async fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Creation, Self::Error> {
        let epoch = self.rows.enrol(key.public_id(), record).await?;
        self.rows
            .change(key.public_id(), now, |row| {
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
        self.rows
            .change(key.public_id(), now, |row| {
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
        self.rows
            .change(key.public_id(), now, |row| match row.living(key) {
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
        self.rows
            .change(key.public_id(), now, |row| match row.living_mut(key) {
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
        let Page { items, next } = self.scan(keys::SESSION_PREFIX, after, limit).await?;
        let (mut page, mut skipped) = (Page { items: Vec::new(), next }, Skipped::default());
        for public_id in items {
            let seen = skipped.unless_damaged(self.rows.see(public_id, now).await)?;
            let living = seen.and_then(|seen| seen.row.living);
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
        let Page { items, next } = self.scan(&keys::list(owner), after, limit).await?;
        let (mut page, mut skipped) = (Page { items: Vec::new(), next }, Skipped::default());
        for public_id in items {
            let owned = skipped.unless_damaged(self.owned(owner, public_id, now).await)?;
            if let Some((_, Record { device, life, .. })) = owned.flatten() {
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
        let row = self.rows.see(public_id, now).await?.row;
        Ok(row.living_of(owner).map(|living| (RecordKey::new(public_id, living.hash), living.record.clone())))
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, Self::Error> {
        self.rows
            .change(public_id, now, |row| match row.living_of(owner) {
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
            let (before, epoch) = self.rows.epoch(owner).await?;
            let mut next = Epoch::default();
            getrandom::fill(&mut next).map_err(|error| KeyValueError::Random(error.into()))?;
            if let Some(keep) = keep {
                self.rows.keep(keep, owner, [epoch, next], now).await?;
            }
            if self.rows.swap(&keys::owner(owner), before.as_deref(), Some(&next), Timestamp::MAX).await? {
                return Ok(());
            }
        }
        Err(KeyValueError::Contended { attempts: ATTEMPTS })
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, Self::Error> {
        if !K::ORDERED {
            return Ok(0);
        }
        let mut after = self.purged_to(None).unwrap_or_else(|| keys::SESSION_PREFIX.to_vec());
        let (mut purged, mut skipped) = (0, Skipped::default());
        loop {
            let page = self.values_after(keys::SESSION_PREFIX, &after).await?;
            let is_last = page.len() < PURGE_PAGE;
            for (key, value) in page {
                if purged == limit {
                    self.purged_to(Some(after));
                    return Ok(purged);
                }
                if let Some(mut row) = skipped.unless_damaged(read(&value))? {
                    let dropped = row.drop_expired(now, limit - purged);
                    if dropped > 0
                        && self.rows.swap(&key, Some(&value), row.write().as_deref(), row.expires()).await?
                    {
                        purged += dropped;
                    }
                }
                after = key;
            }
            if is_last {
                self.purge_lists(now).await?;
                return Ok(purged);
            }
            yield_once().await;
        }
    }

    async fn ready(&self) -> Result<(), Self::Error> {
        self.rows.values.ready().await.map_err(KeyValueError::Values)
    }

    async fn usage(&self) -> Result<Usage, Self::Error> {
        self.rows.values.usage().await.map_err(KeyValueError::Values)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Self::Error> {
        self.rows.values.clock().await.map_err(KeyValueError::Values)
    }
}

impl<K: Clone> Clone for KeyValueStore<K> {
    fn clone(&self) -> Self {
        Self { rows: self.rows.clone(), purged_to: self.purged_to.clone() }
    }
}

impl<K> fmt::Debug for KeyValueStore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValueStore").finish_non_exhaustive()
    }
}
