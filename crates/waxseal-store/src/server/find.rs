//! Records, found, opened and sealed.

use std::sync::Arc;
use std::time::Duration;

use waxseal_crypto::{Limits, Times};

use super::Server;
use super::flaw::Flaw;
use crate::active_keys::ActiveKeys;
use crate::content::Content;
use crate::error::StoreError;
use crate::metadata::{DEVICE, OWNER};
use crate::origin::Confirmed;
use crate::record::{Found, Lifespan, Record};
use crate::{Error, RecordKey, Revision, SessionId, Timestamp};

/// The lifetime of a renewal's tombstone under the old id: who comes with that gets no cookie, so that a slow answer
/// cannot displace the new one.
pub(super) const TOMBSTONE: Duration = Duration::from_secs(60);

/// That the store was asked in this request, and when: the time read *before* the asking. Only what asked it makes
/// one, and no token is minted without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConfirmedAt(Timestamp);

/// What a search for a session ended in.
pub(super) enum Find {
    Living(Box<Living>),
    /// There is another id since, and this one is a stranger's.
    Renewed,
    Absent,
    /// Somebody signed out with this id, and the store is still to be told.
    SignedOut,
    /// There is a record, and it is not opened.
    Closed(Closed),
}

/// Why a record is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// No key opens it: it stays, for the day on which the key is put back.
    Unreadable,
    /// It is listed under another owner than the one sealed in it, whose "end all" would miss it.
    OtherOwner,
}

/// A record, opened.
pub(super) struct Living {
    pub(super) revision: Revision,
    pub(super) known: Confirmed,
    pub(super) content: Content,
}

impl ConfirmedAt {
    pub(super) fn at(self) -> Timestamp {
        self.0
    }
}

impl Server {
    /// Notes that the store is about to be asked.
    pub(super) fn asking(&self, now: Timestamp) {
        if let Some(near) = self.near() {
            near.asking(now);
        }
    }

    /// A confirm that began at `now` and has been answered.
    pub(super) fn confirm(&self, now: Timestamp) -> ConfirmedAt {
        #[cfg(test)]
        if self.flaws.has(Flaw::StampsAfterReply)
            && let Some(clock) = &self.clock
        {
            return ConfirmedAt(clock());
        }
        ConfirmedAt(now)
    }

    /// Not a confirm at all: for a rule that the model test breaks on purpose.
    pub(super) fn unconfirmed(&self, now: Timestamp) -> Option<ConfirmedAt> {
        self.flaws.has(Flaw::MintsUnconfirmed).then_some(ConfirmedAt(now))
    }

    /// Looks for the session of `id` in its record.
    pub(super) async fn find(
        &self,
        ring: &ActiveKeys,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Find, StoreError> {
        let key = id.key();
        if self.unfinished.has(|| key) {
            return Ok(Find::SignedOut);
        }
        let found = self.store.load(&key, now).await?;
        let confirm = self.confirm(now);
        let record = match found {
            Some(Found::Living(record)) => record,
            Some(Found::Renewed) => return Ok(Find::Renewed),
            None => {
                self.note_gone(&key, confirm);
                return Ok(Find::Absent);
            }
        };
        let content = match self.open(ring, &key, &record, now) {
            Ok(content) => content,
            Err(why) => return Ok(Find::Closed(why)),
        };
        let Record { revision, life, kid, .. } = record;
        if !self.is_alive(&life, content.permanent, now) {
            return Ok(Find::Absent);
        }
        if let Some(near) = self.near() {
            near.confirmed(&key, &revision, confirm.at());
        }
        let known = Confirmed { confirm, life, kid: Some(kid) };
        Ok(Find::Living(Box::new(Living { revision, known, content })))
    }

    /// What is sealed in a record; if it is not opened, the log says why.
    pub(super) fn open(
        &self,
        ring: &ActiveKeys,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Content, Closed> {
        let limits = Limits { idle: u32::MAX, absolute: self.lifetimes.widest().absolute };
        let bound = key.bound(&record.revision);
        let opened = ring.record().open(&record.sealed, &bound, now.as_secs(), limits);
        let kid = waxseal_crypto::KeyId::from_bytes(record.kid);
        let refused = |reason: &dyn std::fmt::Display| {
            tracing::warn!(%kid, %reason, "a session's record does not open; put its key back, or let it expire");
        };
        let content = match opened {
            Ok(opened) => Content::parse(Arc::new(opened), 0).inspect_err(|reason| refused(reason)).ok(),
            Err(rejected) => {
                refused(&rejected.reason());
                None
            }
        };
        let content = content.ok_or(Closed::Unreadable)?;
        if is_owners(key, content.metadata.get::<String>(OWNER).as_deref(), record.owner.as_deref()) {
            Ok(content)
        } else {
            Err(Closed::OtherOwner)
        }
    }

    /// Whether a record that the store has is one by this server's limits too: they may be shorter today.
    pub(super) fn is_alive(&self, life: &Lifespan, permanent: bool, now: Timestamp) -> bool {
        let limits = self.lifetimes.of(permanent);
        now < life.last_seen.after(span(limits.idle)) && now < life.created.after(span(limits.absolute))
    }

    pub(super) fn note_gone(&self, key: &RecordKey, confirm: ConfirmedAt) {
        if let Some(near) = self.near() {
            near.gone(key, confirm.at());
        }
    }

    /// The record of `content`, as of `now`.
    pub(super) fn record(
        &self,
        ring: &ActiveKeys,
        key: &RecordKey,
        revision: Revision,
        content: &Content,
        life: Lifespan,
        now: Timestamp,
    ) -> Result<Record, Error> {
        let metadata = &content.metadata;
        Ok(Record {
            revision,
            kid: ring.kid(),
            life,
            owner: metadata.get(OWNER),
            device: metadata.get(DEVICE).unwrap_or_default(),
            sealed: self.seal(ring, key, &revision, content, &life, now)?,
        })
    }

    pub(super) fn seal(
        &self,
        ring: &ActiveKeys,
        key: &RecordKey,
        revision: &Revision,
        content: &Content,
        life: &Lifespan,
        now: Timestamp,
    ) -> Result<Vec<u8>, Error> {
        let absolute = self.lifetimes.of(content.permanent).absolute;
        let times = Times::new(life.created.as_secs(), now.as_secs(), Times::NO_IDLE, absolute);
        let mut payload = Vec::with_capacity(content.planned_size());
        content.write(&mut payload);
        Ok(ring.record().seal(&payload, &key.bound(revision), times)?)
    }

    /// A life that was active at `now`; it begins then, if it has not begun.
    pub(super) fn life(&self, created: Option<Timestamp>, permanent: bool, now: Timestamp) -> Lifespan {
        let limits = self.lifetimes.of(permanent);
        let created = created.unwrap_or(now);
        let absolute_end = created.after(span(limits.absolute));
        Lifespan::new(created, now.max(created), now.after(span(limits.idle)), absolute_end)
    }
}

/// Whether a record is listed under the owner that is sealed in the session. If somebody changed that in the store, the
/// owner's "end all" would miss it.
pub(super) fn is_owners(key: &RecordKey, sealed: Option<&str>, listed: Option<&str>) -> bool {
    let is_owners = sealed == listed;
    if !is_owners {
        tracing::warn!(
            public_id = %key.public_id(),
            "a session's record is listed under another owner than the one sealed in it, and is not shown: somebody has \
             changed the store"
        );
    }
    is_owners
}

pub(super) fn span(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Whether the policy for outages holds.
pub(super) fn is_outage(error: &StoreError) -> bool {
    error.fault().passes()
}
