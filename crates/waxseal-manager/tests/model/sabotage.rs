//! The rules of `docs/states-rules.md`, broken on purpose by a store or a clock that a process is given.
//!
//! `main.rs` has the table of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waxseal_store::{
    Creation, Cursor, Fault, Found, Listed, Page, PublicId, Record, RecordHead, RecordKey, Revision,
    SessionStore, Swap, Timestamp,
};

use crate::line::{Cut, Line};
use crate::tokens::Sent;
use crate::visit::Process;

/// A rule that is broken, and the way in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The store answers a revalidation with what it answered to the last one, and is not asked.
    AnswersFromMemory,
    /// A request's questions are asked before it reads its clock, and answered with that.
    ReadsClockLate,
    /// The clock is moved to the time of a token from the future.
    FollowsTokens,
    /// The clock is a millisecond late where a copy's freshness is judged.
    LagsByOne,
    /// In an outage the clock counts as if the copy had been revalidated when the outage began.
    CountsFromTheOutage,
    /// The store makes a record that an update does not find.
    MakesAgain,
    /// The store says of a write whose answer was lost that it was not done.
    ReportsLossAsConflict,
    /// The store puts a record in the place of any other revision.
    Overwrites,
    /// The store acknowledges deletions that it never got.
    AcknowledgesLostDeletes,
    /// The store does not tell tombstones from nothing.
    HidesTombstones,
    /// What the store says of a session is shown without asking for the device.
    AsksNoGateAfterTheStore,
    /// A bound session is shown without a proof for a minute too long.
    SettlesTooLong,
}

impl Sabotage {
    /// The rules by which it has to be found: what else it breaks does not count.
    pub(crate) fn breaks(self) -> &'static [&'static str] {
        match self {
            Self::AnswersFromMemory => &["no token is minted by a request that did not revalidate"],
            Self::ReadsClockLate => &[
                "a token's sealed time is a revalidation's, never later",
                "a copy is shown without asking only while it is fresh",
            ],
            Self::FollowsTokens | Self::LagsByOne => {
                &["a copy is shown without asking only while it is fresh"]
            }
            Self::CountsFromTheOutage => &["the grace counts from the last revalidation"],
            Self::MakesAgain => &["nothing is ever made again"],
            Self::ReportsLossAsConflict => &["additions sum exactly"],
            Self::Overwrites => &["a revision changes by saving alone, and counts on"],
            Self::AcknowledgesLostDeletes => &["a sign-out ends the session"],
            Self::HidesTombstones => &["a visitor by an old id gets no cookie"],
            Self::AsksNoGateAfterTheStore | Self::SettlesTooLong => &[
                "no page is shown to a request that is neither proven, settling, nor unbound by what is known",
            ],
        }
    }
}

impl Sabotage {
    /// The rule is one of sessions that are bound to devices.
    pub(crate) fn is_of_devices(self) -> bool {
        matches!(self, Self::AsksNoGateAfterTheStore | Self::SettlesTooLong)
    }
}

/// The times that a request tells its session manager.
pub(crate) struct Times<'a> {
    pub(crate) process: &'a Process,
    pub(crate) token: Option<&'a Sent>,
    /// The time of the process's clock when the request came.
    pub(crate) at: Timestamp,
}

impl Times<'_> {
    pub(crate) fn to_open(&self) -> Timestamp {
        match (self.process.store.sabotage, self.token) {
            (Some(Sabotage::FollowsTokens), Some(token)) => self.at.max(token.sealed),
            (Some(Sabotage::LagsByOne), _) => Timestamp::from_millis(self.at.as_millis() - 1),
            _ => self.at,
        }
    }

    pub(crate) async fn to_load(&self) -> Timestamp {
        let Process { store, clock, .. } = self.process;
        match (store.sabotage, self.token) {
            (Some(Sabotage::ReadsClockLate), Some(token)) => {
                store.ask_ahead(&token.key, self.at).await;
                clock.now()
            }
            (Some(Sabotage::CountsFromTheOutage), Some(token)) => {
                let since = store.line.wire().away_since;
                since.map_or(self.at, |since| {
                    token.sealed.after(Duration::from_millis(clock.true_millis() - since))
                })
            }
            _ => self.at,
        }
    }
}

/// One process's connection to the store, by which a rule may be broken.
#[derive(Clone)]
pub(crate) struct SabotagedStore {
    pub(crate) line: Line,
    pub(crate) sabotage: Option<Sabotage>,
    memory: Arc<Mutex<Memory>>,
}

/// Answers of before.
#[derive(Default)]
struct Memory {
    confirms: HashMap<RecordKey, Found<RecordHead>>,
    /// Those that were asked ahead, by request.
    ahead: HashMap<(usize, RecordKey), Ahead>,
}

#[derive(Clone)]
struct Ahead {
    revalidate: Option<Found<RecordHead>>,
    load: Option<Found<Record>>,
}

