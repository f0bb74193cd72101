//! Sessions and owners among keys and values: read as they are now, and changed by compare-and-swap.

use std::time::Duration;

use waxseal_store::{PublicId, Record, RecordKey, Timestamp};

use crate::error::KeyValueError;
use crate::key_value::KeyValue;
use crate::keys;
use crate::row::{Epoch, Living, Row};

/// The attempts of a call whose value other calls change meanwhile. Of those that collide one is always done, so it
/// takes as many callers at once to come to the last.
pub(crate) const ATTEMPTS: usize = 256;
/// The time for which a place that forgets by itself keeps a value that has expired, because clocks differ.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// The values, as rows of sessions, epochs of owners, and lists.
#[derive(Clone)]
pub(crate) struct Rows<K> {
    pub(crate) values: K,
}

/// A session as it is now, and its value as it is compared with.
pub(crate) struct Seen {
    pub(crate) before: Option<Vec<u8>>,
    pub(crate) row: Row,
}

/// The end of one attempt to change a session.
pub(crate) enum Step<T> {
    /// The row is to be put, and this is the answer then.
    Put(T),
    /// Nothing is to be changed.
    Leave(T),
}

impl<K: KeyValue> Rows<K> {
    pub(crate) async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KeyValueError<K::Error>> {
        self.values.get(key).await.map_err(KeyValueError::Values)
    }

    pub(crate) async fn swap(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        expires: Timestamp,
    ) -> Result<bool, KeyValueError<K::Error>> {
        self.values.swap(key, before, after, expires.after(SLACK)).await.map_err(KeyValueError::Values)
    }

    /// Reads a session without what has expired, and without a record whose owner's sessions were ended.
    pub(crate) async fn see(
        &self,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Seen, KeyValueError<K::Error>> {
        let key = keys::session(public_id);
        let mut before = self.get(&key).await?;
        for _ in 0..ATTEMPTS {
            let mut row = before.as_deref().map(read).transpose()?.unwrap_or_default();
            row.drop_expired(now, usize::MAX);
            if self.is_current(&row).await? {
                return Ok(Seen { before, row });
            }
            // Between the two reads it may have been kept, and the others ended.
            let again = self.get(&key).await?;
            if again == before {
                row.living = None;
                return Ok(Seen { before, row });
            }
            before = again;
        }
        Err(KeyValueError::Contended { attempts: ATTEMPTS })
    }

    /// Checks that the record, if there is one, lives in its owner's epoch. Asked after the record was read, because
    /// whoever ends all others marks the kept record first.
    async fn is_current(&self, row: &Row) -> Result<bool, KeyValueError<K::Error>> {
        match &row.living {
            Some(Living { epochs, record: Record { owner: Some(owner), .. }, .. }) => {
                Ok(epochs.contains(&self.epoch(owner).await?.1))
            }
            _ => Ok(true),
        }
    }

    /// Changes a session in one step, anew whenever another call came between.
    pub(crate) async fn change<T>(
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
    pub(crate) async fn epoch(
        &self,
        owner: &str,
    ) -> Result<(Option<Vec<u8>>, Epoch), KeyValueError<K::Error>> {
        let value = self.get(&keys::owner(owner)).await?;
        let epoch = match value.as_deref() {
            None => Epoch::default(),
            Some(bytes) => bytes.try_into().map_err(|_| KeyValueError::Damaged { bytes: bytes.len() })?,
        };
        Ok((value, epoch))
    }

    /// Puts the record's session into its owner's list, and returns the owner's epoch. Called before the record is
    /// written, so no session is missing from the list; what is in it is checked against the record.
    pub(crate) async fn enrol(
        &self,
        public_id: PublicId,
        record: &Record,
    ) -> Result<Epoch, KeyValueError<K::Error>> {
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
    pub(crate) async fn is_enrolled(
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

    /// Lets the record under `keep`, if it is the owner's, live in `next` too, the epoch that comes after `epoch`. If
    /// another call ends all meanwhile, `next` never comes.
    pub(crate) async fn keep(
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
}

/// Reads a session's value.
pub(crate) fn read<E: std::error::Error>(value: &[u8]) -> Result<Row, KeyValueError<E>> {
    Row::read(value).ok_or(KeyValueError::Damaged { bytes: value.len() })
}
