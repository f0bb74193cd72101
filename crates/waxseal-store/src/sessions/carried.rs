//! State `cookie`: a token that is the whole session.

use std::time::SystemTime;

use waxseal_crypto::{FreshNonce, Times};

use super::{
    Outcome, RESEAL_AFTER_SECONDS, SessionManager, is_owed_to_the_page, not_failing_the_page, refresh_after,
};
use crate::content::Content;
use crate::error::Largest;
use crate::metadata::{EPOCH, OWNER};
use crate::origin::{COOKIE_ID_BYTES, CookieToken, Origin};
use crate::revocations::{Epoch, Question, Revocations};
use crate::session::{Session, State};
use crate::timestamp::{Timestamp, system_time, unix_seconds};
use crate::{Access, Error};

/// What a request makes of a session that can be taken back.
struct Plan {
    /// What the session was when its token was sealed; `None` if it is new.
    question: Option<Question>,
    owner: Option<String>,
    /// It is the owner's already.
    stays: bool,
    /// The epoch that it stays in.
    own: Option<Epoch>,
    /// It is to be in the owner's present epoch.
    joins: bool,
    /// It gets an id of its own: it was renewed, or is another's now, or permanent or no longer so. The end of an id is
    /// remembered for as long as a token of it may live: so all of them live equally long.
    new_id: bool,
    signed_in: bool,
    /// The owner's other sessions are to end.
    ends_others: bool,
    /// All sessions of somebody are to end whose it was when that was asked for, and is no more.
    ends_all: Option<String>,
    is_owed_to_the_page: bool,
}

impl SessionManager {
    pub(super) async fn save_revocable(
        &self,
        list: &Revocations,
        session: &Session,
        now: SystemTime,
    ) -> Result<Outcome, Error> {
        let due = {
            let state = session.lock();
            if self.is_token_due(&state, unix_seconds(now)) {
                let (plan, modified) = (Plan::of(&state), state.is_modified());
                if modified {
                    plan.check_room(&state)?;
                }
                Ok((plan, modified))
            } else {
                Err(state.ends_others.clone())
            }
        };
        let (plan, modified) = match due {
            Ok(due) => due,
            Err(ends_all) => {
                // It was destroyed after it had ended the others.
                if let Some(owner) = ends_all {
                    list.end_all(&owner, now.into()).await?;
                }
                return Ok(Outcome::Keep);
            }
        };
        if !modified {
            // It keeps its id and its epoch, so it escapes no end. One that is known must not displace a newer token.
            let known = plan.question.as_ref().map(|it| list.remembered(it, Access::Change, now.into()));
            if known == Some(Some(true)) {
                return Ok(Outcome::Keep);
            }
            return self.seal(&mut session.lock(), unix_seconds(now), false);
        }
        let saved = async {
            let epoch = plan.settle(list, now.into()).await?;
            let mut state = session.lock();
            put_epoch(epoch.as_ref(), &mut state.content)?;
            self.seal(&mut state, unix_seconds(now), plan.new_id)
        };
        let saved = saved.await;
        if plan.is_owed_to_the_page { not_failing_the_page(saved) } else { saved }
    }

    pub(super) fn save_carried(&self, session: &Session, now: SystemTime) -> Result<Outcome, Error> {
        let (mut state, now) = (session.lock(), unix_seconds(now));
        if !self.is_token_due(&state, now) {
            return Ok(Outcome::Keep);
        }
        let new_id = state.renewed;
        self.seal(&mut state, now, new_id)
    }

    fn is_token_due(&self, state: &State, now: u64) -> bool {
        match state.carried() {
            None => state.is_modified() && !state.content.is_blank(),
            Some(carried) => {
                state.is_modified() || (state.accessed && (state.others || self.is_due(state, carried, now)))
            }
        }
    }

    fn seal(&self, state: &mut State, now: u64, new_id: bool) -> Result<Outcome, Error> {
        let capacity = state.ring.capacity();
        state.content.fit(capacity);
        let limits = self.lifetimes.of(state.content.permanent);
        let (id, nonce) = match state.carried() {
            Some(carried) if !new_id => (carried.id, FreshNonce::draw()?),
            _ => {
                let (nonce, id) = FreshNonce::draw_beside()?;
                (id, nonce)
            }
        };
        let begun = state.carried().filter(|_| !state.renewed).map(|carried| carried.times.created());
        let times = Times::new(begun.unwrap_or(now), now, limits.idle, limits.absolute);
        let mut payload = Vec::with_capacity(COOKIE_ID_BYTES + state.content.planned_size());
        payload.extend_from_slice(&id);
        state.content.write(&mut payload);
        let token = state.ring.sealer().seal_text_under(nonce, &payload, times)?;
        let end = times.idle_end(limits).min(times.absolute_end(limits));
        let expires = state.content.permanent.then(|| system_time(end));
        Ok(Outcome::Set { token, expires })
    }

