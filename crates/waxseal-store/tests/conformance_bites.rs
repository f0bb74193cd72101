//! Stores that break one promise each: the conformance suite must find every one of them.

use std::time::SystemTime;

use waxseal_store::testing::{Conformance, Verdict};
use waxseal_store::{
    Creation, Cursor, Fault, Found, Lifespan, Listed, MemoryError, MemoryStore, Page, Promise, PublicId,
    Record, RecordHead, RecordKey, Revision, SessionStore, Swap, Timestamp,
};

/// What a store may get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    LateExpiry,
    CreateReplaces,
    UpdateCreates,
    UpdateIgnoresRevision,
    UpdateComparesCounterOnly,
    TouchCreatesTime,
    TouchGoesBack,
    TouchChangesRevision,
    RenewInTwoSteps,
    RenewLeavesNoTombstone,
    RenewLeavesTombstoneForever,
    DeleteFollowsTombstones,
    OwnedIgnoresOwner,
    OwnedShowsTheEnded,
    RevalidateForgetsOwner,
    EndIgnoresOwner,
    EndAllByListing,
    EndAllEndsKept,
    EndAllKeepsByOldId,
    RewrapIgnoresRevision,
    RewrapChangesRevision,
    ListShowsFirstPageOnly,
    WalkStopsEarly,
    PurgeTakesTheLiving,
    ClockCountsSeconds,
}

/// Each slip, and the promise that the report has to name.
const SLIPS: [(Slip, Promise); 25] = [
    (Slip::LateExpiry, Promise::Expiry),
    (Slip::CreateReplaces, Promise::Records),
    (Slip::UpdateCreates, Promise::Records),
    (Slip::UpdateIgnoresRevision, Promise::Records),
    (Slip::UpdateComparesCounterOnly, Promise::Records),
    (Slip::TouchCreatesTime, Promise::Records),
    (Slip::TouchGoesBack, Promise::Records),
    (Slip::TouchChangesRevision, Promise::Records),
    (Slip::RenewInTwoSteps, Promise::Renewal),
    (Slip::RenewLeavesNoTombstone, Promise::Renewal),
    (Slip::RenewLeavesTombstoneForever, Promise::Renewal),
    (Slip::DeleteFollowsTombstones, Promise::Renewal),
    (Slip::OwnedIgnoresOwner, Promise::Owners),
    (Slip::OwnedShowsTheEnded, Promise::Owners),
    (Slip::RevalidateForgetsOwner, Promise::Records),
    (Slip::EndIgnoresOwner, Promise::Owners),
    (Slip::EndAllByListing, Promise::Races),
    (Slip::EndAllEndsKept, Promise::Owners),
    (Slip::EndAllKeepsByOldId, Promise::Owners),
    (Slip::RewrapIgnoresRevision, Promise::Records),
    (Slip::RewrapChangesRevision, Promise::Records),
    (Slip::ListShowsFirstPageOnly, Promise::Lists),
    (Slip::WalkStopsEarly, Promise::Keys),
    (Slip::PurgeTakesTheLiving, Promise::Expiry),
    (Slip::ClockCountsSeconds, Promise::Records),
];

#[derive(Clone)]
struct Broken {
    inner: MemoryStore,
    slip: Slip,
}

impl Broken {
    fn slips(&self, slip: Slip) -> bool {
        self.slip == slip
    }

    async fn living(&self, key: &RecordKey, now: Timestamp) -> Option<Record> {
        match self.inner.load(key, now).await {
            Ok(Some(Found::Living(record))) => Some(record),
            _ => None,
        }
    }
}

/// Gives others the time to see what lies between two steps, as a round trip would.
async fn round_trip() {
    std::thread::sleep(std::time::Duration::from_micros(300));
}

impl SessionStore for Broken {
    type Error = MemoryError;

    fn fault(error: &MemoryError) -> Fault {
        MemoryStore::fault(error)
    }

    async fn load(&self, key: &RecordKey, now: Timestamp) -> Result<Option<Found<Record>>, MemoryError> {
        let late = u64::from(self.slips(Slip::LateExpiry));
        self.inner.load(key, Timestamp::from_millis(now.as_millis() - late)).await
    }

