//! How much there may be.

use std::sync::atomic::{AtomicUsize, Ordering};

/// This part of the room is for records of ends alone: who fills the rest must not keep others from signing out.
const RESERVE: usize = 16;

/// Counts records and bytes against their bounds.
pub(super) struct Budget {
    records: Counter,
    bytes: Counter,
}

/// What room is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Any,
    /// A record that says that sessions were ended.
    End,
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
    pub(super) fn take(&self, records: usize, bytes: usize, what_for: Use) -> Result<(), NoRoom> {
        self.records.take(records, what_for)?;
        self.bytes.take(bytes, what_for).inspect_err(|_| self.records.give(records))
    }

    /// Whether both could be taken for anything.
    pub(super) fn has(&self, records: usize, bytes: usize) -> bool {
        self.records.has(records) && self.bytes.has(bytes)
    }

    /// So many records and bytes that they can hardly be used up at once.
    pub(super) fn ample(&self) -> (usize, usize) {
        (self.records.max / 64 + 1, self.bytes.max / 64 + 1)
    }

    /// Makes what took `old` bytes take `new`.
    pub(super) fn resize(&self, old: usize, new: usize) -> Result<(), NoRoom> {
        if new > old {
            self.bytes.take(new - old, Use::Any)
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
    fn take(&self, amount: usize, what_for: Use) -> Result<(), NoRoom> {
        let bound = self.bound(what_for);
        let fits = |used: usize| used.checked_add(amount).filter(|sum| *sum <= bound);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(NoRoom { ever: amount <= bound }),
        }
    }

    fn has(&self, amount: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(amount) <= self.bound(Use::Any)
    }

    fn bound(&self, what_for: Use) -> usize {
        match what_for {
            Use::Any => self.max - self.max / RESERVE,
            Use::End => self.max,
        }
    }

    fn give(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}
