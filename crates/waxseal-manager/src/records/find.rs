//! Finds records by session id.

use std::sync::Arc;
use std::time::Duration;

use waxseal_crypto::Limits;
use waxseal_session::backend::{Content, ReadOnly};
use waxseal_store::{Found, Lifespan, Record, RecordHead, Revision, Timestamp};

use super::keyed_id::KeyedId;
use super::record_store::{Closed, RecordStore, is_owners, span};
use super::token::Token;
use crate::active_keys::ActiveKeys;
use crate::confirmed::{Confirmed, ConfirmedAt};
use crate::error::Error;
use crate::origin::{Origin, RecordRef};
use crate::refresh::refresh_after;
use crate::store_error::StoreError;
use crate::visit::Visit;

/// The result of a search for a record.
pub(super) enum Find {
    Living(Living),
    /// The session has another id by now, and a visitor with this one is anonymous.
    Renewed,
    Absent,
    /// The session was signed out by this id, and the store could not be told yet.
    SignedOut,
    /// The record exists but cannot be opened.
    Closed(Closed),
}

/// An opened record.
pub(super) struct Living {
    pub(super) revision: Revision,
    pub(super) confirmed: Confirmed,
    pub(super) content: Content,
}

impl RecordStore {
    /// Finds the session of `id`, which came in a token of `revision`, in its record.
    pub(super) async fn find(
        &self,
        keys: &ActiveKeys,
        id: &KeyedId,
        revision: &Revision,
        now: Timestamp,
    ) -> Result<Find, StoreError> {
        let key = id.key();
        if self.unfinished.has(|| key) {
            return Ok(Find::SignedOut);
        }
        let found = self.store.load(&key, now).await?;
        let at = ConfirmedAt::by_answer(now);
        let mut record = match found {
            Some(Found::Living(record)) => record,
            Some(Found::Renewed) => return Ok(Find::Renewed),
            None => {
                self.note_gone(&key, revision, at);
                return Ok(Find::Absent);
            }
        };
        let (content, seal) = match self.open(keys, &key, &mut record, now) {
            Ok(opened) => opened,
            Err(why) => return Ok(Find::Closed(why)),
        };
        let Record { revision, life, .. } = record;
        if !self.is_alive(&life, self.lifetimes.of_session(&content), now) {
            return Ok(Find::Absent);
        }
        self.note(&key, &revision, at);
        let confirmed = Confirmed { at, life, seal: Some(seal) };
        Ok(Find::Living(Living { revision, confirmed, content }))
    }

    /// Makes the visit of a token from its record. `brought` is the revision of the copy in the token.
    pub(super) async fn visit_by_record(
        &self,
        keys: &Arc<ActiveKeys>,
        token: &Token,
        brought: Option<Revision>,
        now: Timestamp,
    ) -> Result<Visit, StoreError> {
        // Not awaited with what was found, so that the future has no space for it.
        let revision = brought.unwrap_or(Revision::UNKNOWN);
        let found = self.find(keys, &token.id, &revision, now).await?;
        let (mut record, content) = match found {
            Find::Living(Living { revision, confirmed, content }) => {
                self.counts.records.increment(1);
                let mut record = token.record(revision);
                record.is_outdated |= brought.is_some_and(|brought| brought != revision);
                record.confirmed = Some(confirmed);
                (record, content)
            }
            Find::Absent => return Ok(self.gone(keys)),
            Find::SignedOut => return Ok(self.signed_out(keys)),
            Find::Renewed => {
                self.counts.renewed.increment(1);
                return Ok(self.anonymous(keys).by_replaced_id(token.id.clone()));
            }
            Find::Closed(why) => return Ok(self.closed(keys, why)),
        };
        self.note_activity(&mut record, &content, now).await;
        Ok(self.visit(content, record, keys).opened_at(now))
    }

    /// Revalidates `record`. `owner` is the session's owner, as far as the request knows.
    pub(crate) async fn revalidate(
        &self,
        record: &RecordRef,
        owner: Option<&str>,
        limits: Limits,
        now: Timestamp,
    ) -> Result<Confirmed, Error> {
        self.asking(now);
        let key = record.id.key();
        let found = self.store.revalidate(&key, now).await?;
        let at = ConfirmedAt::by_answer(now);
        match found {
            Some(Found::Living(RecordHead { revision, life, owner: listed }))
                if revision == record.revision && self.is_alive(&life, limits, now) =>
            {
                if !is_owners(&key, owner, listed.as_deref()) {
                    self.counts.other_owner.increment(1);
                    return Err(Error::GONE);
                }
                self.note(&key, &revision, at);
                Ok(Confirmed { at, life, seal: None })
            }
            Some(Found::Living(_)) => Err(Error::Contended),
            Some(Found::Renewed) => Err(Error::RENEWED),
            None => {
                self.note_gone(&key, &record.revision, at);
                Err(Error::GONE)
            }
        }
    }

    /// Notes activity in a confirmed record if that is due: at most once in a twentieth of the idle time. If the touch
    /// fails, the next one makes up for it.
    pub(super) async fn note_activity(&self, record: &mut RecordRef, content: &Content, now: Timestamp) {
        let Some(Confirmed { life, .. }) = record.confirmed else { return };
        let idle = self.lifetimes.of_session(content).idle;
        let noted = noted_idle(&life);
        if now < life.last_seen.after(Duration::from_secs(refresh_after(idle.min(noted)))) {
            return;
        }
        let idle_end = now.after(span(idle));
        match self.store.touch(&record.id.key(), idle_end, now).await {
            Ok(true) => {
                let life = life.touched(now, idle_end);
                record.confirmed = record.confirmed.map(|confirmed| Confirmed { life, ..confirmed });
                // The browser keeps the token of a permanent session only until the end that it was told.
                record.is_outdated |= content.permanent && noted < idle;
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "a session's activity was not noted"),
        }
    }

    pub(super) fn visit(&self, content: Content, mut record: RecordRef, keys: &Arc<ActiveKeys>) -> Visit {
        record.refresh_after = self.refresh_after(&content);
        Visit::restored(content, Origin::Record(record), keys.clone(), self.strict)
    }

    pub(super) fn closed(&self, keys: &Arc<ActiveKeys>, why: Closed) -> Visit {
        match why {
            Closed::Unreadable => self.counts.unreadable.increment(1),
            Closed::OtherOwner => self.counts.other_owner.increment(1),
        }
        self.anonymous(keys)
    }

    pub(super) fn gone(&self, keys: &Arc<ActiveKeys>) -> Visit {
        self.counts.gone.increment(1);
        self.anonymous(keys)
    }

    /// Makes the visit for an id that was signed out. The id may be from before a sign-in, whose new cookie must stay.
    pub(super) fn signed_out(&self, keys: &Arc<ActiveKeys>) -> Visit {
        self.gone(keys).read_only(ReadOnly::Ended)
    }

    pub(super) fn anonymous(&self, keys: &Arc<ActiveKeys>) -> Visit {
        Visit::new(keys.clone(), self.strict)
    }
}

/// The idle lifetime by which activity was last noted, in whole seconds: a shorter one than today's if that was lengthened
/// since. Unlimited if the absolute end comes before.
fn noted_idle(life: &Lifespan) -> u32 {
    let noted = life.expires.as_millis().saturating_sub(life.last_seen.as_millis()) / 1_000;
    if life.expires < life.absolute_end { u32::try_from(noted).unwrap_or(u32::MAX) } else { u32::MAX }
}
