//! Removal of expired records.

use std::time::Duration;

use waxseal_store::{Timestamp, yield_once};

use crate::any_store::AnyStore;
use crate::store_error::StoreError;

/// How many records one purge asks for. Few, so that no other call waits long for it.
const PURGE_BATCH: usize = 500;
/// The longest time for which one round of maintenance purges. After it the next round is due.
const MAX_PURGE_TIME: Duration = Duration::from_secs(60);
/// The time between two calls of `finish_ends` during a purge.
const FINISH_ENDS_INTERVAL: Duration = Duration::from_secs(1);

/// Frees what has expired, in small batches, until a batch is not full or another round is due. Other tasks run between
/// two batches, and `finish_ends` runs once a second.
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
            // What is left is tried again in a second, and the caller then gets the error.
            let _ = finish_ends().await;
        }
        // A store in memory never waits, so the purge itself has to yield.
        yield_once().await;
    }
}
