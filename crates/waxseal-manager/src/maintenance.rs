//! Maintenance of a store, and questions that an operator asks it.

use std::time::SystemTime;

use waxseal_crypto::KeyId;
use waxseal_store::{Cursor, Promise};

use crate::error::Error;
use crate::maintenance_report::Maintenance;
use crate::manager::{SessionManager, Sessions};
use crate::records::clocks::Clocks;
use crate::records::purge::purge;
use crate::store_metrics::{ClockGauge, UsageGauges, note_ends_waiting};

impl SessionManager {
    /// Does a round of maintenance. Call it about once a minute. A round frees what has expired, tells the store of
    /// sign-outs that it missed, and compares this process's clock with the store's; expired is what is over by the
    /// earlier of the two clocks. In state `cookie` it does nothing.
    ///
    /// If much has expired, a round takes up to a minute, measured by `clock`. The next one is then due at once.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store does not answer.
    pub async fn maintain(&self, clock: impl Fn() -> SystemTime) -> Result<Option<Maintenance>, Error> {
        // Made before the round, which a store that hangs never ends.
        let usage = self.any_store().map(|store| (store, UsageGauges::unsaid()));
        let done = self.round(clock).await;
        // Also if the store refused something, as one does that is full.
        if let Some((store, gauges)) = usage {
            gauges.ask(store).await;
        }
        done
    }

    async fn round(&self, clock: impl Fn() -> SystemTime) -> Result<Option<Maintenance>, Error> {
        let clock = || clock().into();
        let done = match &self.sessions {
            Sessions::Cookie => return Ok(None),
            Sessions::Revocable(list) => {
                list.forget_useless(clock());
                let gauge = ClockGauge::unsaid();
                // A sign-out that the store refuses must not prevent the purge.
                let ends = list.finish(clock()).await;
                let clocks = Clocks::compare(list.store(), &clock, gauge).await?;
                let purged = purge(list.store(), || clocks.earlier(clock()), || list.finish(clock())).await?;
                ends?;
                Maintenance { purged, clock_offset: clocks.offset }
            }
            Sessions::Stored(stored) => stored.records.maintain(&self.keys(), clock, |_| {}).await?,
            Sessions::Mirrored(mirrored) => {
                let compared = |offset| mirrored.note_clock_offset(offset);
                mirrored.records.maintain(&self.keys(), clock, compared).await?
            }
        };
        Ok(Some(done))
    }

    /// Tells the store of the sessions that were ended while it was unavailable, and returns how many are left. Call it
    /// about once a second.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] or [`Error::Unavailable`] if the store refuses some of them. They wait for the next call.
    pub async fn finish_ends(&self, now: SystemTime) -> Result<usize, Error> {
        let _noted = EndsWaiting { sessions: self, before: self.ends_waiting() };
        let left = match (self.records(), self.list_of_ended()) {
            (Some(records), _) => records.finish_ends(&self.keys(), now.into()).await,
            (None, Some(list)) => list.finish(now.into()).await,
            (None, None) => return Ok(0),
        };
        Ok(left?)
    }

    /// The number of sessions that were ended while the store was unavailable, and of which it could not be told yet. If
    /// the process ends before that, nobody was told.
    #[must_use]
    pub fn ends_waiting(&self) -> usize {
        match (self.records(), self.list_of_ended()) {
            (Some(records), _) => records.ends_waiting(),
            (None, Some(list)) => list.ends_waiting(),
            (None, None) => 0,
        }
    }

    /// Checks that the store can be reached and has room. For a readiness endpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] or [`Error::Store`] if not.
    pub async fn store_ready(&self) -> Result<(), Error> {
        match (self.records(), self.list_of_ended()) {
            (Some(records), _) => Ok(records.ready().await?),
            (None, Some(list)) => Ok(list.store().ready().await?),
            (None, None) => Ok(()),
        }
    }

    /// Returns `true` if the clocks of this process and of the store differ by at most a second, according to the last
    /// [`maintain`](Self::maintain). Only state `mirrored` depends on this; in the other states always `true`.
    #[must_use]
    pub fn clocks_agree(&self) -> bool {
        match &self.sessions {
            Sessions::Mirrored(mirrored) => mirrored.trusts_copies(),
            _ => true,
        }
    }

    /// Seals records anew with the first key if another key has sealed them, about `limit` of them. Returns their
    /// number, and the position to continue from.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list), and [`Error::NotPromised`] if the store cannot find records by their key.
    pub async fn rewrap(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<(usize, Option<Cursor>), Error> {
        let records = self.expect_records()?;
        records.any_store().expect(Promise::Keys)?;
        records.rewrap_some(&self.keys(), after, limit, now.into()).await
    }

    /// Counts the records that are sealed with `key`, which is not the first key, among about `limit` records. Returns
    /// the number, and the position to continue from. A key must not be removed while there are any.
    ///
    /// # Errors
    ///
    /// As for [`rewrap`](Self::rewrap).
    pub async fn count_sealed_by(
        &self,
        key: KeyId,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<(usize, Option<Cursor>), Error> {
        let (records, keys) = (self.expect_records()?, self.keys());
        records.any_store().expect(Promise::Keys)?;
        Ok(records.count_sealed_by(&keys, *key.as_bytes(), after, limit, now.into()).await?)
    }
}

/// Sets the gauge of the ends that wait when it is dropped, also by a caller who waits no longer for the store.
struct EndsWaiting<'a> {
    sessions: &'a SessionManager,
    before: usize,
}

impl Drop for EndsWaiting<'_> {
    fn drop(&mut self) {
        let left = self.sessions.ends_waiting();
        note_ends_waiting(left);
        if left < self.before {
            let told = self.before - left;
            tracing::info!(told, left, "the store was told of sessions that were ended while it was away");
        }
    }
}
