//! From a token to a session.

use std::sync::Arc;
use std::time::Duration;

use super::find::{Closed, Find, Living, is_outage, is_owners, span};
use super::near_cache::Seen;
use super::token::Token;
use super::{Access, Mirror, Server, WhenAway};
use crate::active_keys::ActiveKeys;
use crate::content::Content;
use crate::error::StoreError;
use crate::metadata::OWNER;
use crate::origin::{Confirmed, Origin, RecordRef};
use crate::record::{Found, RecordHead};
use crate::session::{ReadOnly, Session};
use crate::sessions::refresh_after;
use crate::timestamp::Timestamp;
use crate::{Error, Revision};

/// What a confirm was answered; shared by those who ask at the same time.
pub(super) type Answer = Result<Option<Found<RecordHead>>, StoreError>;

/// What the store said of a copy.
struct Asked {
    answer: Answer,
    /// When it was asked.
    asked: Timestamp,
    /// By this request, and not by one whose answer it shares.
    is_own: bool,
}

impl Server {
    /// The session of a token if it can be shown without asking the store; else the token, to be [loaded](Self::load).
    pub(crate) fn ready(
        &self,
        ring: &Arc<ActiveKeys>,
        token: Token,
        access: Access,
        now: Timestamp,
    ) -> Result<Session, Box<Token>> {
        if self.unfinished.has(|| token.id.key()) {
            return Ok(self.signed_out(ring));
        }
        let Some(mirror) = self.mirror.as_ref().filter(|_| access == Access::Read) else {
            return Err(Box::new(token));
        };
        let Some((revision, Some(content))) = &token.copy else { return Err(Box::new(token)) };
        match mirror.look(&token, revision, content, now) {
            Seen::Gone => {
                self.counts.gone.increment(1);
                Ok(self.stranger(ring))
            }
            Seen::Good { near, copy } if mirror.trusts_copies() || near.is_some() => {
                let sealed = copy.then(|| sealed_at(&token)).filter(|_| mirror.trusts_copies());
                let fresh = |at: &Timestamp| mirror.freshness.is_fresh(*at, now);
                if !sealed.iter().chain(&near).any(fresh) {
                    return Err(Box::new(token));
                }
                self.counts.copies.increment(1);
                let held = token.held(*revision);
                let content = token.copy.and_then(|(_, content)| content).expect("it was just looked at");
                Ok(self.session(content, held, ring))
            }
            Seen::Good { .. } | Seen::Doubtful => Err(Box::new(token)),
        }
    }

