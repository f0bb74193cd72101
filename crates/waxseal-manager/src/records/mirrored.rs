//! State `mirrored`: the token is a copy of the record, shown while it is fresh.
//!
//! The copy is an HTTP cache of one record. After a revalidation it is fresh for its freshness lifetime (RFC 9111,
//! section 4.2); after that it is revalidated (section 4.3). While the store is unavailable, the copy may be read for
//! some minutes, as with `stale-if-error` (RFC 5861, section 4).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waxseal_session::backend::{Content, ReadOnly};
use waxseal_store::{Found, RecordHead, Revision, Timestamp};

use super::freshness::Freshness;
use super::near_cache::{NearCache, Seen};
use super::record_store::{Closed, RecordStore, is_owners, span};
use super::single_flight::SingleFlight;
use super::token::Token;
use crate::access::Access;
use crate::active_keys::ActiveKeys;
use crate::confirmed::{Confirmed, ConfirmedAt};
use crate::error::Error;
use crate::store_error::StoreError;
use crate::visit::Visit;

/// The answer to a revalidation, shared by requests that ask at the same time.
type Answer = Result<Option<Found<RecordHead>>, StoreError>;

/// Sessions in state `mirrored`.
pub(crate) struct MirroredSessions {
    pub(crate) records: RecordStore,
    pub(super) near: Arc<NearCache>,
    pub(super) single_flight: SingleFlight<(Answer, Timestamp)>,
    /// `true` if the clocks of this process and of the store agree.
    pub(super) clocks_agree: AtomicBool,
}

/// A copy of a session that a token brought.
struct Copy {
    token: Box<Token>,
    revision: Revision,
    content: Content,
}

/// The answer to a revalidation of a copy.
struct Asked {
    answer: Answer,
    /// The time at which the store was asked.
    at: Timestamp,
    /// `true` if this request asked, `false` if it shares another request's answer.
    is_own: bool,
}

impl MirroredSessions {
    pub(crate) fn new(records: RecordStore, near: Arc<NearCache>) -> Self {
        Self { records, near, single_flight: SingleFlight::default(), clocks_agree: AtomicBool::new(true) }
    }

    /// How long a copy may be shown.
    pub(crate) fn freshness(&self) -> &Freshness {
        self.near.freshness()
    }

    /// Checks whether copies are trusted by their time.
    pub(crate) fn trusts_copies(&self) -> bool {
        self.clocks_agree.load(Ordering::Acquire)
    }

    /// Makes the visit of a token whose copy can be shown without asking the store. Otherwise returns the token, which
    /// has to be [loaded](Self::load).
    pub(crate) fn ready(
        &self,
        keys: &Arc<ActiveKeys>,
        token: Token,
        access: Access,
        now: Timestamp,
    ) -> Result<Visit, Box<Token>> {
        if self.records.unfinished.has(|| token.id.key()) {
            return Ok(self.records.signed_out(keys));
        }
        let Some((revision, Some(content))) = &token.copy else { return Err(Box::new(token)) };
        if access != Access::Read {
            return Err(Box::new(token));
        }
        match self.look(&token, revision, content, now) {
            Seen::Gone => Ok(self.records.gone(keys)),
            Seen::Good { near, copy } => {
                let sealed = copy.then(|| sealed_at(&token)).filter(|_| self.trusts_copies());
                let fresh = |at: &Timestamp| self.near.freshness().is_fresh(*at, now);
                if !sealed.iter().chain(&near).any(fresh) {
                    return Err(Box::new(token));
                }
                self.records.counts.copies.increment(1);
                let record = token.record(*revision);
                let content = token.copy.and_then(|(_, content)| content).expect("it was just looked at");
                Ok(self.records.visit(content, record, keys).opened_at(now))
            }
            Seen::MustRevalidate => Err(Box::new(token)),
        }
    }

    /// Makes the visit of a token from the store's answer.
    pub(crate) async fn load(
        &self,
        keys: &Arc<ActiveKeys>,
        mut token: Box<Token>,
        access: Access,
        now: Timestamp,
    ) -> Result<Visit, Error> {
        self.records.asking(now);
        token.id.keep_key();
        let place = self.records.place(&token, access);
        let copy = token.copy.take();
        let brought = copy.as_ref().map(|(revision, _)| *revision);
        let token = match copy {
            Some((revision, Some(content))) => {
                let copy = Copy { token, revision, content };
                match self.revalidated(keys, copy, access, now).await? {
                    Ok(visit) => return Ok(visit.placed(place)),
                    Err(token) => token,
                }
            }
            _ => token,
        };
        let visit = self.records.visit_by_record(keys, &token, brought, now).await?;
        Ok(visit.placed(place))
    }

