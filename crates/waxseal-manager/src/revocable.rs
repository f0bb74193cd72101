//! Saves in state `cookie` with a list of revoked sessions.

use std::sync::Arc;
use std::time::SystemTime;

use waxseal_session::backend::{Closed, Content, Phase, ReadOnly};
use waxseal_session::{Error as SessionError, Largest};
use waxseal_store::Timestamp;

use crate::access::Access;
use crate::error::Error;
use crate::manager::SessionManager;
use crate::outcome::Outcome;
use crate::revocations::epoch::Epoch;
use crate::revocations::list::{Revocations, Verdict};
use crate::revocations::question::Question;
use crate::visit::Visit;

/// The changes that a request intends for a revocable session.
struct Plan {
    /// The session as its token was sealed. `None` if it is new.
    question: Option<Question>,
    owner: Option<String>,
    /// The session belonged to this owner before.
    stays: bool,
    /// The epoch that the session stays in.
    own: Option<Epoch>,
    /// The session is to join the owner's present epoch.
    joins: bool,
    /// The session gets a new id, because it was renewed, changed its owner, or became permanent or ordinary. The end
    /// of an id is remembered for as long as a token of it may live, so all its tokens must live equally long.
    new_id: bool,
    signed_in: bool,
    /// The owner's other sessions are to end.
    ends_others: bool,
    /// The former owner whose sessions are all to end: the end was requested before the owner changed.
    ends_all: Option<String>,
}

impl SessionManager {
    /// Notes a binding in the list of ended sessions, if there is one: `mark`, which tells it from others, under the series
    /// of the offer that was taken up. Returns the mark that counts, which is another if the series had a binding before:
    /// two keys hold the session's token.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store does not answer. Asking again with the same mark is safe.
    pub async fn note_binding(
        &self,
        series: [u8; 12],
        mark: [u8; 16],
        now: SystemTime,
    ) -> Result<[u8; 16], Error> {
        match self.list_of_ended() {
            Some(list) => list.bind(series, mark, now.into()).await,
            None => Ok(mark),
        }
    }

    /// Takes back what [`note_binding`](Self::note_binding) noted, if that is this mark, because the session that was to be
    /// bound was renewed or ended meanwhile: who goes on under the new id is bound to nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store does not answer.
    pub async fn forget_binding(
        &self,
        series: [u8; 12],
        mark: [u8; 16],
        now: SystemTime,
    ) -> Result<(), Error> {
        match self.list_of_ended() {
            Some(list) => Ok(list.unbind(series, mark, now.into()).await?),
            None => Ok(()),
        }
    }

    /// Returns `true` if the session that came with a request is over under the id that it came with, and continues under
    /// another, by a sign-in or a renewal. Where a list of ended sessions knew that it is over, the list is asked why.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the list does not answer.
    pub async fn was_renewed(&self, visit: &Visit, now: SystemTime) -> Result<bool, Error> {
        let over = visit.home().over.clone();
        match (over, self.list_of_ended()) {
            (Some(question), Some(list)) => Ok(list.was_renewed(&question, now.into()).await?),
            _ => Ok(visit.session().phase() == Phase::ReadOnly(ReadOnly::Renewed)),
        }
    }

    pub(crate) async fn save_revocable(
        &self,
        list: &Revocations,
        visit: &Visit,
        mut closed: Closed,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        if closed.is_new && closed.content.is_blank() {
            // The session was destroyed after it had requested the end of the others.
            if let Some(owner) = closed.ends_others {
                list.end_all(&owner, now).await?;
            }
            return Ok(Outcome::Keep);
        }
        let plan = Plan::new(visit.cookie_token().and_then(|token| token.question), &closed);
        plan.check_room(&closed.content, visit.keys.capacity())?;
        let epoch = plan.settle(list, now).await?;
        Epoch::put(epoch.as_ref(), &mut Arc::make_mut(&mut closed.content).metadata);
        self.seal_whole(visit, closed.content, closed.renewed, plan.new_id, now)
    }

