//! Reads sessions and owners from keys and values, and changes them by compare-and-swap.

use std::time::Duration;

use waxseal_store::{PublicId, Record, RecordKey, Timestamp};

use crate::error::KeyValueError;
use crate::key_value::KeyValue;
use crate::keys;
use crate::row::{Epoch, Living, Row};

/// The largest number of attempts of a call whose value other calls change meanwhile. Of calls that collide one always
/// succeeds, so a call needs all attempts only if as many callers collide with it.
pub(crate) const ATTEMPTS: usize = 256;
/// The time for which a database that deletes values by itself keeps an expired value, because clocks differ.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// The values, as rows of sessions, epochs of owners, and lists.
#[derive(Clone)]
pub(crate) struct Rows<K> {
    pub(crate) values: K,
}

/// A session's present state, and the value to compare with in a swap.
pub(crate) struct Seen {
    pub(crate) before: Option<Vec<u8>>,
    pub(crate) row: Row,
}

/// The result of one attempt to change a session.
pub(crate) enum Step<T> {
    /// The row is to be written; this is the answer if that succeeds.
    Put(T),
    /// Nothing is to be changed; this is the answer.
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

    /// Reads a session without expired parts, and without a record whose owner's sessions were ended.
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
            // Between the two reads this session may have been kept, and the others ended.
            let again = self.get(&key).await?;
            if again == before {
                row.living = None;
                return Ok(Seen { before, row });
            }
            before = again;
        }
        Err(KeyValueError::Contended { attempts: ATTEMPTS })
    }

    /// Checks that the record, if there is one, lives in its owner's epoch. The epoch is read after the record, because
    /// a call that ends all others marks the kept record first.
    async fn is_current(&self, row: &Row) -> Result<bool, KeyValueError<K::Error>> {
        match &row.living {
            Some(Living { epochs, record: Record { owner: Some(owner), .. }, .. }) => {
                Ok(epochs.contains(&self.epoch(owner).await?.1))
            }
            _ => Ok(true),
        }
    }

    /// Changes a session in one step, and tries again whenever another call came in between.
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

    /// Puts the record's session into its owner's list, and returns the owner's epoch. It is called before the record
    /// is written, so that no session is missing from the list; entries of the list are checked against the record.
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

    /// Checks whether the list of the record's owner has the session for long enough. It is checked before the swap and
    /// still holds at the swap, because a record with the expected revision has the same owner and the same end.
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

    /// Lets the record under `keep`, if it is the owner's, also live in `next`, the epoch that follows `epoch`. If
    /// another call ends all meanwhile, `next` never begins.
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
