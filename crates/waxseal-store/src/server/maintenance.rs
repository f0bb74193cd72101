//! What has to be done now and then, whoever visits.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Server;
use crate::active_keys::ActiveKeys;
use crate::any_store::AnyStore;
use crate::error::StoreError;
use crate::record::{Cursor, Record};
use crate::yield_once::yield_once;
use crate::{Error, Timestamp};

/// Records that one purge asks for at once: few, so that nobody waits behind it.
const PURGE_BATCH: usize = 500;
/// How long a round of upkeep goes on purging: until the next one is due.
const ROUND: Duration = Duration::from_secs(60);
/// How long what is due each second waits for a purge.
const SECOND: Duration = Duration::from_secs(1);
/// How far this process's clock may be from the store's before copies are no longer trusted by their time.
const MAX_OFFSET: Duration = Duration::from_secs(1);

/// What a round of upkeep found; from [`SessionManager::upkeep`](crate::SessionManager::upkeep).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintenance {
    /// Expired records and tombstones whose space was freed.
    pub purged: usize,
    /// How far this process's clock and the store's are apart, if the store has one of its own.
    pub clock_offset: Option<Duration>,
}

/// Frees what has expired, in small batches, for as long as they are full and no other round is due. Between two of them
/// others have their turn, and once a second `finish_ends`.
pub(crate) async fn purge<E, F>(
    store: &dyn AnyStore,
    clock: impl Fn() -> Timestamp,
    finish_ends: impl Fn(Timestamp) -> F,
) -> Result<usize, StoreError>
where
    F: Future<Output = Result<usize, E>>,
{
    let begun = clock();
    let (mut purged, mut finished) = (0, begun);
    loop {
        let now = clock();
        let batch = store.purge(now, PURGE_BATCH).await?;
        purged += batch;
        if batch < PURGE_BATCH || !now.is_within(ROUND, begun) {
            return Ok(purged);
        }
        if !now.is_within(SECOND, finished) {
            finished = now;
            // What is left is tried again in a second; whoever asks then hears why.
            let _ = finish_ends(now).await;
        }
        // A store in memory never waits.
        yield_once().await;
    }
}

impl Server {
    pub(crate) async fn upkeep(&self, clock: impl Fn() -> Timestamp) -> Result<Maintenance, StoreError> {
        // A sign-out that the store refuses must stop neither of the others.
        let ends = self.finish_ends(clock()).await;
        let clock_offset = self.compare_clocks(&clock).await?;
        let purged = purge(&*self.store, clock, |now| self.finish_ends(now)).await?;
        ends?;
        Ok(Maintenance { purged, clock_offset })
    }

    /// The time that the answer took counts in our favour: how far apart the clocks are at least.
    async fn compare_clocks(&self, clock: &impl Fn() -> Timestamp) -> Result<Option<Duration>, StoreError> {
        let asked = clock();
        let Some(theirs) = self.store.clock().await? else { return Ok(None) };
        let answered = clock();
        let apart = |from: Timestamp, to: Timestamp| to.as_millis().saturating_sub(from.as_millis());
        let offset = Duration::from_millis(apart(theirs, asked).max(apart(answered, theirs)));
        if let Some(mirror) = &self.mirror {
            let agree = offset <= MAX_OFFSET;
            if mirror.clocks_agree.swap(agree, Ordering::AcqRel) != agree {
                match agree {
                    true => tracing::info!("this server's clock and the session store's agree again"),
                    false => tracing::warn!(
                        ?offset,
                        "this server's clock and the session store's differ; copies are confirmed until they agree: \
                         see to time synchronisation"
                    ),
                }
            }
        }
        Ok(Some(offset))
    }

    pub(crate) async fn store_ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }

    /// Whether copies are trusted by their time.
    pub(crate) fn clocks_agree(&self) -> bool {
        self.mirror.as_ref().is_none_or(super::Mirror::trusts_copies)
    }

    /// Seals a part of the records that another key sealed with the ring's first. How many, and where to go on.
    pub(crate) async fn rewrap_some(
        &self,
        ring: &ActiveKeys,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(usize, Option<Cursor>), Error> {
        let page = self.store.sealed_otherwise(ring.kid(), after, limit, now).await?;
        let mut done = 0;
        // In a record of the list of state `cookie` nothing is sealed.
        for (key, record) in page.items.iter().filter(|(_, record)| !record.sealed.is_empty()) {
            let Ok(content) = self.open(ring, key, record, now) else { continue };
            let Record { revision, life, .. } = record;
            let sealed = self.seal(ring, key, revision, &content, life, now)?;
            done += usize::from(self.store.rewrap(key, revision, ring.kid(), &sealed, now).await?);
        }
        Ok((done, page.next))
    }

    /// How many of a part of the records that are not sealed with the ring's first key are sealed with this one, and
    /// where to go on.
    pub(crate) async fn count_sealed_by(
        &self,
        ring: &ActiveKeys,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(usize, Option<Cursor>), StoreError> {
        let page = self.store.sealed_otherwise(ring.kid(), after, limit, now).await?;
        Ok((page.items.iter().filter(|(_, record)| record.kid == kid).count(), page.next))
    }
}
