//! Records, found, opened and sealed.

use std::sync::Arc;
use std::time::Duration;

use waxseal_crypto::{Limits, Times};

use super::Server;
use crate::active_keys::ActiveKeys;
use crate::content::Content;
use crate::error::StoreError;
use crate::metadata::{DEVICE, OWNER};
use crate::origin::Confirmed;
use crate::record::{Found, Lifespan, Pointer, Record, Tombstone};
use crate::{Error, RecordKey, Revision, SessionId, Timestamp};

/// For how long reads and writes follow a pointer.
const FOLLOW: Duration = Duration::from_secs(20);
/// For how long a renewal is remembered under the old id: who comes with it gets no cookie.
const MARKED: Duration = Duration::from_secs(60);
/// For how long a sign-out follows a pointer. It may be by a copy that is read in an outage, up to a quarter of an hour
/// after it was confirmed, and may then have to wait for the store.
pub(super) const POINTED: Duration = Duration::from_secs(60 * 60);
/// Renewals within [`FOLLOW`] that one old id is led through. Nobody renews so often.
const MAX_HOPS: usize = 8;

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
    pub(super) id: SessionId,
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
        ConfirmedAt(now)
    }

    /// Looks for the session of `id` in its record, and under its next ids after a periodic renewal.
    pub(super) async fn find(
        &self,
        ring: &ActiveKeys,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<Find, StoreError> {
        let mut id = id.clone();
        for _ in 0..MAX_HOPS {
            let key = id.key();
            if self.unfinished.has(|| key) {
                return Ok(Find::SignedOut);
            }
            let found = self.store.load(&key, now).await?;
            let confirm = self.confirm(now);
            match found {
                None => {
                    self.note_gone(&key, confirm);
                    return Ok(Find::Absent);
                }
                Some(Found::Living(record)) => {
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
                    return Ok(Find::Living(Box::new(Living { id, revision, known, content })));
                }
                Some(Found::Renewed(trace)) => match follow(ring, &key, &trace, now) {
                    Some(next) => id = next,
                    None if now < trace.renewed.after(MARKED) => return Ok(Find::Renewed),
                    None => {
                        self.note_gone(&key, confirm);
                        return Ok(Find::Absent);
                    }
                },
            }
        }
        Ok(Find::Renewed)
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

    /// Notes that the id of a copy of `revision` is gone.
    pub(super) fn note_copy_gone(&self, key: &RecordKey, revision: &Revision, confirm: ConfirmedAt) {
        if let Some(near) = self.near() {
            near.copy_gone(key, revision, confirm.at());
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

/// What a renewal from `old` to `new` leaves behind: for a periodic one the way to the new id.
pub(super) fn trace(
    ring: &ActiveKeys,
    old: &RecordKey,
    new: &SessionId,
    with_pointer: bool,
    now: Timestamp,
) -> Result<Tombstone, Error> {
    let pointer = if with_pointer {
        let times = Times::new(now.as_secs(), now.as_secs(), Times::NO_IDLE, seconds(MARKED));
        let sealed = ring.pointer().seal(new.as_bytes(), old.hash(), times)?;
        Some(Pointer { to: new.key(), sealed })
    } else {
        None
    };
    let expires = now.after(if with_pointer { POINTED } else { MARKED });
    Ok(Tombstone { renewed: now, expires, pointer })
}

fn follow(ring: &ActiveKeys, old: &RecordKey, trace: &Tombstone, now: Timestamp) -> Option<SessionId> {
    let pointer = trace.pointer.as_ref().filter(|_| now < trace.renewed.after(FOLLOW))?;
    let opened = ring.pointer().open(&pointer.sealed, old.hash(), now.as_secs(), Limits::NONE).ok()?;
    let id: &[u8; SessionId::BYTES] = opened.payload().try_into().ok()?;
    Some(SessionId::from_bytes(*id))
}

pub(super) fn span(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).expect("a minute")
}

/// Whether the policy for outages holds.
pub(super) fn is_outage(error: &StoreError) -> bool {
    error.fault().passes()
}
