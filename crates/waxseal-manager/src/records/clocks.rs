//! Maintenance of a store, and comparison of its clock with this process's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use waxseal_store::Timestamp;

use super::mirrored::MirroredSessions;
use super::purge::purge;
use super::record_store::RecordStore;
use crate::active_keys::ActiveKeys;
use crate::maintenance_report::Maintenance;
use crate::store_error::StoreError;

/// The difference between the clocks of this process and of the store from which copies are no longer trusted by their
/// time.
const MAX_OFFSET: Duration = Duration::from_secs(1);

impl RecordStore {
    /// Does a round of maintenance. `compared` is given the difference of the clocks before the purge.
    pub(crate) async fn maintain(
        &self,
        keys: &ActiveKeys,
        clock: impl Fn() -> Timestamp,
        compared: impl FnOnce(Duration),
    ) -> Result<Maintenance, StoreError> {
        if let Some(near) = &self.near {
            near.forget_useless(clock());
        }
        // A sign-out that the store refuses must prevent neither the comparison nor the purge.
        let ends = self.finish_ends(keys, clock()).await;
        let clock_offset = self.clock_offset(&clock).await?;
        if let Some(offset) = clock_offset {
            compared(offset);
        }
        let purged = purge(&*self.store, clock, |now| self.finish_ends(keys, now)).await?;
        ends?;
        Ok(Maintenance { purged, clock_offset })
    }

    /// Measures the least difference of the clocks: the time that the answer took is subtracted.
    async fn clock_offset(&self, clock: &impl Fn() -> Timestamp) -> Result<Option<Duration>, StoreError> {
        let asked = clock();
        let Some(theirs) = self.store.clock().await? else { return Ok(None) };
        let answered = clock();
        let apart = |from: Timestamp, to: Timestamp| to.as_millis().saturating_sub(from.as_millis());
        Ok(Some(Duration::from_millis(apart(theirs, asked).max(apart(answered, theirs)))))
    }

    /// Checks that the store can be reached and has room.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }
}

impl MirroredSessions {
    /// Trusts copies by their time only while the clocks agree.
    pub(crate) fn note_clock_offset(&self, offset: Duration) {
        let agree = offset <= MAX_OFFSET;
        if self.clocks_agree.swap(agree, Ordering::AcqRel) != agree {
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
}
