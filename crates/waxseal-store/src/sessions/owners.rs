//! The sessions of one owner, listed and ended.

use std::time::SystemTime;

use super::SessionManager;
use crate::record::{Cursor, Listed, Page};
use crate::session::{Session, is_name};
use crate::{Error, PublicId};

impl SessionManager {
    /// A part of the owner's sessions, about `limit` of them; go on with the page's `next`.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`] in state `cookie` (for the last two: unless it is [revocable](Self::revocable)),
    /// [`Error::Unavailable`] if the store does not answer; so for the next
    /// three.
    pub async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<Page<Listed>, Error> {
        let server = self.server()?;
        if !is_name(owner) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        Ok(server.list(owner, after, limit, now.into()).await?)
    }

    /// The sessions of this session's owner, at most `most` of them: those that were used last, the last one first, and
    /// this one in any case. None if it has no owner. Looks through up to 100,000.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn last_used(
        &self,
        session: &Session,
        most: usize,
        now: SystemTime,
    ) -> Result<Vec<Listed>, Error> {
        let server = self.server()?;
        let Some(owner) = session.owner() else { return Ok(Vec::new()) };
        Ok(server.last_used(&owner, session.public_id(), most, now.into()).await?)
    }

    /// Ends the owner's session of this handle; false if there is none.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn end(&self, owner: &str, public_id: PublicId, now: SystemTime) -> Result<bool, Error> {
        let server = self.server()?;
        Ok(is_name(owner) && server.end_one(owner, public_id, now.into()).await?)
    }

    /// Ends all sessions of the owner.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn end_all(&self, owner: &str, now: SystemTime) -> Result<(), Error> {
        match &self.revocations {
            // Nobody has such a name, but what a list keeps in the same store may.
            _ if !is_name(owner) => self.has_list_or_store(),
            Some(list) => list.end_all(owner, now.into()).await,
            None => Ok(self.server()?.end_all(owner, None, now.into()).await?),
        }
    }

    /// Ends all sessions of this session's owner but this one, for a changed password; when this one is committed, which
    /// gives it a [new id](Session::renew), so that copies of it end, too. A request that fails ends none; one that signs out
    /// after, or empties the session, ends all.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`] as for [`end_all`](Self::end_all), [`Error::Owner`] if it has no owner, and those that every write
    /// may have.
    pub fn end_others(&self, session: &Session) -> Result<(), Error> {
        self.has_list_or_store()?;
        let owner = session.owner().ok_or(Error::Owner)?;
        session.renew()?;
        session.lock().ends_others = Some(owner);
        Ok(())
    }

    fn has_list_or_store(&self) -> Result<(), Error> {
        if self.revocations.is_some() { Ok(()) } else { self.server().map(drop) }
    }
}
