//! Ending a session.

use super::Server;
use super::find::POINTED;
use crate::error::StoreError;
use crate::origin::RecordRef;
use crate::{Error, RecordKey, Timestamp};

impl Server {
    /// Ends the session, whatever writes are under way. If the store is away, the browser forgets its token, this
    /// process refuses it, and the deletion is made up for.
    ///
    /// # Errors
    ///
    /// The store's, if it is away and too many ends wait for it already: the session has not ended.
    pub(crate) async fn end(&self, held: &RecordRef, now: Timestamp) -> Result<(), Error> {
        let key = held.id.key();
        match self.store.delete(&key, now).await {
            Ok(true) => {
                if let Some(near) = self.near() {
                    near.ended(key.public_id(), now);
                }
                Ok(())
            }
            Ok(false) => {
                // Ended before, or renewed by a sign-in: what that made stays, whoever has its cookie.
                if let Some(near) = self.near() {
                    near.left(&key, &held.revision, now);
                }
                Ok(())
            }
            Err(error) => {
                if !self.unfinished.add(key, now) {
                    tracing::error!(%error, "too many sessions were ended while the store is away; this one was not");
                    return Err(error.into());
                }
                tracing::warn!(
                    %error,
                    "a session was ended and the store does not answer; it will be deleted, and until then other \
                     servers may show its copies for as long as the grace"
                );
                if let Some(near) = self.near() {
                    near.doubted(&key, now);
                }
                Ok(())
            }
        }
    }

    /// Whether the session was ended here, and the store is still to be told.
    pub(crate) fn awaits_end(&self, held: &RecordRef) -> bool {
        self.unfinished.has(|| held.id.key())
    }

    /// Deletes the sessions that were ended while the store was away. How many are still to be deleted.
    pub(crate) async fn finish_ends(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.unfinished.finish(|key, since| self.finish_end(key, since, now)).await
    }

    async fn finish_end(&self, key: RecordKey, since: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let ended = self.store.delete(&key, now).await?;
        if !ended && self.renew_every.is_some() && now >= since.after(POINTED / 2) {
            tracing::error!(
                public_id = %key.public_id(),
                "a sign-out had to wait for the store for so long that its session, if a periodic renewal had given it \
                 another id, lives until it expires"
            );
        }
        if let Some(near) = self.near().filter(|_| ended) {
            near.ended(key.public_id(), now);
        }
        Ok(true)
    }
}
