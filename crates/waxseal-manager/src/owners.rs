//! Lists and ends the sessions of an owner.

use std::time::SystemTime;

use waxseal_session::is_owner_name;
use waxseal_store::{Cursor, Listed, Page, Promise, PublicId};

use crate::error::Error;
use crate::manager::SessionManager;
use crate::visit::Visit;

impl SessionManager {
    /// Returns a page of the owner's sessions, about `limit` of them. Continue with the page's `next`.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`] in state `cookie`, with a list or without. [`Error::NotPromised`] if the store has no lists.
    /// [`Error::Unavailable`] if the store does not answer.
    pub async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<Page<Listed>, Error> {
        let records = self.expect_records()?;
        records.any_store().expect(Promise::Lists)?;
        if !is_owner_name(owner) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        Ok(records.list(owner, after, limit, now.into()).await?)
    }

    /// Returns the most recently used sessions of this session's owner, the latest first: at most `most` of them,
    /// always including this one. Empty if the session has no owner. At most 100,000 sessions of the owner are looked
    /// through.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn last_used(&self, visit: &Visit, most: usize, now: SystemTime) -> Result<Vec<Listed>, Error> {
        let records = self.expect_records()?;
        records.any_store().expect(Promise::Lists)?;
        let Some(owner) = visit.owner() else { return Ok(Vec::new()) };
        Ok(records.last_used(&owner, visit.public_id(), most, now.into()).await?)
    }

    /// Ends the owner's session with this public session id. Returns `false` if there is none.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn end(&self, owner: &str, public_id: PublicId, now: SystemTime) -> Result<bool, Error> {
        let records = self.expect_records()?;
        let ended = is_owner_name(owner) && records.end_one(owner, public_id, now.into()).await?;
        if ended {
            self.events.count_end();
        }
        Ok(ended)
    }

    /// Ends all sessions of the owner.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`] in [`State::Cookie`](crate::State::Cookie), [`Error::Unavailable`] if the store does not
    /// answer.
    pub async fn end_all(&self, owner: &str, now: SystemTime) -> Result<(), Error> {
        match self.list_of_ended() {
            // No owner can have such a name, but entries of a list in the same store may.
            _ if !is_owner_name(owner) => self.has_list_or_store(),
            Some(list) => list.end_all(owner, now.into()).await,
            None => Ok(self.expect_records()?.end_all(owner, None, now.into()).await?),
        }
    }

    /// Ends all sessions of this session's owner except this one, for example after the password was changed.
    ///
    /// They end when this session is committed. The commit gives it a [new id](waxseal_session::Session::renew), so
    /// that copies of this session end, too. If the request fails, no session ends. If the request later signs out or
    /// empties the session, all of them end.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`] as for [`end_all`](Self::end_all). [`Error::Session`] of kind
    /// [`Owner`](waxseal_session::Error::Owner) if the session has no owner, and of the kinds of every
    /// [write](waxseal_session::Session#errors).
    pub fn end_others(&self, visit: &Visit) -> Result<(), Error> {
        self.has_list_or_store()?;
        Ok(visit.session().end_others()?)
    }

    fn has_list_or_store(&self) -> Result<(), Error> {
        if self.list_of_ended().is_some() { Ok(()) } else { self.expect_records().map(drop) }
    }
}