    /// The session of a token, by what the store says.
    pub(crate) async fn load(
        &self,
        ring: &Arc<ActiveKeys>,
        mut token: Token,
        access: Access,
        now: Timestamp,
    ) -> Result<Session, Error> {
        self.asking(now);
        let copy = token.copy.take();
        let brought = copy.as_ref().map(|(revision, _)| *revision);
        if let (Some(mirror), Some((revision, Some(content)))) = (&self.mirror, copy) {
            let key = token.id.key();
            let Asked { answer, asked, is_own } =
                self.ask(mirror, &token, &revision, &content, access, now).await;
            match answer {
                Ok(Some(Found::Living(RecordHead { revision: found, life, owner }))) if found == revision => {
                    let confirm = self.confirm(asked);
                    if !is_owners(&key, content.metadata.get::<String>(OWNER).as_deref(), owner.as_deref()) {
                        return Ok(self.closed(ring, Closed::OtherOwner));
                    }
                    if !self.is_alive(&life, content.permanent, now) {
                        return Ok(self.gone(ring));
                    }
                    mirror.near.confirmed(&key, &revision, confirm.at());
                    self.counts.confirmed.increment(1);
                    let mut held = token.held(revision);
                    let known = Confirmed { confirm, life, kid: None };
                    // Of those who share an answer, one notes their activity.
                    held.known = Some(match is_own {
                        true => self.touched(&held, known, content.permanent, now).await,
                        false => known,
                    });
                    return Ok(self.session(content, held, ring));
                }
                Ok(Some(Found::Living(RecordHead { revision: found, .. }))) => {
                    mirror.near.confirmed(&key, &found, self.confirm(asked).at());
                    // Another's question may be older than this copy.
                    if is_own && found.counter() <= revision.counter() {
                        self.counts.gone_back.increment(1);
                        tracing::warn!(
                            public_id = %token.id.public_id(),
                            "a session's copy is newer than its record: the store has gone back; the record counts"
                        );
                    }
                }
                Ok(Some(Found::Renewed(_))) => {}
                Ok(None) => {
                    self.note_copy_gone(&key, &revision, self.confirm(asked));
                    return Ok(self.gone(ring));
                }
                Err(error) if is_outage(&error) && access == Access::Read => {
                    return self.in_outage(mirror, ring, &token, revision, content, error, now);
                }
                Err(error) => return Err(error.into()),
            }
        }
        match self.find(ring, &token.id, now).await {
            Ok(Find::Living(living)) => Ok(self.session_of_record(ring, &token, brought, *living, now).await),
            Ok(Find::Absent) => Ok(self.gone(ring)),
            Ok(Find::SignedOut) => Ok(self.signed_out(ring)),
            Ok(Find::Renewed) => {
                self.counts.renewed.increment(1);
                Ok(self.stranger(ring).replaced(token.id))
            }
            Ok(Find::Closed(why)) => Ok(self.closed(ring, why)),
            Err(error)
                if is_outage(&error)
                    && self.mirror.is_none()
                    && access == Access::Read
                    && self.when_away == WhenAway::Anonymous =>
            {
                tracing::warn!(%error, "the session store does not answer; the visitor is shown as a stranger");
                Ok(Self::to_end(ring, token))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the store says of a copy. Who only reads shares the answer that another request is waiting for: unless it was
    /// asked before an end or a change that this process knows of, or takes longer than the window.
    async fn ask(
        &self,
        mirror: &Mirror,
        token: &Token,
        revision: &Revision,
        content: &Content,
        access: Access,
        now: Timestamp,
    ) -> Asked {
        let key = token.id.key();
        let ask = || async { (self.store.confirm(&key, now).await, now) };
        let shares = access == Access::Read
            && mirror.freshness.window > Duration::ZERO
            && matches!(mirror.look(token, revision, content, now), Seen::Good { .. });
        if shares {
            let ((answer, asked), is_own) = mirror.flights.share(&key, ask).await;
            if mirror.freshness.is_fresh(asked, now) {
                return Asked { answer, asked, is_own };
            }
        }
        let (answer, asked) = ask().await;
        Asked { answer, asked, is_own: true }
    }

    /// Asks the store whether what `held` says is still so, of a session of `owner`.
    pub(crate) async fn confirm_held(
        &self,
        held: &RecordRef,
        owner: Option<&str>,
        permanent: bool,
        now: Timestamp,
    ) -> Result<Confirmed, Error> {
        self.asking(now);
        let found = self.store.confirm(&held.id.key(), now).await?;
        let confirm = self.confirm(now);
        match found {
            Some(Found::Living(RecordHead { revision, life, owner: listed }))
                if revision == held.revision && self.is_alive(&life, permanent, now) =>
            {
                if !is_owners(&held.id.key(), owner, listed.as_deref()) {
                    self.counts.other_owner.increment(1);
                    return Err(Error::Gone);
                }
                if let Some(near) = self.near() {
                    near.confirmed(&held.id.key(), &revision, confirm.at());
                }
                Ok(Confirmed { confirm, life, kid: None })
            }
            Some(Found::Living(_)) => Err(Error::Contended),
            Some(Found::Renewed(_)) => Err(Error::Renewed),
            None => {
                self.note_copy_gone(&held.id.key(), &held.revision, confirm);
                Err(Error::Gone)
            }
        }
    }

    async fn session_of_record(
        &self,
        ring: &Arc<ActiveKeys>,
        token: &Token,
        brought: Option<Revision>,
        living: Living,
        now: Timestamp,
    ) -> Session {
        let Living { id, revision, known, content } = living;
        self.counts.records.increment(1);
        let mut held = token.held(revision);
        held.is_outdated = !id.is(&token.id) || brought.is_some_and(|brought| brought != revision);
        held.id = id;
        held.known = Some(self.touched(&held, known, content.permanent, now).await);
        self.session(content, held, ring)
    }

    /// A copy that was confirmed not long ago, while the store is away.
    #[expect(clippy::too_many_arguments, reason = "all that is known of the copy, taken apart by the caller")]
    fn in_outage(
        &self,
        mirror: &Mirror,
        ring: &Arc<ActiveKeys>,
        token: &Token,
        revision: Revision,
        content: Content,
        error: StoreError,
        now: Timestamp,
    ) -> Result<Session, Error> {
        let Seen::Good { near, copy } = mirror.look(token, &revision, &content, now) else {
            return Err(error.into());
        };
        let grace = mirror.freshness.grace.min(span(self.lifetimes.of(content.permanent).idle));
        let sealed = copy.then(|| sealed_at(token));
        let readable = |at: &Timestamp| mirror.freshness.is_in_grace(*at, now) && now.is_within(grace, *at);
        if !sealed.iter().chain(&near).any(readable) {
            return Err(error.into());
        }
        self.counts.grace.increment(1);
        tracing::debug!(%error, "the session store does not answer; a copy confirmed not long ago is shown");
        Ok(self.session(content, token.held(revision), ring).read_only(ReadOnly::Outage))
    }

    /// Notes activity, if that is due: at most once in a twentieth of the idle time. A touch that fails is made up for
    /// by the next one.
    async fn touched(
        &self,
        held: &RecordRef,
        known: Confirmed,
        permanent: bool,
        now: Timestamp,
    ) -> Confirmed {
        let idle = self.lifetimes.of(permanent).idle;
        if now < known.life.last_seen.after(Duration::from_secs(refresh_after(idle))) {
            return known;
        }
        let idle_end = now.after(span(idle));
        match self.store.touch(&held.id.key(), idle_end, now).await {
            Ok(true) => Confirmed { life: known.life.touched(now, idle_end), ..known },
            Ok(false) => known,
            Err(error) => {
                tracing::debug!(%error, "a session's activity was not noted");
                known
            }
        }
    }

    /// A session of which nothing is known, to be ended.
    pub(crate) fn to_end(ring: &Arc<ActiveKeys>, token: Token) -> Session {
        let revision = token.copy.as_ref().map_or(Revision::from_bytes([0; Revision::BYTES]), |copy| copy.0);
        let held = token.held(revision);
        Session::new(Content::default(), Some(Origin::Record(held)), ring.clone(), false)
            .read_only(ReadOnly::Outage)
    }

    fn session(&self, content: Content, held: RecordRef, ring: &Arc<ActiveKeys>) -> Session {
        Session::new(content, Some(Origin::Record(held)), ring.clone(), self.strict)
    }

    fn closed(&self, ring: &Arc<ActiveKeys>, why: Closed) -> Session {
        match why {
            Closed::Unreadable => self.counts.unreadable.increment(1),
            Closed::OtherOwner => self.counts.other_owner.increment(1),
        }
        self.stranger(ring)
    }

    fn gone(&self, ring: &Arc<ActiveKeys>) -> Session {
        self.counts.gone.increment(1);
        self.stranger(ring)
    }

    /// It may be a sign-in's old id, whose new cookie must stay.
    fn signed_out(&self, ring: &Arc<ActiveKeys>) -> Session {
        self.gone(ring).read_only(ReadOnly::Ended)
    }

    fn stranger(&self, ring: &Arc<ActiveKeys>) -> Session {
        Session::new(Content::default(), None, ring.clone(), self.strict)
    }
}

impl Mirror {
    fn look(&self, token: &Token, revision: &Revision, content: &Content, now: Timestamp) -> Seen {
        let owner = || content.metadata.get(OWNER);
        self.near.look(token.id.public_id(), || token.id.key(), revision, owner, sealed_at(token), now)
    }
}

/// When the token says that it was confirmed: whole seconds, so up to one too early and never too late.
fn sealed_at(token: &Token) -> Timestamp {
    Timestamp::from_millis(token.times.sealed().saturating_mul(1_000))
}
