//! Writes of a record, and how they turned out.

use std::time::Duration;

use waxseal_session::backend::Content;
use waxseal_store::{Fault, Found, Lifespan, Record, RecordKey, Revision, Swap, Timestamp};

use super::keyed_id::KeyedId;
use super::record_store::RecordStore;
use super::seal_token::TokenParts;
use crate::active_keys::ActiveKeys;
use crate::confirmed::{Confirmed, ConfirmedAt};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::store_error::StoreError;

/// How often the store is asked about a write whose answer was lost.
pub(super) const INQUIRIES: u32 = 3;
/// How long the tombstone of a renewal stays under the old id. A visitor who comes with the old id gets no cookie, so
/// that a slow response cannot displace the new one.
const TOMBSTONE: Duration = Duration::from_secs(60);

/// The record that a save replaces.
pub(super) struct Base {
    /// The session's id. If only its key is known, another id of the same session.
    pub(super) id: KeyedId,
    pub(super) key: RecordKey,
    pub(super) revision: Revision,
    pub(super) confirmed: Confirmed,
}

impl Base {
    pub(super) fn new(id: KeyedId, revision: Revision, confirmed: Confirmed) -> Self {
        Self { key: id.key(), id, revision, confirmed }
    }
}

/// A write. It is recognized by the revision that was drawn for it.
pub(super) struct Write {
    old: RecordKey,
    expected: Revision,
    /// The new id, if the session is renewed.
    renewal: Option<KeyedId>,
    pub(super) record: Record,
}

impl Write {
    /// The key of the record after the write.
    fn key(&self) -> RecordKey {
        self.renewal.as_ref().map_or(self.old, KeyedId::key)
    }
}

/// What happened to a write whose answer was lost.
enum Fate {
    Done,
    NotYet,
    Gone,
    Unknown,
}

impl RecordStore {
    /// The base for the next write, after this one was done.
    pub(super) fn done(&self, write: Write, base: Base, now: Timestamp) -> Base {
        let confirmed = self.just_written(write.record.life, now);
        match write.renewal {
            Some(new) => {
                self.note_gone(&write.old, &write.expected, confirmed.at);
                Base::new(new, write.record.revision, confirmed)
            }
            None => Base { revision: write.record.revision, confirmed, ..base },
        }
    }

    /// The write that replaces `base` with `content`, under a new id if it is `renewed`.
    pub(super) fn write(
        &self,
        keys: &ActiveKeys,
        content: &Content,
        base: &Base,
        renewed: bool,
        now: Timestamp,
    ) -> Result<Write, Error> {
        let old = base.key;
        let begun = (!renewed).then_some(base.confirmed.life.created);
        let life = self.life(begun, self.lifetimes.of_session(content), now);
        let life = Lifespan { last_seen: life.last_seen.max(base.confirmed.life.last_seen), ..life };
        let renewal = if renewed { Some(KeyedId::new(base.id.renewed()?)) } else { None };
        let key = renewal.as_ref().map_or(old, KeyedId::key);
        let record = self.record(keys, &key, Some(&base.revision), content, life, now)?;
        Ok(Write { old, expected: base.revision, renewal, record })
    }

    /// Sends a write, and finds out what happened if the answer is lost. It is sent again only while the record is
    /// unchanged. All attempts compare with the same version, so at most one of them is done.
    pub(super) async fn send(&self, write: &Write, now: Timestamp) -> Result<Swap, Error> {
        let Write { old, expected, renewal, record } = write;
        let mut inquiries = 0;
        loop {
            let answer = match renewal {
                None => self.store.update(old, expected, record, now).await,
                Some(new) => {
                    let tombstone_expires = now.after(TOMBSTONE);
                    self.store.renew(old, expected, &new.key(), record, tombstone_expires, now).await
                }
            };
            let error = match answer {
                Ok(swap) if swap != Swap::Done && inquiries > 0 => {
                    return self.refused(write, swap, now).await;
                }
                Ok(swap) => return Ok(swap),
                Err(error) if error.fault() == Fault::Outage => error,
                // This attempt was not done, but an earlier one may have been.
                Err(error) if inquiries > 0 && error.fault().is_refusal() => error,
                Err(error) => return Err(error.into()),
            };
            inquiries += 1;
            if inquiries > INQUIRIES {
                return Err(error.into());
            }
            self.pause(inquiries).await;
            match self.fate(write, now).await {
                Ok(Fate::Done) => return self.confirmed(write, now).await,
                Ok(Fate::NotYet) => {}
                Ok(Fate::Gone) => return Ok(Swap::Gone),
                // Another write came before or after it, so the outcome is unknown.
                Ok(Fate::Unknown) | Err(_) => return Err(error.into()),
            }
        }
    }