impl SabotagedStore {
    pub(crate) fn new(line: Line, sabotage: Option<Sabotage>) -> Self {
        Self { line, sabotage, memory: Arc::default() }
    }

    fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    async fn ask_ahead(&self, key: &RecordKey, at: Timestamp) {
        let request = self.line.wire().request;
        let (revalidate, load) = (self.line.revalidate(key, at).await, self.line.load(key, at).await);
        if let (Ok(revalidate), Ok(load)) = (revalidate, load) {
            self.memory.lock().unwrap().ahead.insert((request, *key), Ahead { revalidate, load });
        }
    }

    fn ahead(&self, key: &RecordKey) -> Option<Ahead> {
        let request = self.line.wire().request;
        self.memory.lock().unwrap().ahead.get(&(request, *key)).cloned()
    }

    fn shown<T>(&self, found: Option<Found<T>>) -> Option<Found<T>> {
        found.filter(|found| matches!(found, Found::Living(_)) || !self.is(Sabotage::HidesTombstones))
    }

    fn reported(&self, written: Result<Swap, Cut>) -> Result<Swap, Cut> {
        match written {
            Err(Cut) if self.is(Sabotage::ReportsLossAsConflict) => Ok(Swap::Conflict),
            written => written,
        }
    }
}

impl SessionStore for SabotagedStore {
    type Error = Cut;

    fn fault(error: &Cut) -> Fault {
        Line::fault(error)
    }

    async fn load(&self, key: &RecordKey, at: Timestamp) -> Result<Option<Found<Record>>, Cut> {
        match self.ahead(key) {
            Some(ahead) => Ok(ahead.load),
            None => Ok(self.shown(self.line.load(key, at).await?)),
        }
    }

    async fn revalidate(&self, key: &RecordKey, at: Timestamp) -> Result<Option<Found<RecordHead>>, Cut> {
        if let Some(ahead) = self.ahead(key) {
            return Ok(ahead.revalidate);
        }
        let remembered = self.memory.lock().unwrap().confirms.get(key).cloned();
        if let Some(remembered) = remembered {
            return Ok(Some(remembered));
        }
        let found = self.shown(self.line.revalidate(key, at).await?);
        if let Some(found) = found.clone().filter(|_| self.is(Sabotage::AnswersFromMemory)) {
            self.memory.lock().unwrap().confirms.insert(*key, found);
        }
        Ok(found)
    }

    async fn create(&self, key: &RecordKey, record: &Record, at: Timestamp) -> Result<Creation, Cut> {
        self.line.create(key, record, at).await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        at: Timestamp,
    ) -> Result<Swap, Cut> {
        let written = self.line.update(key, expected, record, at).await;
        match self.reported(written)? {
            Swap::Gone if self.is(Sabotage::MakesAgain) => {
                let made = self.line.create(key, record, at).await?;
                Ok(if made == Creation::Created { Swap::Done } else { Swap::Gone })
            }
            Swap::Conflict if self.is(Sabotage::Overwrites) => match self.line.load(key, at).await? {
                Some(Found::Living(found)) => self.line.update(key, &found.revision, record, at).await,
                _ => Ok(Swap::Conflict),
            },
            swap => Ok(swap),
        }
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, at: Timestamp) -> Result<bool, Cut> {
        self.line.touch(key, idle_end, at).await
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        at: Timestamp,
    ) -> Result<Swap, Cut> {
        self.reported(self.line.renew(old, expected, new, record, tombstone_expires, at).await)
    }

    async fn delete(&self, key: &RecordKey, at: Timestamp) -> Result<bool, Cut> {
        match self.line.delete(key, at).await {
            Err(Cut) if self.is(Sabotage::AcknowledgesLostDeletes) => Ok(true),
            deleted => deleted,
        }
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        at: Timestamp,
    ) -> Result<bool, Cut> {
        self.line.rewrap(key, revision, kid, sealed, at).await
    }

    async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        at: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, Cut> {
        self.line.sealed_otherwise(kid, after, limit, at).await
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        at: Timestamp,
    ) -> Result<Page<Listed>, Cut> {
        self.line.list(owner, after, limit, at).await
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        at: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, Cut> {
        self.line.owned(owner, public_id, at).await
    }

    async fn end(&self, owner: &str, public_id: PublicId, at: Timestamp) -> Result<bool, Cut> {
        self.line.end(owner, public_id, at).await
    }

    async fn end_all(&self, owner: &str, keep: Option<&RecordKey>, at: Timestamp) -> Result<(), Cut> {
        self.line.end_all(owner, keep, at).await
    }

    async fn purge(&self, at: Timestamp, limit: usize) -> Result<usize, Cut> {
        self.line.purge(at, limit).await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Cut> {
        self.line.clock().await
    }
}