    fn is_due(&self, state: &State, carried: &CookieToken, now: u64) -> bool {
        let age = now.saturating_sub(carried.times.sealed());
        let refresh = age >= refresh_after(self.lifetimes.of(state.content.permanent).idle);
        let reseal = carried.needs_reseal && age >= RESEAL_AFTER_SECONDS;
        refresh || reseal || self.lifetimes.refreshes_each_request()
    }
}

impl Plan {
    fn of(state: &State) -> Self {
        let question = state.carried().and_then(|carried| carried.question.clone());
        let owner: Option<String> = state.content.metadata.get(OWNER);
        let stays = question.as_ref().is_some_and(|it| it.owner == owner);
        // A renewal stays in its epoch: only who proves who they are may leave one that is over.
        let own = question.as_ref().filter(|_| stays).and_then(|it| it.epoch);
        let (ends_others, ends_all) = match &state.ends_others {
            Some(of) if Some(of) == owner.as_ref() => (true, None),
            of => (false, of.clone()),
        };
        let begins = !stays || state.signed_in || ends_others;
        Self {
            joins: owner.is_some() && own.is_none() && begins,
            new_id: state.renewed
                || question.as_ref().is_some_and(|it| !stays || it.permanent != state.content.permanent),
            question,
            owner,
            stays,
            own,
            signed_in: state.signed_in,
            ends_others,
            ends_all,
            is_owed_to_the_page: is_owed_to_the_page(&state.log, state.renewed),
        }
    }

    /// Before anything is asked of the list, which cannot be taken back.
    fn check_room(&self, state: &State) -> Result<(), Error> {
        let (mut content, limit) = (state.content.clone(), state.ring.capacity());
        put_epoch(self.own.or(self.joins.then_some(Epoch::PLACEHOLDER)).as_ref(), &mut content)?;
        content.fit(limit);
        if content.fits(limit) {
            return Ok(());
        }
        let size = content.planned_size();
        Err(Error::TooLarge { size, limit, largest: Largest::of(content.entries.sizes()) })
    }

    /// Agrees with the list on what becomes of the session: in which epoch it is from now on.
    ///
    /// In an order by which it escapes no end that was acknowledged before: an epoch is read before the session is asked for,
    /// so an end in between ends the session in it; and its id is claimed after, which succeeds once.
    async fn settle(&self, list: &Revocations, now: Timestamp) -> Result<Option<Epoch>, Error> {
        let settled = self.try_to_settle(list, now).await;
        if let (true, true, Some(owner), Err(Error::Gone | Error::Renewed)) =
            (self.ends_others, self.stays, &self.owner, &settled)
        {
            // Whoever was there first may be a thief: the whole family ends.
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
        // With an epoch to end, that is the one step, and ends the session under its old id as well.
        let claims = *new_id && !(self.ends_others && own.is_some());
        if let Some(question) = question.as_ref().filter(|_| claims)
            && !list.claim(question, now).await?
            && let Some(was) = &question.owner
        {
            // Its place in the list is another's: rather end too many.
            let next = list.end_others(was, question.epoch, now).await?;
            epoch = if question.owner == *owner { Some(next) } else { epoch };
        }
        if let (true, Some(owner)) = (self.ends_others, owner) {
            let from = if self.signed_in { *own } else { epoch };
            epoch = Some(list.end_others(owner, from, now).await?);
        }
        Ok(epoch)
    }
}

/// Notes in the metadata in which epoch a session is, or that it is in none.
fn put_epoch(epoch: Option<&Epoch>, content: &mut Content) -> Result<(), Error> {
    let in_metadata = |source| Error::Value { key: EPOCH.to_owned(), source };
    Epoch::put(epoch, &mut content.metadata).map_err(in_metadata)
}

impl State {
    pub(super) fn carried(&self) -> Option<&CookieToken> {
        match &self.origin {
            Some(Origin::Cookie(carried)) => Some(carried),
            _ => None,
        }
    }
}
