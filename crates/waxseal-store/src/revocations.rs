//! Taking back what state `cookie` has handed out: a list in a store of the ids that are no longer good, and of the epochs of
//! owners.
//!
//! Its entries are records in which nothing is sealed, of owners that no app can name; so any store can keep them, and
//! purges them when they matter no more. Nothing in it goes by clocks but that.

mod epochs;
mod question;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::epochs::Epoch;
pub(crate) use self::question::Question;

use crate::any_store::AnyStore;
use crate::error::StoreError;
use crate::record::{Creation, Found, Lifespan, Record, RecordHead};
use crate::server::{Capacities, Freshness, NearCache, Seen, SingleFlight, Unfinished};
use crate::{Access, Error, Fault, Lifetimes, RecordKey, Revision, Timestamp};

/// How often something is tried again when others do the same at the same time.
const ATTEMPTS: usize = 5;
/// Clocks may differ by a minute, and the one that seals by as much from the one that ends: an entry lives for so much
/// longer than what it speaks of.
const CLOCKS_APART: Duration = Duration::from_secs(120);
/// The revision of an id's entry that somebody signed out of. All of them say the same.
const SIGNED_OUT: Revision = Revision::from_bytes([0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);

/// What a store says of sessions that it does not keep.
pub(crate) struct Revocations {
    store: Arc<dyn AnyStore>,
    /// The app's, so that two in one store do not end each other's sessions.
    audience: String,
    pub(crate) lifetimes: Lifetimes,
    /// The last answers: a session is good in its epoch, or it is not. Only what this process asked itself counts.
    near: NearCache,
    flights: SingleFlight<(Answer, Timestamp)>,
    freshness: Freshness,
    /// Ids that were signed out of, each with the end of its entry.
    unfinished: Unfinished,
}

/// Whether the session was ended.
type Answer = Result<bool, StoreError>;

/// What is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// It was ended, or has another id.
    Ended,
    /// It was good some minutes ago, and the store is away: good enough to be read.
    Unconfirmed,
}

impl Revocations {
    pub(crate) fn new(
        store: Arc<dyn AnyStore>,
        audience: &str,
        lifetimes: Lifetimes,
        capacities: Capacities,
    ) -> Self {
        let freshness = Freshness::default();
        Self {
            store,
            audience: audience.to_owned(),
            lifetimes,
            near: NearCache::new(capacities.near_cache, freshness),
            flights: SingleFlight::default(),
            freshness,
            unfinished: Unfinished::new(capacities.retry_queue),
        }
    }

    /// Whether the session was ended, if that need not be asked; `None` if it has to be.
    pub(crate) fn remembered(&self, question: &Question, access: Access, now: Timestamp) -> Option<bool> {
        if self.unfinished.has(|| question.key()) {
            return Some(true);
        }
        match self.look(question, now) {
            Seen::Gone => Some(true),
            Seen::Good { near: Some(at), .. } if access == Access::Read => {
                self.freshness.is_fresh(at, now).then_some(false)
            }
            Seen::Good { .. } | Seen::Doubtful => None,
        }
    }