    /// Makes the visit of a copy after its revalidation. Otherwise returns the token, whose record has to be loaded.
    async fn revalidated(
        &self,
        keys: &Arc<ActiveKeys>,
        copy: Copy,
        access: Access,
        now: Timestamp,
    ) -> Result<Result<Visit, Box<Token>>, Error> {
        let key = copy.token.id.key();
        let Asked { answer, at, is_own } = self.ask(&copy, access, now).await;
        match answer {
            Ok(Some(Found::Living(head))) if head.revision == copy.revision => {
                Ok(Ok(self.confirmed(keys, copy, head, ConfirmedAt::by_answer(at), is_own, now).await))
            }
            Ok(Some(Found::Living(RecordHead { revision: found, .. }))) => {
                self.near.confirmed(&key, &found, at);
                // The question of another request may be older than this copy.
                if is_own && found.counter() <= copy.revision.counter() {
                    self.records.counts.gone_back.increment(1);
                    tracing::warn!(
                        public_id = %key.public_id(),
                        "a session's copy is newer than its record: the store has gone back; the record counts"
                    );
                }
                Ok(Err(copy.token))
            }
            Ok(Some(Found::Renewed)) => Ok(Err(copy.token)),
            Ok(None) => {
                self.records.note_gone(&key, &copy.revision, ConfirmedAt::by_answer(at));
                Ok(Ok(self.records.gone(keys)))
            }
            Err(error) if error.fault().passes() && access == Access::Read => {
                self.stale(keys, copy, error, now).map(Ok)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the visit of a copy that equals the record.
    async fn confirmed(
        &self,
        keys: &Arc<ActiveKeys>,
        copy: Copy,
        head: RecordHead,
        at: ConfirmedAt,
        is_own: bool,
        now: Timestamp,
    ) -> Visit {
        let Copy { token, revision, content } = copy;
        let (key, records) = (token.id.key(), &self.records);
        let limits = records.lifetimes.of_session(&content);
        if !is_owners(&key, content.owner().as_deref(), head.owner.as_deref()) {
            return records.closed(keys, Closed::OtherOwner);
        }
        if !records.is_alive(&head.life, limits, now) {
            return records.gone(keys);
        }
        self.near.confirmed(&key, &revision, at.time());
        records.counts.confirmed.increment(1);
        let mut record = token.record(revision);
        record.confirmed = Some(Confirmed { at, life: head.life, seal: None });
        // If several requests share an answer, one of them notes their activity.
        if is_own {
            records.note_activity(&mut record, &content, now).await;
        }
        records.visit(content, record, keys).opened_at(now)
    }

    /// Revalidates a copy. A request that only reads shares the answer that another request is waiting for. It asks
    /// itself if the other question was sent before an end or a change that this process knows of, or if the answer
    /// takes longer than the freshness lifetime.
    async fn ask(&self, copy: &Copy, access: Access, now: Timestamp) -> Asked {
        let key = copy.token.id.key();
        let ask = || async { (self.records.store.revalidate(&key, now).await, now) };
        let freshness = self.near.freshness();
        let shares = access == Access::Read
            && freshness.lifetime > Duration::ZERO
            && matches!(self.look(&copy.token, &copy.revision, &copy.content, now), Seen::Good { .. });
        if shares {
            let ((answer, at), is_own) = self.single_flight.share(&key, ask).await;
            if freshness.is_fresh(at, now) {
                return Asked { answer, at, is_own };
            }
        }
        let (answer, at) = ask().await;
        Asked { answer, at, is_own: true }
    }

    /// Makes the visit of a recently revalidated copy during an outage of the store.
    fn stale(
        &self,
        keys: &Arc<ActiveKeys>,
        copy: Copy,
        error: StoreError,
        now: Timestamp,
    ) -> Result<Visit, Error> {
        let Copy { token, revision, content } = copy;
        let Seen::Good { near, copy } = self.look(&token, &revision, &content, now) else {
            return Err(error.into());
        };
        let freshness = self.near.freshness();
        let idle = span(self.records.lifetimes.of_session(&content).idle);
        let sealed = copy.then(|| sealed_at(&token));
        let readable = |at: &Timestamp| freshness.is_in_grace(*at, now) && now.is_within(idle, *at);
        if !sealed.iter().chain(&near).any(readable) {
            return Err(error.into());
        }
        self.records.counts.grace.increment(1);
        tracing::debug!(%error, "the session store does not answer; a copy confirmed not long ago is shown");
        Ok(self.records.visit(content, token.record(revision), keys).read_only(ReadOnly::Outage))
    }

    fn look(&self, token: &Token, revision: &Revision, content: &Content, now: Timestamp) -> Seen {
        let owner = || content.owner();
        self.near.look(token.id.public_id(), || token.id.key(), revision, owner, sealed_at(token), now)
    }
}

/// When the copy was last revalidated, according to the token. It is in whole seconds: up to one second early, never
/// late.
fn sealed_at(token: &Token) -> Timestamp {
    Timestamp::from_millis(token.times.sealed().saturating_mul(1_000))
}