    /// Seals a token of a session that was not changed. It keeps its id and its epoch, so it escapes no end. The list is
    /// asked first: if the session is revoked, the browser keeps its token, because a new one could displace a later
    /// sign-in's. One that was taken over is sent although the list does not answer, because the browser has none.
    pub(crate) async fn refresh_revocable(
        &self,
        list: &Revocations,
        visit: &Visit,
        closed: Closed,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        if let Some(question) = visit.cookie_token().and_then(|token| token.question) {
            match list.ask(&question, Access::Change, now).await {
                Ok(Verdict::Good) => {}
                Err(_) if visit.is_adopted() => {}
                _ => return Ok(Outcome::Keep),
            }
        }
        self.seal_whole(visit, closed.content, false, false, now)
    }
}

impl Plan {
    fn new(question: Option<Question>, closed: &Closed) -> Self {
        let owner = closed.content.owner();
        let stays = question.as_ref().is_some_and(|it| it.owner == owner);
        // A renewal stays in its epoch. Only a sign-in may leave an epoch that is over.
        let own = question.as_ref().filter(|_| stays).and_then(|it| it.epoch);
        let (ends_others, ends_all) = match &closed.ends_others {
            Some(of) if Some(of) == owner.as_ref() => (true, None),
            of => (false, of.clone()),
        };
        let begins = !stays || closed.signed_in || ends_others;
        Self {
            joins: owner.is_some() && own.is_none() && begins,
            new_id: closed.renewed
                || question.as_ref().is_some_and(|it| !stays || it.permanent != closed.content.permanent),
            question,
            owner,
            stays,
            own,
            signed_in: closed.signed_in,
            ends_others,
            ends_all,
        }
    }

    /// Checks that the session fits before the list is asked, because changes of the list cannot be undone.
    fn check_room(&self, content: &Content, limit: usize) -> Result<(), Error> {
        let mut content = content.clone();
        Epoch::put(self.own.or(self.joins.then_some(Epoch::PLACEHOLDER)).as_ref(), &mut content.metadata);
        content.fit(limit);
        if content.fits(limit) {
            return Ok(());
        }
        let size = content.planned_size();
        Err(SessionError::TooLarge { size, limit, largest: Largest::of(content.entries.sizes()) }.into())
    }

    /// Updates the list for the session, and returns the epoch that the session is in from now on.
    ///
    /// The order ensures that the session escapes no end that was acknowledged before. Its epoch is read before the
    /// session is asked about, so an end in between ends the session in that epoch. Its id is claimed after that, which
    /// succeeds once.
    async fn settle(&self, list: &Revocations, now: Timestamp) -> Result<Option<Epoch>, Error> {
        let settled = self.try_to_settle(list, now).await;
        if let (true, true, Some(owner), Err(Error::Session(SessionError::Gone | SessionError::Renewed))) =
            (self.ends_others, self.stays, &self.owner, &settled)
        {
            // The request that was faster may be a thief's, so all sessions of the owner end.
            list.end_all(owner, now).await?;
        }
        settled
    }

    async fn try_to_settle(&self, list: &Revocations, now: Timestamp) -> Result<Option<Epoch>, Error> {
        let Self { question, owner, own, new_id, .. } = self;
        let mut epoch = match owner {
            Some(owner) if self.joins => Some(list.join(owner, now).await?),
            _ => *own,
        };
        if let Some(question) = question {
            list.expect_good(question, now).await?;
        }
        if let Some(of) = &self.ends_all {
            list.end_all(of, now).await?;
        }
        if let (true, Some(owner), Some(own)) = (*new_id, owner, own) {
            list.prolong(owner, own, now).await?;
        }
        // If there is an epoch to end, that one step also ends the session under its old id.
        let claims = *new_id && !(self.ends_others && own.is_some());
        if let Some(question) = question.as_ref().filter(|_| claims)
            && !list.claim(question, now).await?
            && let Some(was) = &question.owner
        {
            // A foreign record has the session's place in the list. Ending too many sessions is better than too few.
            let next = list.end_others(was, question.epoch, now).await?;
            epoch = if question.owner == *owner { Some(next) } else { epoch };
        }
        if let (true, Some(owner)) = (self.ends_others, owner) {
            let from = if self.signed_in { *own } else { epoch };
            epoch = Some(list.end_others(owner, from, now).await?);
            if let Some(question) = question.as_ref().filter(|_| *new_id && !claims) {
                // The old id is over by its epoch. That it was renewed is noted for who comes by it meanwhile.
                let _ = list.claim(question, now).await;
            }
        }
        Ok(epoch)
    }
}
