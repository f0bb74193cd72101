//! Time that passes when a case says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::Timestamp;

/// One process's clock, ahead of the true time or behind.
#[derive(Clone)]
pub(super) struct Clock {
    truth: Arc<AtomicU64>,
    pub(super) ahead_millis: i64,
}

impl Clock {
    /// Some day, at a whole second: then seconds that are cut off show.
    const START_MILLIS: u64 = 1_790_000_000_000;

    /// The true time, at the beginning.
    pub(super) fn new() -> Self {
        Self { truth: Arc::new(AtomicU64::new(Self::START_MILLIS)), ahead_millis: 0 }
    }

    /// Since the beginning.
    pub(super) fn passed_millis(&self) -> u64 {
        self.true_millis() - Self::START_MILLIS
    }

    pub(super) fn ahead(&self, millis: i64) -> Self {
        Self { truth: self.truth.clone(), ahead_millis: millis }
    }

    pub(super) fn pass(&self, millis: u64) {
        self.truth.fetch_add(millis, Ordering::Relaxed);
    }

    pub(super) fn true_millis(&self) -> u64 {
        self.truth.load(Ordering::Relaxed)
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.true_millis().saturating_add_signed(self.ahead_millis))
    }

    pub(super) fn time(&self) -> SystemTime {
        self.now().into()
    }
}
