//! Results of maintenance.

use std::time::Duration;

/// The result of a round of maintenance; from [`SessionManager::maintain`](crate::SessionManager::maintain).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintenance {
    /// Expired records and tombstones whose space was freed.
    pub purged: usize,
    /// The difference between this process's clock and the store's, if the store has a clock of its own.
    pub clock_offset: Option<Duration>,
}
