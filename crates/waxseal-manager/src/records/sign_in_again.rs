//! Sign-ins with an id that another sign-in has replaced.

use waxseal_session::backend::Content;
use waxseal_store::{Record, Swap, Timestamp};

use super::draft::Draft;
use super::keyed_id::KeyedId;
use super::record_store::RecordStore;
use super::save::SURE_ATTEMPTS;
use super::write::Base;
use crate::confirmed::{Confirmed, ConfirmedAt};
use crate::error::Error;
use crate::outcome::Outcome;

impl RecordStore {
    /// Saves a sign-in with an id that another sign-in has replaced. If both have the same owner, the response to the
    /// first one may have been lost. The session of the first sign-in is then renewed once more, so that the id in that
    /// response ends. Otherwise a new session is created, if `begins` allows it.
    pub(super) async fn sign_in_again(
        &self,
        draft: &Draft,
        old: &KeyedId,
        begins: bool,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        for attempt in 0..SURE_ATTEMPTS {
            if attempt > 0 {
                self.counts.conflicts.increment(1);
                self.pause(attempt).await;
            }
            let Some((base, there)) = self.find_owned(draft, old, now).await? else {
                if !begins {
                    return Err(self.missing());
                }
                return self.create(&draft.keys, &draft.begun()?, now).await;
            };
            let content = draft.replay_over(there)?;
            let write = self.write(&draft.keys, &content, &base, draft.closed.renewed, now)?;
            match self.send(&write, now).await? {
                Swap::Done => {
                    let base = self.done(write, base, now);
                    return self.written(&draft.keys, &base, &content);
                }
                // Another sign-in may have come in between.
                Swap::Conflict | Swap::Gone => {}
            }
        }
        Err(Error::Contended)
    }

    /// Finds the session with this public session id, whatever its id is now, if it belongs to the owner who signs in.
    async fn find_owned(
        &self,
        draft: &Draft,
        old: &KeyedId,
        now: Timestamp,
    ) -> Result<Option<(Base, Content)>, Error> {
        let Some(owner) = draft.closed.content.owner() else { return Ok(None) };
        let Some((key, mut record)) = self.store.owned(&owner, old.public_id(), now).await? else {
            return Ok(None);
        };
        let at = ConfirmedAt::by_answer(now);
        let Ok((content, seal)) = self.open(&draft.keys, &key, &mut record, now) else { return Ok(None) };
        let Record { revision, life, .. } = record;
        if !self.is_alive(&life, self.lifetimes.of_session(&content), now) || self.unfinished.has(|| key) {
            return Ok(None);
        }
        self.note(&key, &revision, at);
        let confirmed = Confirmed { at, life, seal: Some(seal) };
        Ok(Some((Base { id: old.clone(), key, revision, confirmed }, content)))
    }
}
