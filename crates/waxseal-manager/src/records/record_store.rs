//! The store of sessions, and what states `store` and `mirrored` have in common.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use waxseal_crypto::{FreshNonce, Limits, Times};
use waxseal_session::backend::Content;
use waxseal_store::{Lifespan, Record, RecordKey, Revision, Timestamp};

use super::counts::Counts;
use super::near_cache::NearCache;
use super::token::Token;
use super::turns::{Place, Turns};
use super::unfinished::Unfinished;
use crate::access::Access;
use crate::active_keys::ActiveKeys;
use crate::adoption::claims::Claims;
use crate::adoption::claims::Reach;
use crate::any_store::AnyStore;
use crate::confirmed::{ConfirmedAt, RecordSeal};
use crate::error::Error;
use crate::lifetimes::Lifetimes;
use crate::revocations::list::Revocations;
use crate::state::Options;

/// Waits for the given time, with a timer of any runtime.
pub(crate) type Pause = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Finds, saves and ends records. All it does for copies is to tell the near cache.
pub(crate) struct RecordStore {
    pub(crate) store: Arc<dyn AnyStore>,
    /// The near cache, in state `mirrored`.
    pub(super) near: Option<Arc<NearCache>>,
    pub(super) lifetimes: Lifetimes,
    pub(crate) strict: bool,
    pub(super) pause: Option<Pause>,
    pub(super) unfinished: Unfinished<Reach>,
    pub(crate) turns: Arc<Turns>,
    pub(super) counts: Counts,
    /// The claims on foreign sessions, if a migration is under way.
    pub(crate) claims: Option<Arc<Claims>>,
    /// The list of revoked cookies, if sessions of state `cookie` are taken over.
    pub(crate) former_list: Option<Box<Revocations>>,
}

/// Why a record cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// No key opens the record. It is kept, because the key may be put back.
    Unreadable,
    /// The record is listed under another owner than the one sealed in it, so ending all sessions of that owner would
    /// miss it.
    OtherOwner,
}

impl RecordStore {
    pub(crate) fn new(
        store: Arc<dyn AnyStore>,
        near: Option<Arc<NearCache>>,
        lifetimes: Lifetimes,
        options: &Options,
    ) -> Self {
        Self {
            store,
            near,
            lifetimes,
            strict: options.strict,
            pause: None,
            unfinished: Unfinished::new(options.capacities.retry_queue),
            turns: Turns::new(),
            counts: Counts::new(),
            claims: None,
            former_list: None,
        }
    }

    pub(crate) fn any_store(&self) -> &dyn AnyStore {
        &*self.store
    }

    pub(crate) fn set_lifetimes(&mut self, lifetimes: Lifetimes) {
        self.lifetimes = lifetimes;
    }

    pub(crate) fn set_pause(&mut self, pause: Pause) {
        self.pause = Some(pause);
    }

    /// Takes a place in the line of the requests that are about to change the session, before the session is loaded.
    pub(super) fn place(&self, token: &Token, access: Access) -> Option<Place> {
        (access == Access::Change).then(|| self.turns.join(token.id.public_id()))
    }

    /// Notes that the store is about to be asked.
    pub(super) fn asking(&self, now: Timestamp) {
        if let Some(near) = &self.near {
            near.asking(now);
        }
    }

    /// Notes the store's answer that `revision` is alive under `key`.
    pub(super) fn note(&self, key: &RecordKey, revision: &Revision, at: ConfirmedAt) {
        if let Some(near) = &self.near {
            near.confirmed(key, revision, at.time());
        }
    }

    /// Notes the store's answer that no session is alive under `key`, the id in a token of `revision`.
    pub(super) fn note_gone(&self, key: &RecordKey, revision: &Revision, at: ConfirmedAt) {
        if let Some(near) = &self.near {
            near.gone(key, revision, at.time());
        }
    }

    /// Opens what is sealed in a record, and takes it out. Also returns when it was sealed, and by which key. If this fails,
    /// logs the reason.
    pub(super) fn open(
        &self,
        keys: &ActiveKeys,
        key: &RecordKey,
        record: &mut Record,
        now: Timestamp,
    ) -> Result<(Content, RecordSeal), Closed> {
        let absolute = self.lifetimes.widest().absolute;
        let (content, times) = self.open_within(absolute, keys, key, record, now)?;
        Ok((content, RecordSeal { kid: record.kid, at: times.sealed() }))
    }

