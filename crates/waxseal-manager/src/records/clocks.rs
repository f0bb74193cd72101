//! Maintenance of a store, and the comparison of its clock with this process's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use waxseal_store::Timestamp;

use super::mirrored::MirroredSessions;
use super::purge::purge;
use super::record_store::RecordStore;
use crate::active_keys::ActiveKeys;
use crate::any_store::AnyStore;
use crate::maintenance_report::Maintenance;
use crate::store_error::StoreError;
use crate::store_metrics::ClockGauge;

/// How much the clocks of this process and of the store may differ. If they differ more, copies are not trusted by
/// their times.
const MAX_OFFSET: Duration = Duration::from_secs(1);

/// This process's clock compared with the store's, if the store has one.
pub(crate) struct Clocks {
    /// The smallest possible difference of the two clocks, given the time that the answer took.
    pub(crate) offset: Option<Duration>,
    /// The most by which this process's clock may be ahead, in milliseconds.
    ahead: u64,
}

impl Clocks {
    pub(crate) async fn compare(
        store: &dyn AnyStore,
        clock: &impl Fn() -> Timestamp,
        gauge: ClockGauge,
    ) -> Result<Self, StoreError> {
        let asked = clock();
        let Some(theirs) = store.clock().await? else {
            gauge.say(None);
            return Ok(Self { offset: None, ahead: 0 });
        };
        let answered = clock();
        let apart = |from: Timestamp, to: Timestamp| to.as_millis().saturating_sub(from.as_millis());
        let offset = Duration::from_millis(apart(theirs, asked).max(apart(answered, theirs)));
        gauge.say(Some(offset));
        Ok(Self { offset: Some(offset), ahead: apart(theirs, answered) })
    }

    /// The time by the slower clock. What has expired by the other clock may be alive for all other processes.
    pub(crate) fn earlier(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.as_millis().saturating_sub(self.ahead))
    }
}

impl RecordStore {
    /// Does a round of maintenance. `compared` gets the difference of the clocks before the purge.
    pub(crate) async fn maintain(
        &self,
        keys: &ActiveKeys,
        clock: impl Fn() -> Timestamp,
        compared: impl FnOnce(Duration),
    ) -> Result<Maintenance, StoreError> {
        if let Some(near) = &self.near {
            near.forget_useless(clock());
        }
        let gauge = ClockGauge::unsaid();
        // A sign-out that the store refuses must prevent neither the comparison of the clocks nor the purge.
        let ends = self.finish_ends(keys, clock()).await;
        let clocks = Clocks::compare(&*self.store, &clock, gauge).await?;
        if let Some(offset) = clocks.offset {
            compared(offset);
        }
        let finish_ends = || self.finish_ends(keys, clock());
        let purged = purge(&*self.store, || clocks.earlier(clock()), finish_ends).await?;
        ends?;
        Ok(Maintenance { purged, clock_offset: clocks.offset })
    }

    /// Checks that the store can be reached and has room.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }
}

impl MirroredSessions {
    /// Trusts copies by their times only while the clocks agree.
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
