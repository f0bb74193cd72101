//! A clock that moves when a case says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use waxseal_store::Timestamp;

/// The clock of one process, ahead of the true time or behind it.
#[derive(Clone)]
pub(crate) struct Clock {
    truth: Arc<AtomicU64>,
    pub(crate) ahead_millis: i64,
}

impl Clock {
    /// Any day, at a whole second: then a case shows where fractions of seconds are cut off.
    const START_MILLIS: u64 = 1_790_000_000_000;

    /// Makes a clock of the true time, at its start.
    pub(crate) fn new() -> Self {
        Self { truth: Arc::new(AtomicU64::new(Self::START_MILLIS)), ahead_millis: 0 }
    }

    /// Milliseconds since the start.
    pub(crate) fn passed_millis(&self) -> u64 {
        self.true_millis() - Self::START_MILLIS
    }

    /// A clock that runs beside this one and is ahead of the true time.
    pub(crate) fn ahead(&self, millis: i64) -> Self {
        Self { truth: self.truth.clone(), ahead_millis: millis }
    }

    pub(crate) fn pass(&self, millis: u64) {
        self.truth.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn true_millis(&self) -> u64 {
        self.truth.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.true_millis().saturating_add_signed(self.ahead_millis))
    }

    pub(crate) fn time(&self) -> SystemTime {
        self.now().into()
    }
}
