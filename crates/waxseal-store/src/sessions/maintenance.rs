//! What a store needs now and then, and what an operator asks of it.

use std::time::SystemTime;

use waxseal_crypto::KeyId;

use super::SessionManager;
use crate::Error;
use crate::record::Cursor;
use crate::server::{Maintenance, Server, purge};

impl SessionManager {
    /// A round of upkeep, for about once a minute: frees what has expired, makes up for sign-outs that the store
    /// missed, and compares this process's clock with the store's. Nothing to do in state `cookie`.
    ///
    /// Where much has expired, a round goes on for up to a minute by `clock`, and the next is due at once.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store does not answer.
    pub async fn upkeep(&self, clock: impl Fn() -> SystemTime) -> Result<Option<Maintenance>, Error> {
        match (&self.server, &self.revocations) {
            (Some(server), _) => Ok(Some(server.upkeep(|| clock().into()).await?)),
            (None, Some(list)) => {
                // A sign-out that the store refuses must not stop the purge.
                let ends = list.finish(clock().into()).await;
                let purged = purge(list.store(), || clock().into(), |now| list.finish(now)).await?;
                ends?;
                Ok(Some(Maintenance { purged, clock_offset: None }))
            }
            (None, None) => Ok(None),
        }
    }

    /// Tells the store of the sessions that were ended while it was away; how many are left. For about once a second.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] or [`Error::Unavailable`] if it refuses some; those wait for the next time.
    pub async fn finish_ends(&self, now: SystemTime) -> Result<usize, Error> {
        match (&self.server, &self.revocations) {
            (Some(server), _) => Ok(server.finish_ends(now.into()).await?),
            (None, Some(list)) => Ok(list.finish(now.into()).await?),
            (None, None) => Ok(0),
        }
    }

    /// Whether the store can be reached and has room, for a readiness page.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if not.
    pub async fn store_ready(&self) -> Result<(), Error> {
        match (&self.server, &self.revocations) {
            (Some(server), _) => Ok(server.store_ready().await?),
            (None, Some(list)) => Ok(list.store().ready().await?),
            (None, None) => Ok(()),
        }
    }

    /// Whether this process's clock and the store's agree to a second, as far as [`upkeep`](Self::upkeep) has found.
    #[must_use]
    pub fn clocks_agree(&self) -> bool {
        self.server.as_ref().is_none_or(Server::clocks_agree)
    }

    /// Seals a part of the records that another key sealed with the ring's first, about `limit` of them. How many were,
    /// and where to go on.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn rewrap(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<(usize, Option<Cursor>), Error> {
        self.server()?.rewrap_some(&self.ring(), after, limit, now.into()).await
    }

    /// How many of a part of the records, about `limit` of them, are sealed with this key, which is not the ring's first;
    /// and where to go on. While there are any, the key must not go.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn count_sealed_by(
        &self,
        key: KeyId,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<(usize, Option<Cursor>), Error> {
        let (server, ring) = (self.server()?, self.ring());
        Ok(server.count_sealed_by(&ring, *key.as_bytes(), after, limit, now.into()).await?)
    }
}
