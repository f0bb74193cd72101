//! Ending a session.

use std::sync::PoisonError;

use super::Server;
use super::find::is_outage;
use crate::Moment;
use crate::error::StoreError;
use crate::origin::Held;
use crate::sessions::Outcome;

/// Endings that wait for a store that is away. More are only logged: the record lives until it expires.
const MAX_UNFINISHED: usize = 10_000;

impl Server {
    /// Ends the session, whatever writes are under way. If the store is away, the browser forgets its token, this
    /// process refuses it, and the deletion is made up for.
    pub(crate) async fn end(&self, held: Option<&Held>, now: Moment) -> Outcome {
        let Some(held) = held else { return Outcome::Remove };
        let key = held.id.key();
        match self.store.delete(&key, now).await {
            Ok(true) => {
                if let Some(near) = self.near() {
                    near.ended(key.handle(), now);
                }
                Outcome::Remove
            }
            Ok(false) => {
                // Ended before, or renewed by a sign-in whose new cookie must stay.
                self.note_gone(&key, self.confirm(now));
                if held.known.is_some() { Outcome::Remove } else { Outcome::Keep }
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    "a session was ended and the store does not answer; it will be deleted, and until then other \
                     servers may show its copies for as long as the grace"
                );
                self.note_gone(&key, self.confirm(now));
                let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
                if unfinished.len() < MAX_UNFINISHED {
                    unfinished.push(key);
                } else {
                    tracing::error!(
                        "too many sessions were ended while the store is away; some live until they expire"
                    );
                }
                Outcome::Remove
            }
        }
    }

    /// Deletes the sessions that were ended while the store was away. How many are still to be deleted.
    pub(crate) async fn finish_ends(&self, now: Moment) -> Result<usize, StoreError> {
        loop {
            let next = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(key) = next else { return Ok(0) };
            if let Err(error) = self.store.delete(&key, now).await {
                let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
                unfinished.push(key);
                return if is_outage(&error) { Ok(unfinished.len()) } else { Err(error) };
            }
        }
    }
}