    /// What happened to a write that was refused after an attempt whose answer was lost: it may be that attempt that made
    /// the store refuse this one.
    async fn refused(&self, write: &Write, swap: Swap, now: Timestamp) -> Result<Swap, Error> {
        match self.fate(write, now).await? {
            Fate::Done => self.confirmed(write, now).await,
            Fate::Gone => Ok(Swap::Gone),
            // Only this request knows the id under which it would have renewed the session, so another has renewed it.
            Fate::Unknown if swap == Swap::Gone && write.renewal.is_some() => Ok(Swap::Gone),
            Fate::Unknown | Fate::NotYet => Err(unknown()),
        }
    }

    /// Confirms a write that a read has found done: what a read finds may be unconfirmed.
    async fn confirmed(&self, write: &Write, now: Timestamp) -> Result<Swap, Error> {
        Ok(self.store.confirm(&write.key(), now).await.map(|()| Swap::Done)?)
    }

    async fn fate(&self, write: &Write, now: Timestamp) -> Result<Fate, StoreError> {
        use Found::{Living, Renewed};
        if let Some(new) = &write.renewal
            && let Some(Living(found)) = self.store.revalidate(&new.key(), now).await?
        {
            return Ok(if found.revision == write.record.revision { Fate::Done } else { Fate::Unknown });
        }
        Ok(match self.store.revalidate(&write.old, now).await? {
            Some(Living(found)) if found.revision == write.record.revision => Fate::Done,
            Some(Living(found)) if found.revision == write.expected => Fate::NotYet,
            Some(Living(_) | Renewed) => Fate::Unknown,
            None => Fate::Gone,
        })
    }

    pub(super) async fn has_revision(&self, key: &RecordKey, revision: &Revision, now: Timestamp) -> bool {
        let found = self.store.revalidate(key, now).await;
        matches!(found, Ok(Some(Found::Living(found))) if found.revision == *revision)
    }

    /// Not noted in the cache as gone, because that would be final. The record may be one that a later key opens, or it
    /// may be the tombstone of a sign-in, whose old id must be recognized.
    pub(super) fn missing(&self) -> Error {
        self.counts.gone.increment(1);
        Error::GONE
    }

    pub(super) fn just_written(&self, life: Lifespan, now: Timestamp) -> Confirmed {
        Confirmed { at: ConfirmedAt::by_answer(now), life, seal: None }
    }

    /// Makes the outcome from what the store has now.
    pub(super) fn written(
        &self,
        keys: &ActiveKeys,
        base: &Base,
        content: &Content,
    ) -> Result<Outcome, Error> {
        self.note(&base.key, &base.revision, base.confirmed.at);
        let Confirmed { at: confirmed_at, life, .. } = base.confirmed;
        let Lifespan { created, absolute_end, .. } = life;
        let Base { id, revision, .. } = base;
        self.seal_token(keys, &TokenParts { id, revision, content, created, absolute_end, confirmed_at })
    }
}

/// The error of a write whose outcome is unknown.
fn unknown() -> Error {
    #[derive(Debug, thiserror::Error)]
    #[error("a write's answer was lost, and another request has written since")]
    struct Lost;
    StoreError::new(Fault::Outage, Lost).into()
}