    async fn revalidate(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, MemoryError> {
        let mut found = self.inner.revalidate(key, now).await?;
        if let Some(Found::Living(confirmed)) = &mut found
            && self.slips(Slip::RevalidateForgetsOwner)
        {
            confirmed.owner = None;
        }
        Ok(found)
    }

    async fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Creation, MemoryError> {
        if self.slips(Slip::CreateReplaces) {
            self.inner.delete(key, now).await?;
        }
        self.inner.create(key, record, now).await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, MemoryError> {
        let there = self.living(key, now).await;
        let mut expected = *expected;
        if self.slips(Slip::UpdateIgnoresRevision) {
            expected = there.as_ref().map_or(expected, |there| there.revision);
        }
        if self.slips(Slip::UpdateComparesCounterOnly) {
            let same = there.filter(|there| there.revision.counter() == expected.counter());
            expected = same.map_or(expected, |there| there.revision);
        }
        let swap = self.inner.update(key, &expected, record, now).await?;
        if swap == Swap::Gone && self.slips(Slip::UpdateCreates) {
            let _ = self.inner.create(key, record, now).await?;
        }
        Ok(swap)
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> Result<bool, MemoryError> {
        let there = self.living(key, now).await;
        match there {
            Some(there) if self.slips(Slip::TouchGoesBack) => {
                let life =
                    Lifespan { last_seen: now, expires: idle_end.min(there.life.absolute_end), ..there.life };
                let after = Record { life, ..there.clone() };
                return Ok(self.inner.update(key, &there.revision, &after, now).await? == Swap::Done);
            }
            Some(there) if self.slips(Slip::TouchCreatesTime) => {
                let life = Lifespan { last_seen: now, expires: idle_end, ..there.life };
                let after = Record { life, ..there.clone() };
                return Ok(self.inner.update(key, &there.revision, &after, now).await? == Swap::Done);
            }
            Some(there) if self.slips(Slip::TouchChangesRevision) => {
                let revision = there.revision.next().unwrap();
                let after = Record { revision, life: there.life.touched(now, idle_end), ..there.clone() };
                return Ok(self.inner.update(key, &there.revision, &after, now).await? == Swap::Done);
            }
            _ => {}
        }
        self.inner.touch(key, idle_end, now).await
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        now: Timestamp,
    ) -> Result<Swap, MemoryError> {
        if self.slips(Slip::RenewInTwoSteps) {
            match self.living(old, now).await {
                Some(there) if there.revision == *expected => {
                    self.inner.delete(old, now).await?;
                    round_trip().await;
                    let _ = self.inner.create(new, record, now).await?;
                    return Ok(Swap::Done);
                }
                _ => {}
            }
        }
        let tombstone_expires = match self.slip {
            Slip::RenewLeavesNoTombstone => now,
            Slip::RenewLeavesTombstoneForever => Timestamp::MAX,
            _ => tombstone_expires,
        };
        self.inner.renew(old, expected, new, record, tombstone_expires, now).await
    }

    async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, MemoryError> {
        if self.slips(Slip::DeleteFollowsTombstones) && self.living(key, now).await.is_none() {
            let mut after = None;
            loop {
                let page = self.inner.sealed_otherwise([9; 4], after.as_ref(), 10_000, now).await?;
                for (there, _) in page.items {
                    if there.public_id() == key.public_id() && self.inner.load(key, now).await?.is_some() {
                        return self.inner.delete(&there, now).await;
                    }
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => return Ok(false),
                }
            }
        }
        self.inner.delete(key, now).await
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, MemoryError> {
        let there = self.living(key, now).await;
        let revision = match there {
            Some(there) if self.slips(Slip::RewrapIgnoresRevision) => there.revision,
            Some(there) if self.slips(Slip::RewrapChangesRevision) => {
                let next = there.revision.next().unwrap();
                let after = Record { revision: next, kid, sealed: sealed.to_vec(), ..there };
                return Ok(self.inner.update(key, revision, &after, now).await? == Swap::Done);
            }
            _ => *revision,
        };
        self.inner.rewrap(key, &revision, kid, sealed, now).await
    }

    async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, MemoryError> {
        let page = self.inner.sealed_otherwise(kid, after, limit, now).await?;
        let next = page.next.filter(|_| !(self.slips(Slip::WalkStopsEarly) && after.is_some()));
        Ok(Page { next, ..page })
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, MemoryError> {
        let page = self.inner.list(owner, after, limit, now).await?;
        let next = page.next.filter(|_| !self.slips(Slip::ListShowsFirstPageOnly));
        Ok(Page { next, ..page })
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, MemoryError> {
        let found = self.inner.owned(owner, public_id, now).await?;
        Ok(match found {
            None if self.slips(Slip::OwnedIgnoresOwner) => self.inner.owned("albus", public_id, now).await?,
            None if self.slips(Slip::OwnedShowsTheEnded) => {
                self.inner.owned(owner, public_id, Timestamp::from_millis(0)).await?
            }
            found => found,
        })
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, MemoryError> {
        if self.slips(Slip::EndIgnoresOwner) {
            return Ok(self.inner.end("albus", public_id, now).await?
                || self.inner.end(owner, public_id, now).await?);
        }
        self.inner.end(owner, public_id, now).await
    }

    async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> Result<(), MemoryError> {
        if self.slips(Slip::EndAllByListing) {
            // One by one: whatever is renewed or begun meanwhile slips through, or whatever comes later does not.
            let page = self.inner.list(owner, None, usize::MAX, now).await?;
            for listed in page.items.iter().skip(1) {
                if keep.is_none_or(|keep| keep.public_id() != listed.public_id) {
                    self.inner.end(owner, listed.public_id, now).await?;
                }
            }
            return Ok(());
        }
        let mut keep = keep.filter(|_| !self.slips(Slip::EndAllEndsKept)).copied();
        if let Some(kept) = &mut keep
            && self.slips(Slip::EndAllKeepsByOldId)
            && let Some((there, _)) = self.inner.owned(owner, kept.public_id(), now).await?
        {
            *kept = there;
        }
        self.inner.end_all(owner, keep.as_ref(), now).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, MemoryError> {
        let early = if self.slips(Slip::PurgeTakesTheLiving) { 12 * 60 * 60 * 1_000 } else { 0 };
        self.inner.purge(Timestamp::from_millis(now.as_millis() + early), limit).await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, MemoryError> {
        let seconds = Timestamp::from_millis(Timestamp::from(SystemTime::now()).as_millis() / 1_000);
        Ok(self.slips(Slip::ClockCountsSeconds).then_some(seconds))
    }
}

#[test]
fn every_slip_is_found_where_it_belongs() {
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let missed = SLIPS.into_iter().filter_map(|(slip, promise)| {
        let report = runtime.block_on(Conformance::new().rounds(5).report(async || {
            let store = Broken { inner: MemoryStore::new(), slip };
            [store.clone(), store]
        }));
        let is_found = matches!(report.verdict(promise), Verdict::Broken { .. });
        (report.is_conformant() || !is_found).then(|| format!("{slip:?}, not {promise}:\n{report}"))
    });
    let missed: Vec<_> = missed.collect();
    drop(std::panic::take_hook());
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

macro_rules! passed_on {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {
        $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, MemoryError> {
            self.inner.$name($($argument),*).await
        })+
    };
}

/// A store that does not make a promise and answers all the same, by a revalidation that loads.
#[derive(Clone)]
struct Modest {
    inner: MemoryStore,
    without: Promise,
}

impl SessionStore for Modest {
    type Error = MemoryError;

    fn fault(error: &MemoryError) -> Fault {
        MemoryStore::fault(error)
    }

    fn makes(&self, promise: Promise) -> bool {
        promise != self.without
    }

    passed_on! {
        fn load(key: &RecordKey, now: Timestamp) -> Option<Found<Record>>;
        fn create(key: &RecordKey, record: &Record, now: Timestamp) -> Creation;
        fn update(key: &RecordKey, expected: &Revision, record: &Record, now: Timestamp) -> Swap;
        fn touch(key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> bool;
        fn renew(
            old: &RecordKey,
            expected: &Revision,
            new: &RecordKey,
            record: &Record,
            tombstone_expires: Timestamp,
            now: Timestamp
        ) -> Swap;
        fn delete(key: &RecordKey, now: Timestamp) -> bool;
        fn rewrap(key: &RecordKey, revision: &Revision, kid: [u8; 4], sealed: &[u8], now: Timestamp) -> bool;
        fn sealed_otherwise(
            kid: [u8; 4],
            after: Option<&Cursor>,
            limit: usize,
            now: Timestamp
        ) -> Page<(RecordKey, Record)>;
        fn list(owner: &str, after: Option<&Cursor>, limit: usize, now: Timestamp) -> Page<Listed>;
        fn owned(owner: &str, public_id: PublicId, now: Timestamp) -> Option<(RecordKey, Record)>;
        fn end(owner: &str, public_id: PublicId, now: Timestamp) -> bool;
        fn end_all(owner: &str, keep: Option<&RecordKey>, now: Timestamp) -> ();
        fn purge(now: Timestamp, limit: usize) -> usize;
    }
}

#[test]
fn what_is_not_promised_has_to_be_refused_and_what_is_needed_promised() {
    for (without, found) in [
        (Promise::Lists, "lists: broken in 1 of 1 cases"),
        (Promise::Keys, "the call should fail where the promise is not made"),
        (Promise::Owners, "every store makes this promise"),
    ] {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let report = runtime.block_on(Conformance::new().rounds(1).report(async || {
            let store = Modest { inner: MemoryStore::new(), without };
            [store.clone(), store]
        }));
        assert!(!report.is_conformant() && report.to_string().contains(found), "{report}");
    }
}
