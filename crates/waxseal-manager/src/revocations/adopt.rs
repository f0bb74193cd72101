//! Foreign sessions taken over into cookies, with a list of revoked ones.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use waxseal_session::backend::Content;
use waxseal_store::{Revision, Timestamp};

use super::entry::IdEnd;
use super::epoch::Epoch;
use super::list::Revocations;
use super::question::Question;
use crate::active_keys::ActiveKeys;
use crate::adoption::claims::{Claim, Claims, Made};
use crate::adoption::counts::Outcome;
use crate::adoption::foreign::{Foreign, ForeignRef};
use crate::adoption::refusal::ForeignRefusal;
use crate::error::Error;
use crate::origin::{COOKIE_ID_BYTES, CookieToken, Origin};
use crate::store_error::StoreError;
use crate::visit::Visit;

impl Revocations {
    /// Takes a foreign session over, or joins the session that a parallel request has made of it. Gives the reason if it
    /// is refused.
    ///
    /// The owner's epoch comes first and the question about the owner's end last: whoever ends the owner's sessions
    /// notes it first, and begins another epoch then.
    pub(crate) async fn adopt(
        &self,
        keys: &Arc<ActiveKeys>,
        foreign: &ForeignRef,
        mut content: Content,
        now: Timestamp,
    ) -> Result<Result<Visit, ForeignRefusal>, Error> {
        let Some(claims) = &self.claims else { return Err(Error::NoStore) };
        let refused = |why| {
            claims.count(Outcome::Refused(why));
            Ok(Err(why))
        };
        let claim = claims.look(foreign, now).await?;
        if let Claim::Refused(why) = claim {
            return refused(why);
        }
        if let Some(owner) = &foreign.owner {
            Epoch::put(Some(&self.join(owner, now).await?), &mut content.metadata);
        }
        let (claim, outcome) = self.claimed(claims, foreign, claim, now).await?;
        let revision = match claim {
            // The claim is another request's, which may be another visitor's.
            Claim::Held(_) if outcome == Outcome::Joined && foreign.is_anybodys() => Revision::first()?,
            Claim::Held(revision) => revision,
            Claim::Refused(why) => return refused(why),
            Claim::Free | Claim::Renewable(_) => return Err(Error::Contended),
        };
        let token = self.token(foreign, &revision, &content, now);
        if let Some(question) = &token.question
            && self.find(&question.key(), now).await?.is_some()
        {
            return refused(ForeignRefusal::Replayed);
        }
        if claims.owner_ended(foreign, now).await? {
            return refused(ForeignRefusal::OwnerEnded);
        }
        claims.count(outcome);
        Ok(Ok(Visit::restored(content, Origin::Cookie(token), keys.clone(), false).adopted()))
    }

    /// Ends a foreign session, and the session that was made of it.
    pub(crate) async fn end_foreign(&self, foreign: &ForeignRef, now: Timestamp) -> Result<(), Error> {
        let Some(claims) = &self.claims else { return Ok(()) };
        Ok(claims.sign_out(foreign, now, |made| self.end_made(made, now)).await?)
    }

    /// Ends the session that was made of a foreign one which is signed out.
    pub(super) async fn end_made(&self, made: Made, now: Timestamp) -> Result<(), StoreError> {
        let id = id_of(&made.replay_id, &made.claim);
        let question = Question::new(id, self.lifetimes.times(&Content::default(), now), &Content::default());
        // The class of the session is not known here, so the longest lifetime counts.
        let end = IdEnd { until: self.last_end(now), is_owned: true };
        if !self.end_id(&question.key(), end, now).await? {
            tracing::warn!(
                "a session that was made of a foreign one was ended, and its copies were not revoked"
            );
        }
        Ok(())
    }

    /// Claims a foreign session that is free, and returns what its claim is after that.
    async fn claimed(
        &self,
        claims: &Claims,
        foreign: &ForeignRef,
        claim: Claim,
        now: Timestamp,
    ) -> Result<(Claim, Outcome), Error> {
        if !matches!(claim, Claim::Free | Claim::Renewable(_)) {
            return Ok((claim, Outcome::Joined));
        }
        let revision = Revision::first()?;
        if claims.claim(foreign, claim, revision, now).await? {
            return Ok((Claim::Held(revision), Outcome::Adopted));
        }
        Ok((claims.look(foreign, now).await?, Outcome::Joined))
    }

    fn token(
        &self,
        foreign: &ForeignRef,
        claim: &Revision,
        content: &Content,
        now: Timestamp,
    ) -> CookieToken {
        let (id, times) = (id_of(&foreign.replay_id, claim), self.lifetimes.times(content, now));
        let question = Some(Question::new(id, times, content));
        CookieToken { id, times, needs_reseal: false, refresh_after: 0, question }
    }
}

/// The id of the session that a foreign one became by this claim. Nobody but the servers knows the claim's revision, of
/// which 8 bytes are drawn.
fn id_of(replay_id: &[u8; Foreign::REPLAY_ID_BYTES], claim: &Revision) -> [u8; COOKIE_ID_BYTES] {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(b"waxseal/import id\0")
        .chain_update(replay_id)
        .chain_update(claim.as_bytes())
        .finalize()
        .into();
    *hash.first_chunk().expect("a hash is longer than an id")
}
