//! State `cookie`: a token that is the whole session.

use std::time::SystemTime;

use waxseal_crypto::{FreshNonce, Times};

use super::{Outcome, RESEAL_AFTER_SECONDS, Sessions, refresh_after};
use crate::Error;
use crate::content::Content;
use crate::metadata::OWNER;
use crate::moment::{Moment, system_time, unix_seconds};
use crate::origin::{COOKIE_ID_BYTES, Carried, Origin};
use crate::revocations::{Question, Revocations};
use crate::session::{Session, State};

impl Sessions {
    pub(super) async fn save_revocable(
        &self,
        revocations: &Revocations,
        session: &Session,
        now: SystemTime,
    ) -> Result<Outcome, Error> {
        let (owner, taken_back, ends_others) = {
            let state = session.lock();
            let question = |carried| self.question(carried, &state.content);
            let owner = (state.renewed || state.origin.is_none())
                .then(|| state.content.metadata.get::<String>(OWNER));
            let taken_back = state.carried().filter(|_| state.renewed).map(question);
            (owner.flatten(), taken_back, state.ends_others)
        };
        if let Some(owner) = owner.as_deref().filter(|_| ends_others) {
            self.end_all(owner, now).await?;
        }
        // A session must not begin within a second of which its owner's were ended.
        let earliest = match owner {
            Some(owner) => revocations.earliest(&owner, now.into()).await?,
            None => 0,
        };
        let outcome = self.save_carried(session, now, earliest)?;
        if let Some(question) = taken_back {
            revocations.revoke(&question, now.into()).await;
        }
        Ok(outcome)
    }

    pub(super) fn save_carried(
        &self,
        session: &Session,
        now: SystemTime,
        earliest: u64,
    ) -> Result<Outcome, Error> {
        let mut state = session.lock();
        let now = unix_seconds(now);
        let due = match state.carried() {
            None => state.is_modified() && !state.content.is_blank(),
            Some(carried) => {
                state.is_modified() || (state.accessed && (state.others || self.is_due(&state, carried, now)))
            }
        };
        if !due {
            return Ok(Outcome::Keep);
        }
        let capacity = state.ring.capacity();
        state.content.fit(capacity);
        self.seal(&state, now, earliest)
    }

    fn seal(&self, state: &State, now: u64, earliest: u64) -> Result<Outcome, Error> {
        let limits = self.lifetimes.of(state.content.permanent);
        let (id, created, nonce) = match state.carried() {
            Some(carried) if !state.renewed => (carried.id, carried.times.created(), FreshNonce::draw()?),
            _ => {
                let (nonce, id) = FreshNonce::draw_beside()?;
                (id, now.max(earliest), nonce)
            }
        };
        let times = Times::new(created, now, limits.idle, limits.absolute);
        let mut payload = Vec::with_capacity(COOKIE_ID_BYTES + state.content.planned_size());
        payload.extend_from_slice(&id);
        state.content.write(&mut payload);
        let token = state.ring.sealer().seal_text_under(nonce, &payload, times)?;
        let end = times.idle_end(limits).min(times.absolute_end(limits));
        let expires = state.content.permanent.then(|| system_time(end));
        Ok(Outcome::Set { token, expires })
    }

    pub(super) fn question(&self, carried: &Carried, content: &Content) -> Question {
        self.question_of(carried, content.metadata.get(OWNER))
    }

    pub(super) fn question_of(&self, carried: &Carried, owner: Option<String>) -> Question {
        let end = carried.times.absolute_end(self.lifetimes.widest());
        let end = Moment::from_millis(end.saturating_mul(1_000));
        Question::new(carried.id, owner, carried.times.created(), end)
    }

    fn is_due(&self, state: &State, carried: &Carried, now: u64) -> bool {
        let age = now.saturating_sub(carried.times.sealed());
        let refresh = age >= refresh_after(self.lifetimes.of(state.content.permanent).idle);
        let reseal = carried.needs_reseal && age >= RESEAL_AFTER_SECONDS;
        refresh || reseal || self.lifetimes.refreshes_each_request()
    }
}

impl State {
    pub(super) fn carried(&self) -> Option<&Carried> {
        match &self.origin {
            Some(Origin::Cookie(carried)) => Some(carried),
            _ => None,
        }
    }
}
