//! Removal of expired records.

use std::time::Duration;

use waxseal_store::{Timestamp, yield_once};

use crate::any_store::AnyStore;
use crate::store_error::StoreError;

/// Records that one purge asks for at once. Few, so that no call waits long behind it.
const PURGE_BATCH: usize = 500;
/// The longest time that a round of maintenance purges: until the next one is due.
const MAX_PURGE_TIME: Duration = Duration::from_secs(60);
/// The time between two calls of `finish_ends` during a purge.
const FINISH_ENDS_INTERVAL: Duration = Duration::from_secs(1);

/// Frees what has expired, in small batches, as long as the batches are full and no other round is due. Other tasks run
/// between two batches, and `finish_ends` once a second.
pub(crate) async fn purge<E, F>(
    store: &dyn AnyStore,
    clock: impl Fn() -> Timestamp,
    finish_ends: impl Fn() -> F,
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
        if batch < PURGE_BATCH || !now.is_within(MAX_PURGE_TIME, begun) {
            return Ok(purged);
        }
        if !now.is_within(FINISH_ENDS_INTERVAL, finished) {
            finished = now;
            // What is left is retried in a second, and the caller then receives the error.
            let _ = finish_ends().await;
        }
        // A store in memory never waits, so the purge yields itself.
        yield_once().await;
    }
}
