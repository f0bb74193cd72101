//! How much there may be.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts records and bytes against their bounds.
pub(super) struct Budget {
    records: Counter,
    bytes: Counter,
}

struct Counter {
    used: AtomicUsize,
    max: usize,
}

/// A bound is reached.
pub(super) struct NoRoom {
    /// Whether an empty store would have had room.
    pub(super) ever: bool,
}

impl Budget {
    pub(super) fn new(max_records: usize, max_bytes: usize) -> Self {
        let counter = |max| Counter { used: AtomicUsize::new(0), max };
        Self { records: counter(max_records), bytes: counter(max_bytes) }
    }

    pub(super) fn max_records(&self) -> usize {
        self.records.max
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.bytes.max
    }

    /// Records and bytes in use.
    pub(super) fn used(&self) -> (usize, usize) {
        (self.records.used.load(Ordering::Relaxed), self.bytes.used.load(Ordering::Relaxed))
    }

    /// Takes both, or neither.
    pub(super) fn take(&self, records: usize, bytes: usize) -> Result<(), NoRoom> {
        self.records.take(records)?;
        self.bytes.take(bytes).inspect_err(|_| self.records.give(records))
    }

    /// Makes what took `old` bytes take `new`.
    pub(super) fn resize(&self, old: usize, new: usize) -> Result<(), NoRoom> {
        if new > old {
            self.bytes.take(new - old)
        } else {
            self.bytes.give(old - new);
            Ok(())
        }
    }

    pub(super) fn give(&self, records: usize, bytes: usize) {
        self.records.give(records);
        self.bytes.give(bytes);
    }
}

impl Counter {
    fn take(&self, amount: usize) -> Result<(), NoRoom> {
        let fits = |used: usize| used.checked_add(amount).filter(|sum| *sum <= self.max);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(NoRoom { ever: amount <= self.max }),
        }
    }

    fn give(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}
