//! The list of revoked sessions, for state `cookie`.
//!
//! Its entries are records that hold nothing sealed, of owners that no app can name. So any store can keep them, and
//! purges them when they are no longer needed. Only that purge depends on clocks.

use std::sync::Arc;
use std::time::Duration;

use waxseal_store::{Creation, Fault, Found, RecordHead, RecordKey, Revision, Timestamp};

use super::entry::{CLOCKS_APART, ENDED, IdEnd, entry, id_owner};
use super::question::Question;
use crate::access::Access;
use crate::adoption::claims::{Claims, Reach};
use crate::any_store::AnyStore;
use crate::capacities::Capacities;
use crate::error::Error;
use crate::lifetimes::Lifetimes;
use crate::records::freshness::Freshness;
use crate::records::near_cache::{NearCache, Seen};
use crate::records::single_flight::SingleFlight;
use crate::records::unfinished::Unfinished;
use crate::store_error::StoreError;

/// The list of revoked sessions in a store, which does not keep the sessions themselves.
pub(crate) struct Revocations {
    pub(crate) store: Arc<dyn AnyStore>,
    /// The audience of the app, so that two apps in one store do not end each other's sessions.
    pub(super) audience: String,
    pub(crate) lifetimes: Lifetimes,
    /// The near cache: a session is good in its epoch, or it is not. Only questions of this process count.
    pub(super) near: NearCache,
    single_flight: SingleFlight<(Answer, Timestamp)>,
    /// The retry queue: signed-out ids.
    unfinished: Unfinished<IdEnd>,
    /// The claims on foreign sessions, if a migration is under way.
    pub(crate) claims: Option<Arc<Claims>>,
}

/// The store's answer.
type Answer = Result<Verdict, StoreError>;

/// The time after a renewal in which a request that comes with the old id gets no cookie, so that its slow answer cannot
/// displace the new one.
const JUST_RENEWED: Duration = Duration::from_secs(60);

/// The list's answer about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// The session was ended, or has had another id for a while.
    Ended,
    /// The session was given another id at that time, within the last minute.
    Renewed(Timestamp),
    /// The session was good some minutes ago, and the store is unavailable. It may be read.
    Unconfirmed,
}

impl Revocations {
    pub(crate) fn new(
        store: Arc<dyn AnyStore>,
        audience: &str,
        lifetimes: Lifetimes,
        capacities: Capacities,
    ) -> Self {
        let near = NearCache::new(capacities.near_cache, Freshness::default());
        Self {
            store,
            audience: audience.to_owned(),
            lifetimes,
            near,
            single_flight: SingleFlight::default(),
            unfinished: Unfinished::new(capacities.retry_queue),
            claims: None,
        }
    }

    /// Returns what is known of the session without asking. `None` if the store has to be asked.
    pub(crate) fn remembered(&self, question: &Question, access: Access, now: Timestamp) -> Option<Verdict> {
        if self.unfinished.has(|| question.key()) {
            return Some(Verdict::Ended);
        }
        match self.look(question, now) {
            Seen::Gone => {
                let renewed = self.near.renewed_at(question.key().public_id());
                Some(renewed.map_or(Verdict::Ended, |since| renewal(since, now)))
            }
            Seen::Good { near: Some(at), .. } if access == Access::Read => {
                self.near.freshness().is_fresh(at, now).then_some(Verdict::Good)
            }
            Seen::Good { .. } | Seen::MustRevalidate => None,
        }
    }

    /// Forgets answers that are of no use any more.
    pub(crate) fn forget_useless(&self, now: Timestamp) {
        self.near.forget_useless(now);
    }

