//! Ending a session.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Server;
use super::find::{POINTED, is_outage};
use super::flaw::Flaw;
use crate::error::StoreError;
use crate::origin::Held;
use crate::sessions::Outcome;
use crate::{Moment, RecordKey};

/// Endings that wait for a store that is away. More are only logged: the record lives until it expires.
const MAX_UNFINISHED: usize = 10_000;

/// Sessions that were ended while the store was away, still to be deleted there. Refused here meanwhile, also once the
/// store is back. Each with the time of its sign-out.
#[derive(Default)]
pub(super) struct Unfinished(Mutex<HashMap<RecordKey, Moment>>);

impl Unfinished {
    /// `key` is asked for only if there is any.
    pub(super) fn has(&self, key: impl FnOnce() -> RecordKey) -> bool {
        let keys = self.lock();
        !keys.is_empty() && keys.contains_key(&key())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordKey, Moment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Ends the session, whatever writes are under way. If the store is away, the browser forgets its token, this
    /// process refuses it, and the deletion is made up for.
    pub(crate) async fn end(&self, held: &Held, now: Moment) -> Outcome {
        let key = held.id.key();
        match self.store.delete(&key, now).await {
            Ok(true) => {
                if let Some(near) = self.near() {
                    near.ended(key.handle(), now);
                }
                Outcome::Remove
            }
            Ok(false) => {
                // Ended before, or renewed by a sign-in: what that made stays, whoever has its cookie.
                if let Some(near) = self.near() {
                    near.left(&key, &held.revision, now);
                }
                Outcome::Remove
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    "a session was ended and the store does not answer; it will be deleted, and until then other \
                     servers may show its copies for as long as the grace"
                );
                if let Some(near) = self.near() {
                    near.doubted(&key, now);
                }
                let mut unfinished = self.unfinished.lock();
                if unfinished.len() < MAX_UNFINISHED && !self.flaws.has(Flaw::ForgetsSignOuts) {
                    unfinished.entry(key).or_insert(now);
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
        let mut failed = None;
        let ends: Vec<_> = self.unfinished.lock().iter().map(|(key, since)| (*key, *since)).collect();
        for (key, since) in ends {
            match self.store.delete(&key, now).await {
                Ok(ended) => {
                    if !ended && self.renew_every.is_some() && now >= since.after(POINTED / 2) {
                        tracing::error!(
                            handle = %key.handle(),
                            "a sign-out had to wait for the store for so long that its session, if a periodic renewal \
                             had given it another id, lives until it expires"
                        );
                    }
                    if let Some(near) = self.near().filter(|_| ended) {
                        near.ended(key.handle(), now);
                    }
                    self.unfinished.lock().remove(&key);
                }
                Err(error) if is_outage(&error) => break,
                // The others must not wait for one that the store refuses.
                Err(error) => failed = Some(error),
            }
        }
        let left = self.unfinished.lock().len();
        failed.map_or(Ok(left), Err)
    }
}