    /// Asks whether the session was ended. While the store is away, what is known of the last minutes counts for a
    /// request that reads.
    pub(crate) async fn ask(
        &self,
        question: &Question,
        access: Access,
        now: Timestamp,
    ) -> Result<Verdict, StoreError> {
        let key = question.key();
        self.near.asking(now);
        let (answer, asked) = self.answer(question, access, now).await;
        match answer {
            Ok(true) => self.near.ended(key.public_id(), asked),
            Ok(false) => self.near.confirmed(&key, question.revision(), asked),
            Err(_) => {}
        }
        // Also what this process was told while the question was on its way.
        if self.remembered(question, Access::Change, now) == Some(true) {
            return Ok(Verdict::Ended);
        }
        match answer {
            Ok(true) => Ok(Verdict::Ended),
            Ok(false) => Ok(Verdict::Good),
            Err(error) if access == Access::Read && error.fault().passes() => {
                match self.look(question, now) {
                    Seen::Good { near: Some(at), .. } if self.freshness.is_in_grace(at, now) => {
                        Ok(Verdict::Unconfirmed)
                    }
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Asks as a request that acts does.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] if the session was ended, and those of the store.
    pub(crate) async fn expect_good(&self, question: &Question, now: Timestamp) -> Result<(), Error> {
        match self.ask(question, Access::Change, now).await? {
            Verdict::Good | Verdict::Unconfirmed => Ok(()),
            Verdict::Ended => Err(Error::Gone),
        }
    }

    /// Takes the session's id out of use, for another that takes its place. Of all who try that, and of all who end the
    /// session, one succeeds. False if a record that is not of this list has the entry's place.
    ///
    /// # Errors
    ///
    /// [`Error::Renewed`] or [`Error::Gone`] if somebody was there first, and those of the store.
    pub(crate) async fn claim(&self, question: &Question, now: Timestamp) -> Result<bool, Error> {
        let (key, revision) = (question.key(), Revision::first()?);
        let entry = entry(revision, id_owner(&key), now, question.end);
        let lost = match self.store.create(&key, &entry, now).await {
            Ok(Creation::Created) => None,
            Ok(Creation::Taken) => {
                return self.find(&key, now).await?.map_or(Ok(false), |found| Err(claimed(&found)));
            }
            Err(error) if error.fault() == Fault::Outage => Some(error),
            Err(error) => return Err(error.into()),
        };
        if let Some(lost) = lost {
            match self.find(&key, now).await {
                Ok(Some(found)) if found.revision == revision => {}
                Ok(Some(found)) => return Err(claimed(&found)),
                // Not done, or not yet.
                Ok(None) | Err(_) => return Err(lost.into()),
            }
        }
        self.near.ended(key.public_id(), now);
        Ok(true)
    }

    /// Ends one session. While the store is away, this process refuses it, and the entry is made up for.
    ///
    /// # Errors
    ///
    /// The store's, if it is away and too many ends wait for it already: the session has not ended.
    pub(crate) async fn end(&self, question: &Question, now: Timestamp) -> Result<(), Error> {
        let key = question.key();
        match self.keep_end(&key, question.end, now).await {
            Ok(true) => Ok(()),
            // Its place is another's: rather end too many.
            Ok(false) => match &question.owner {
                Some(owner) => self.end_all(owner, now).await,
                None => {
                    tracing::warn!(
                        "a session that was nobody's was ended, and its copies were not taken back"
                    );
                    Ok(())
                }
            },
            Err(error) if self.unfinished.add(key, question.end) => {
                tracing::warn!(
                    %error,
                    "a session was ended and the store does not answer; it will be told, and until then other servers \
                     may show its copies"
                );
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "too many sessions were ended while the store is away; this one was not");
                Err(error.into())
            }
        }
    }

    /// Makes up for what the store missed while it was away. How much is left.
    pub(crate) async fn finish(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.unfinished.finish(|key, end| self.finish_end(key, end, now)).await
    }

    async fn finish_end(&self, key: RecordKey, end: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        Ok(now >= end || self.keep_end(&key, end, now).await?)
    }

    /// Whether the store has an end under `key` now. To be sent again at will: all ends of one id are the same.
    async fn keep_end(&self, key: &RecordKey, end: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let entry = entry(SIGNED_OUT, id_owner(key), now, end);
        let kept = match self.store.create(key, &entry, now).await? {
            Creation::Created => true,
            Creation::Taken => self.find(key, now).await?.is_some(),
        };
        if kept {
            self.near.ended(key.public_id(), now);
        }
        Ok(kept)
    }

    pub(crate) fn set_capacities(&mut self, capacities: Capacities) {
        self.unfinished = Unfinished::new(capacities.retry_queue);
        self.near = NearCache::new(capacities.near_cache, self.freshness);
    }

    pub(crate) fn store(&self) -> &dyn AnyStore {
        &*self.store
    }

    /// The store's answer and when it was asked. Who only reads shares one that another request is waiting for, unless it
    /// may have been asked before an end that this process knows of.
    async fn answer(&self, question: &Question, access: Access, now: Timestamp) -> (Answer, Timestamp) {
        let ask = || async { (self.has_ended(question, now).await, now) };
        if access == Access::Read && matches!(self.look(question, now), Seen::Good { .. }) {
            let ((answer, asked), _) = self.flights.share(&question.key(), ask).await;
            if self.freshness.is_fresh(asked, now) {
                return (answer, asked);
            }
        }
        ask().await
    }

    async fn has_ended(&self, question: &Question, now: Timestamp) -> Answer {
        if self.find(&question.key(), now).await?.is_some() {
            return Ok(true);
        }
        match &question.owner {
            Some(owner) => self.is_over(owner, question.epoch.as_ref(), now).await,
            None => Ok(false),
        }
    }

    fn look(&self, question: &Question, now: Timestamp) -> Seen {
        let key = question.key();
        // What a token's sealer says is no confirm here.
        let never = Timestamp::from_millis(0);
        self.near.look(key.public_id(), || key, question.revision(), || question.owner.clone(), never, now)
    }

    /// When the last session that begins now will be over.
    fn last_end(&self, now: Timestamp) -> Timestamp {
        let longest = Duration::from_secs(self.lifetimes.widest().absolute.into());
        now.after(longest).after(CLOCKS_APART)
    }

    /// The entry under `key`. The store compares the whole hash, so it is not another's.
    async fn find(&self, key: &RecordKey, now: Timestamp) -> Result<Option<RecordHead>, StoreError> {
        Ok(match self.store.confirm(key, now).await? {
            Some(Found::Living(found)) => Some(found),
            Some(Found::Renewed(_)) | None => None,
        })
    }
}

/// Why an id cannot be taken out of use once more.
fn claimed(found: &RecordHead) -> Error {
    if found.revision == SIGNED_OUT { Error::Gone } else { Error::Renewed }
}

/// A bounded store forgets what is nobody's. Spread, as a store may keep a list for each owner; no app's owner has a control
/// character.
fn id_owner(key: &RecordKey) -> String {
    let [first, ..] = *key.hash();
    format!("\u{1}revoked {first:02x}")
}

fn entry(revision: Revision, owner: String, now: Timestamp, end: Timestamp) -> Record {
    Record {
        revision,
        kid: [0; 4],
        life: Lifespan::new(now, now, end, Timestamp::MAX),
        owner: Some(owner),
        device: String::new(),
        sealed: Vec::new(),
    }
}
