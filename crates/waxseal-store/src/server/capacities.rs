//! Bounds on what one process remembers of its store.

use super::{NearCache, Unfinished};

/// The capacities of the near cache and of the retry queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacities {
    /// Sessions in the near cache.
    pub(crate) near_cache: usize,
    /// Ends that wait for a store that is away.
    pub(crate) retry_queue: usize,
}

impl Default for Capacities {
    fn default() -> Self {
        Self { near_cache: NearCache::ENTRIES, retry_queue: Unfinished::MOST }
    }
}