    /// Asks whether the session was ended. While the store is unavailable, an answer of the last minutes counts for a
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
            Ok(Verdict::Good) => self.near.confirmed(&key, question.revision(), asked),
            Ok(over) => self.note_over(&key, over, asked),
            Err(_) => {}
        }
        // Includes what this process was told while the question was under way.
        if let Some(over) = self.remembered(question, Access::Change, now) {
            return Ok(over);
        }
        match answer {
            Ok(verdict) => Ok(verdict),
            Err(error) if access == Access::Read && error.fault().passes() => {
                match self.look(question, now) {
                    Seen::Good { near: Some(at), .. } if self.near.freshness().is_in_grace(at, now) => {
                        Ok(Verdict::Unconfirmed)
                    }
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// [Asks](Self::ask) as for a request that changes the session, and fails unless the session is good.
    ///
    /// # Errors
    ///
    /// [`Error::GONE`] or [`Error::RENEWED`] if the session is over, and the store's errors.
    pub(crate) async fn expect_good(&self, question: &Question, now: Timestamp) -> Result<(), Error> {
        match self.ask(question, Access::Change, now).await? {
            Verdict::Good | Verdict::Unconfirmed => Ok(()),
            Verdict::Renewed(_) => Err(Error::RENEWED),
            Verdict::Ended => Err(Error::GONE),
        }
    }

    /// Takes the session's id out of use, so that another can replace it. Of all requests that try this or end the
    /// session, one succeeds. Returns `false` if a foreign record has the entry's place.
    ///
    /// # Errors
    ///
    /// [`Error::RENEWED`] or [`Error::GONE`] if another request was faster, and the store's errors.
    pub(crate) async fn claim(&self, question: &Question, now: Timestamp) -> Result<bool, Error> {
        let (key, revision) = (question.key(), Revision::first()?);
        let end = question.id_end();
        let entry = entry(revision, end.owner(&key), now, end.until, end.until);
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
                Ok(Some(found)) if found.revision == revision => self.store.confirm(&key, now).await?,
                Ok(Some(found)) => return Err(claimed(&found)),
                // Not done, or not done yet.
                Ok(None) | Err(_) => return Err(lost.into()),
            }
        }
        self.near.renewed(key.public_id(), now);
        Ok(true)
    }

    /// Ends one session. While the store is unavailable, this process refuses the session, and the entry is written
    /// later.
    ///
    /// # Errors
    ///
    /// The store's error, if it is unavailable and the retry queue is full. The session has then not ended.
    pub(crate) async fn end(&self, question: &Question, reach: Reach, now: Timestamp) -> Result<(), Error> {
        if let (Some(claims), Some(owner), Reach::Untaken(since)) = (&self.claims, &question.owner, reach) {
            claims.sign_out_owner(owner, since, now).await?;
        }
        if self.end_id(&question.key(), question.id_end(), now).await? {
            return Ok(());
        }
        // A foreign record has the entry's place. Ending too many sessions is better than too few.
        match &question.owner {
            Some(owner) => self.end_all(owner, now).await,
            None => {
                tracing::warn!("a session without an owner was ended, and its copies were not revoked");
                Ok(())
            }
        }
    }

    /// Ends an id, at once or when the store is back. Returns `false` if a foreign record has the entry's place.
    pub(super) async fn end_id(
        &self,
        key: &RecordKey,
        end: IdEnd,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        match self.keep_end(key, end, now).await {
            Err(error) if self.unfinished.add(*key, end) => {
                tracing::warn!(
                    %error,
                    "a session was ended and the store did not confirm it; it will be told again, and until then \
                     other servers may show its copies"
                );
                Ok(true)
            }
            Err(error) => {
                tracing::error!(%error, "too many sessions were ended while the store is away; this one was not");
                Err(error)
            }
            kept => kept,
        }
    }

    /// How many ends wait for the store.
    pub(crate) fn ends_waiting(&self) -> usize {
        self.unfinished.len() + self.claims.as_ref().map_or(0, |claims| claims.ends_waiting())
    }

    /// Tells the store of the ends that it missed during an outage. Returns how many are left.
    pub(crate) async fn finish(&self, now: Timestamp) -> Result<usize, StoreError> {
        let left = self.unfinished.finish(|key, end| self.finish_end(key, end, now)).await;
        let claims = match &self.claims {
            Some(claims) => claims.finish(now, |made| self.end_made(made, now)).await,
            None => Ok(0),
        };
        // Only now, because what the store refuses of one kind must not hold up the other.
        Ok(left? + claims?)
    }

    /// If a migration is under way, ends the owner's sessions of the old app that could still be taken over.
    pub(super) async fn end_foreign_of(&self, owner: &str, now: Timestamp) -> Result<(), Error> {
        match &self.claims {
            Some(claims) => Ok(claims.end_owner(owner, now, now).await?),
            None => Ok(()),
        }
    }

    async fn finish_end(&self, key: RecordKey, end: IdEnd, now: Timestamp) -> Result<bool, StoreError> {
        Ok(now >= end.until || self.keep_end(&key, end, now).await?)
    }

    /// Writes the entry that ends the id of `key`. Returns `true` if the store now has an entry for it, this one or an
    /// earlier one, and `false` if a foreign record has its place. May be sent again: all ends of one id are the same.
    pub(super) async fn keep_end(
        &self,
        key: &RecordKey,
        end: IdEnd,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let entry = entry(ENDED, end.owner(key), now, end.until, end.until);
        let over = match self.store.create(key, &entry, now).await? {
            Creation::Created => Some(Verdict::Ended),
            Creation::Taken => self.find(key, now).await?.map(|found| over(&found, now)),
        };
        if let Some(over) = over {
            self.note_over(key, over, now);
        }
        Ok(over.is_some())
    }

    /// Notes that the id of `key` is over.
    fn note_over(&self, key: &RecordKey, over: Verdict, at: Timestamp) {
        match over {
            Verdict::Renewed(since) => self.near.renewed(key.public_id(), since),
            _ => self.near.ended(key.public_id(), at),
        }
    }

    pub(crate) fn store(&self) -> &dyn AnyStore {
        &*self.store
    }

    /// Returns the store's answer, and the time at which it was asked. A request that only reads shares an answer that
    /// another request waits for, unless that question may have been sent before an end that this process knows of.
    async fn answer(&self, question: &Question, access: Access, now: Timestamp) -> (Answer, Timestamp) {
        let ask = || async { (self.verdict(question, now).await, now) };
        if access == Access::Read && matches!(self.look(question, now), Seen::Good { .. }) {
            let ((answer, asked), _) = self.single_flight.share(&question.key(), ask).await;
            if self.near.freshness().is_fresh(asked, now) {
                return (answer, asked);
            }
        }
        ask().await
    }

    /// Asks the store whether the session was ended.
    pub(crate) async fn has_ended(&self, question: &Question, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.verdict(question, now).await? != Verdict::Good)
    }

    async fn verdict(&self, question: &Question, now: Timestamp) -> Answer {
        let found = self.find(&question.key(), now).await?;
        // The clock of whoever made the entry may be ahead, so an end, which counts at once, asks for no time.
        match found {
            Some(found) if question.settling.is_zero() => return Ok(over(&found, now)),
            Some(found) if now >= found.life.created.after(question.settling) => return Ok(Verdict::Ended),
            _ => {}
        }
        let is_over = match &question.owner {
            Some(owner) => self.is_over(owner, question.epoch.as_ref(), now).await?,
            None => false,
        };
        Ok(if is_over { Verdict::Ended } else { Verdict::Good })
    }

    /// Notes the mark of a binding under the series of its offer, and returns the mark that is noted there: this one, or
    /// that of the binding that was first.
    ///
    /// # Errors
    ///
    /// [`Error::Contended`] if a foreign record has the entry's place, and the store's errors.
    pub(crate) async fn bind(
        &self,
        series: [u8; 12],
        mark: [u8; 16],
        now: Timestamp,
    ) -> Result<[u8; 16], Error> {
        let question = self.of_series(series, now);
        let (key, revision) = (question.key(), Revision::from_bytes(mark));
        let entry = entry(revision, id_owner(&key), now, question.end, question.end);
        match self.store.create(&key, &entry, now).await? {
            Creation::Created => Ok(mark),
            Creation::Taken => {
                let found = self.find(&key, now).await?.ok_or(Error::Contended)?;
                Ok(*found.revision.as_bytes())
            }
        }
    }

    /// Removes what [`bind`](Self::bind) noted, if it was this mark.
    pub(crate) async fn unbind(
        &self,
        series: [u8; 12],
        mark: [u8; 16],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = self.of_series(series, now).key();
        let found = self.find(&key, now).await?;
        if found.is_some_and(|found| found.revision == Revision::from_bytes(mark)) {
            self.store.delete(&key, now).await?;
        }
        Ok(())
    }

    /// The question whether an offer of this series was taken up.
    pub(crate) fn of_series(&self, series: [u8; 12], now: Timestamp) -> Question {
        Question::of_series(series, self.last_end(now))
    }

    /// Returns `true` if an ended session continues under another id, as far as the store says so.
    pub(crate) async fn was_renewed(&self, question: &Question, now: Timestamp) -> Result<bool, StoreError> {
        let key = question.key();
        if self.unfinished.has(|| key) {
            return Ok(false);
        }
        Ok(self.find(&key, now).await?.is_some_and(|found| found.revision != ENDED))
    }

    fn look(&self, question: &Question, now: Timestamp) -> Seen {
        let key = question.key();
        // The sealed time of a token is no revalidation here.
        let never = Timestamp::from_millis(0);
        self.near.look(key.public_id(), || key, question.revision(), || question.owner.clone(), never, now)
    }

    /// The time at which the last session that begins now will be over.
    pub(super) fn last_end(&self, now: Timestamp) -> Timestamp {
        let longest = Duration::from_secs(self.lifetimes.widest().absolute.into());
        now.after(longest).after(CLOCKS_APART)
    }

    /// Finds the entry under `key`. The store compares the whole hash, so no other entry is found.
    pub(super) async fn find(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<RecordHead>, StoreError> {
        Ok(match self.store.revalidate(key, now).await? {
            Some(Found::Living(found)) => Some(found),
            Some(Found::Renewed) | None => None,
        })
    }
}

/// What the entry of an id says of it.
fn over(entry: &RecordHead, now: Timestamp) -> Verdict {
    if entry.revision == ENDED { Verdict::Ended } else { renewal(entry.life.created, now) }
}

fn renewal(since: Timestamp, now: Timestamp) -> Verdict {
    if now < since.after(JUST_RENEWED) { Verdict::Renewed(since) } else { Verdict::Ended }
}

/// The error for taking an id out of use a second time.
fn claimed(found: &RecordHead) -> Error {
    if found.revision == ENDED { Error::GONE } else { Error::RENEWED }
}
