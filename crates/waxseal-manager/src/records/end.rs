//! Ending a session.

use waxseal_store::{Found, RecordHead, RecordKey, Revision, Timestamp};

use super::record_store::RecordStore;
use crate::active_keys::ActiveKeys;
use crate::adoption::claims::Reach;
use crate::origin::RecordRef;
use crate::store_error::StoreError;

impl RecordStore {
    /// Ends the session, even while it is being written. If the store is unavailable or the deletion unconfirmed, the
    /// browser forgets its token, this process refuses it, and the deletion is retried later. Returns `false` if there was
    /// nothing to end.
    ///
    /// # Errors
    ///
    /// The store's error, if it is unavailable and the retry queue is full. The session has then not ended.
    pub(crate) async fn end(
        &self,
        record: &RecordRef,
        reach: Reach,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = record.id.key();
        match self.delete(&key, reach, now).await {
            Ok(ended) => {
                self.note_end(&key, &record.revision, ended, now);
                Ok(ended)
            }
            Err(error) => {
                if !self.unfinished.add(key, reach) {
                    tracing::error!(%error, "too many sessions were ended while the store is away; this one was not");
                    return Err(error);
                }
                tracing::warn!(
                    %error,
                    "a session was ended and the store did not confirm it; it will be told again, and until then \
                     other servers may show its copies for as long as the grace"
                );
                if let Some(near) = &self.near {
                    near.doubted(&key, &record.revision, now);
                }
                Ok(true)
            }
        }
    }

    /// Checks whether the session was ended in this process although the store could not be told yet.
    pub(crate) fn awaits_end(&self, record: &RecordRef) -> bool {
        self.unfinished.has(|| record.id.key())
    }

    /// How many ends wait for the store.
    pub(crate) fn ends_waiting(&self) -> usize {
        self.unfinished.len() + self.claims.as_ref().map_or(0, |claims| claims.ends_waiting())
    }

    /// Deletes the sessions that were ended while the store was unavailable. Returns how many are left.
    pub(crate) async fn finish_ends(&self, keys: &ActiveKeys, now: Timestamp) -> Result<usize, StoreError> {
        let left = self.unfinished.finish(|key, reach| self.finish_end(key, reach, now)).await;
        let claims = match &self.claims {
            Some(claims) => claims.finish(now, |made| self.end_made(keys, made, now)).await,
            None => Ok(0),
        };
        // Errors are returned only here, so that an end of one kind that the store refuses does not hold up the other
        // kind.
        Ok(left? + claims?)
    }

    /// Deletes a record. If a migration is under way and the end reaches that far, this first ends the owner's foreign
    /// sessions that could still be taken over, because the old framework may have signed the session again in cookies
    /// that are unknown here. If the store cannot be told of that, it is told later, and the record is deleted
    /// nevertheless.
    async fn delete(&self, key: &RecordKey, reach: Reach, now: Timestamp) -> Result<bool, StoreError> {
        if let (Some(claims), Reach::Untaken(since)) = (&self.claims, reach)
            && let Some(Found::Living(RecordHead { owner: Some(owner), .. })) =
                self.store.revalidate(key, now).await?
        {
            claims.sign_out_owner(&owner, since, now).await?;
        }
        self.store.delete(key, now).await
    }

    async fn finish_end(&self, key: RecordKey, reach: Reach, now: Timestamp) -> Result<bool, StoreError> {
        let ended = self.delete(&key, reach, now).await?;
        // Also if there was nothing to end: the queue no longer says that the id is over, and what was noted at the
        // sign-out may be forgotten.
        self.note_end(&key, &Revision::UNKNOWN, ended, now);
        Ok(true)
    }

    /// Notes the store's answer to the end of the session by the id of `key`, which came in a token of `revision`.
    fn note_end(&self, key: &RecordKey, revision: &Revision, ended: bool, now: Timestamp) {
        match &self.near {
            Some(near) if ended => near.ended(key.public_id(), now),
            // The session ended earlier, or a sign-in renewed it. A session that a sign-in made stays, even if a thief has
            // this cookie.
            Some(near) => near.left(key, revision, now),
            None => {}
        }
    }
}
