//! Foreign sessions taken over into records.

use std::sync::Arc;

use waxseal_crypto::Times;
use waxseal_session::backend::Content;
use waxseal_store::{Creation, Lifespan, RecordKey, Revision, Timestamp};

use super::keyed_id::KeyedId;
use super::record_store::RecordStore;
use super::token::Token;
use crate::active_keys::ActiveKeys;
use crate::adoption::claims::{Claim, Claims, Made, Reach};
use crate::adoption::counts::Outcome;
use crate::adoption::foreign::ForeignRef;
use crate::adoption::refusal::ForeignRefusal;
use crate::error::Error;
use crate::origin::RecordRef;
use crate::store_error::StoreError;
use crate::visit::Visit;

/// The record of a session that was made from a foreign one.
struct MadeRecord {
    id: KeyedId,
    revision: Revision,
    life: Lifespan,
}

impl RecordStore {
    /// Takes a foreign session over, or joins the session that a parallel request has made from it. If the foreign
    /// session is refused, the visitor is anonymous.
    pub(crate) async fn adopt(
        &self,
        keys: &Arc<ActiveKeys>,
        foreign: &ForeignRef,
        content: &Content,
        now: Timestamp,
    ) -> Result<Visit, Error> {
        let Some(claims) = &self.claims else { return Ok(self.anonymous(keys)) };
        self.asking(now);
        if let (Some(list), Some(question)) = (&self.former_list, &foreign.former)
            && list.has_ended(question, now).await?
        {
            return Ok(self.refuse(claims, keys, ForeignRefusal::Replayed));
        }
        let mut claim = claims.look(foreign, now).await?;
        if matches!(claim, Claim::Free | Claim::Renewable(_)) {
            if let Some(visit) = self.claim(claims, keys, foreign, claim, content, now).await? {
                return Ok(visit);
            }
            claim = claims.look(foreign, now).await?;
        }
        match claim {
            Claim::Held(_) if foreign.is_anybodys() => {
                let made = self.make(keys, foreign, &Revision::first()?, content, now).await?;
                claims.count(Outcome::Adopted);
                Ok(self.made(keys, made, content, now))
            }
            Claim::Held(revision) => self.join(claims, keys, foreign, &revision, now).await,
            Claim::Refused(why) => Ok(self.refuse(claims, keys, why)),
            Claim::Free | Claim::Renewable(_) => Err(Error::Contended),
        }
    }

    /// Ends a foreign session, and the session that was made from it.
    pub(crate) async fn end_foreign(
        &self,
        keys: &ActiveKeys,
        foreign: &ForeignRef,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(claims) = &self.claims else { return Ok(()) };
        Ok(claims.sign_out(foreign, now, |made| self.end_made(keys, made, now)).await?)
    }

    /// Ends the session that was made from a foreign one that is signed out.
    pub(super) async fn end_made(
        &self,
        keys: &ActiveKeys,
        made: Made,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for id in keys.imported_ids(&made.replay_id, &made.claim) {
            let record = reference(id.into(), Revision::UNKNOWN, now);
            self.end(&record, Reach::Untaken(made.since), now).await?;
        }
        Ok(())
    }

    /// Makes a session from a foreign one whose claim is `before`, and then claims it. `None` if another request was
    /// faster.
    ///
    /// The session is created before the claim, so that a request that finds the claim finds the session, too. The
    /// session's id is derived from the revision that is drawn for the claim, so nobody can know it without the claim.
    async fn claim(
        &self,
        claims: &Claims,
        keys: &Arc<ActiveKeys>,
        foreign: &ForeignRef,
        before: Claim,
        content: &Content,
        now: Timestamp,
    ) -> Result<Option<Visit>, Error> {
        let claim = Revision::first()?;
        let made = self.make(keys, foreign, &claim, content, now).await?;
        let key = made.id.key();
        if !claims.claim(foreign, before, claim, now).await? {
            self.drop_unclaimed(&key, now).await;
            return Ok(None);
        }
        // Checked after the session was created: a request that ends the owner's sessions first notes that, and then
        // ends them.
        if claims.owner_ended(foreign, now).await? {
            self.store.delete(&key, now).await?;
            return Ok(Some(self.refuse(claims, keys, ForeignRefusal::OwnerEnded)));
        }
        claims.count(Outcome::Adopted);
        Ok(Some(self.made(keys, made, content, now)))
    }

    /// Makes the record of a session, whose id follows from the foreign one and the revision.
    async fn make(
        &self,
        keys: &Arc<ActiveKeys>,
        foreign: &ForeignRef,
        claim: &Revision,
        content: &Content,
        now: Timestamp,
    ) -> Result<MadeRecord, Error> {
        let id = keys.imported_ids(&foreign.replay_id, claim).next().expect("a ring has at least one key");
        let id = KeyedId::new(id);
        let key = id.key();
        let life = self.life(None, self.lifetimes.of_session(content), now);
        let record = self.record(keys, &key, None, content, life, now)?;
        match self.store.create(&key, &record, now).await? {
            Creation::Taken => Err(Error::Contended),
            _ => Ok(MadeRecord { id, revision: record.revision, life }),
        }
    }

    fn made(&self, keys: &Arc<ActiveKeys>, made: MadeRecord, content: &Content, now: Timestamp) -> Visit {
        let MadeRecord { id, revision, life } = made;
        let confirmed = self.just_written(life, now);
        self.note(&id.key(), &revision, confirmed.at);
        let record = RecordRef { confirmed: Some(confirmed), ..reference(id, revision, now) };
        self.visit(content.clone(), record, keys).adopted()
    }

    /// Makes the visit for a foreign cookie that another request has just brought.
    async fn join(
        &self,
        claims: &Claims,
        keys: &Arc<ActiveKeys>,
        foreign: &ForeignRef,
        claim: &Revision,
        now: Timestamp,
    ) -> Result<Visit, Error> {
        for id in keys.imported_ids(&foreign.replay_id, claim) {
            if self.store.revalidate(&id.key(), now).await?.is_none() {
                continue;
            }
            let token = Token::of_imported(id, now);
            let visit = self.visit_by_record(keys, &token, None, now).await?;
            // A reader's id may be that of an older session, too, which had another owner.
            if visit.session().owner() != foreign.owner {
                return Ok(self.refuse(claims, keys, ForeignRefusal::Replayed));
            }
            claims.count(Outcome::Joined);
            return Ok(visit.adopted());
        }
        Ok(self.refuse(claims, keys, ForeignRefusal::Replayed))
    }

    fn refuse(&self, claims: &Claims, keys: &Arc<ActiveKeys>, why: ForeignRefusal) -> Visit {
        claims.count(Outcome::Refused(why));
        self.anonymous(keys).refused_foreign(why)
    }

    /// Deletes a session that was made in vain. Nobody has its id, so if this fails, the session expires unused.
    async fn drop_unclaimed(&self, key: &RecordKey, now: Timestamp) {
        if let Err(error) = self.store.delete(key, now).await {
            tracing::debug!(%error, "a session that was made in vain was not deleted");
        }
    }
}

fn reference(id: KeyedId, revision: Revision, now: Timestamp) -> RecordRef {
    let times = Times::new(now.as_secs(), now.as_secs(), Times::NO_IDLE, u32::MAX);
    RecordRef {
        id,
        revision,
        times,
        needs_reseal: false,
        refresh_after: None,
        is_outdated: true,
        confirmed: None,
    }
}