    /// As [`open`](Self::open), for a record that lives at most as long as its own times and `absolute`, in seconds, say.
    pub(super) fn open_within(
        &self,
        absolute: u32,
        keys: &ActiveKeys,
        key: &RecordKey,
        record: &mut Record,
        now: Timestamp,
    ) -> Result<(Content, Times), Closed> {
        let limits = Limits { idle: u32::MAX, absolute };
        let bound = key.bound(&record.revision);
        let opened = keys.record().open(std::mem::take(&mut record.sealed), &bound, now.as_secs(), limits);
        let kid = waxseal_crypto::KeyId::from_bytes(record.kid);
        let refused = |reason: &dyn std::fmt::Display| {
            tracing::warn!(%kid, %reason, "a session's record does not open; put its key back, or let it expire");
        };
        let content = match opened {
            Ok(opened) => {
                let times = opened.times();
                let (buffer, payload) = opened.into_payload();
                let content = Content::parse(buffer, payload).inspect_err(|reason| refused(reason)).ok();
                content.map(|content| (content, times))
            }
            Err(rejected) => {
                refused(&rejected.reason());
                None
            }
        };
        let (content, times) = content.ok_or(Closed::Unreadable)?;
        if is_owners(key, content.owner().as_deref(), record.owner.as_deref()) {
            Ok((content, times))
        } else {
            Err(Closed::OtherOwner)
        }
    }

    /// Checks whether a record is alive by this server's limits, which may be shorter by now than when it was written.
    pub(crate) fn is_alive(&self, life: &Lifespan, limits: Limits, now: Timestamp) -> bool {
        now < life.last_seen.after(span(limits.idle)) && now < life.created.after(span(limits.absolute))
    }

    /// Seals `content` into a record of the version after `base`, or of the first one.
    pub(super) fn record(
        &self,
        keys: &ActiveKeys,
        key: &RecordKey,
        base: Option<&Revision>,
        content: &Content,
        life: Lifespan,
        now: Timestamp,
    ) -> Result<Record, Error> {
        let (nonce, tag) = FreshNonce::draw_beside()?;
        let revision = base.map_or_else(|| Revision::first_tagged(tag), |base| base.next_tagged(tag));
        Ok(Record {
            revision,
            kid: keys.kid(),
            life,
            owner: content.owner(),
            device: content.device(),
            sealed: self.seal(nonce, keys, &key.bound(&revision), content, &life, now)?,
        })
    }

    /// Seals `content` for a record, bound to its key and revision.
    pub(super) fn seal(
        &self,
        nonce: FreshNonce,
        keys: &ActiveKeys,
        bound: &[u8],
        content: &Content,
        life: &Lifespan,
        now: Timestamp,
    ) -> Result<Vec<u8>, Error> {
        let absolute = self.lifetimes.of_session(content).absolute;
        let times = Times::new(life.created.as_secs(), now.as_secs(), Times::NO_IDLE, absolute);
        let mut payload = Vec::with_capacity(content.planned_size());
        content.write(&mut payload);
        Ok(keys.record().seal_under(nonce, &payload, bound, times)?)
    }

    /// A lifespan with activity at `now`. It begins at `now` if `created` is `None`.
    pub(super) fn life(&self, created: Option<Timestamp>, limits: Limits, now: Timestamp) -> Lifespan {
        let created = created.unwrap_or(now);
        let absolute_end = created.after(span(limits.absolute));
        Lifespan::new(created, now.max(created), now.after(span(limits.idle)), absolute_end)
    }

    /// Waits for a random time, which grows with every attempt, so that requests that collided do not collide again.
    pub(super) async fn pause(&self, attempt: u32) {
        let Some(pause) = &self.pause else { return };
        let mut random = [0; 2];
        // Without randomness all wait equally long. The next seal then reports the fault.
        let _ = getrandom::fill(&mut random);
        let most = 2_000_u64 << attempt.min(6);
        let micros = most * u64::from(u16::from_ne_bytes(random)) / u64::from(u16::MAX);
        pause(Duration::from_micros(micros)).await;
    }
}

/// Checks whether a record is listed under the owner that is sealed in it. If the column was changed in the store,
/// ending all of that owner's sessions would miss the record.
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
