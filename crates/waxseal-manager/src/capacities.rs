//! Limits on what one process remembers about its store.

/// The capacities of the near cache and of the retry queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacities {
    /// The most sessions that the near cache remembers.
    pub(crate) near_cache: usize,
    /// The most ends that wait for an unavailable store.
    pub(crate) retry_queue: usize,
}

impl Default for Capacities {
    fn default() -> Self {
        // About 10 MB, plus 60 MB if the retry queue is full.
        Self { near_cache: 65_536, retry_queue: 1_000_000 }
    }
}
