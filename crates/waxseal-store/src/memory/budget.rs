//! Record and byte limits.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One part in this many of each limit is reserved for records of ends, so that a visitor who fills the rest cannot
/// keep others from signing out.
const RESERVE: usize = 16;

/// Counts records and bytes against their limits.
pub(super) struct Budget {
    records: Counter,
    bytes: Counter,
}

/// The purpose for which space is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Any,
    /// A record of ends: it says that sessions were revoked.
    End,
}

struct Counter {
    used: AtomicUsize,
    max: usize,
}

/// A limit has been reached.
pub(super) struct NoRoom {
    /// `true` if an empty store would have enough space.
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

    /// The larger of the two used shares, from 0 to 1.
    pub(super) fn fullness(&self) -> f64 {
        let share =
            |counter: &Counter| counter.used.load(Ordering::Relaxed) as f64 / counter.max.max(1) as f64;
        share(&self.records).max(share(&self.bytes))
    }

    /// Takes records and bytes, or neither of them.
    pub(super) fn take(&self, records: usize, bytes: usize, what_for: Use) -> Result<(), NoRoom> {
        self.records.take(records, what_for)?;
        self.bytes.take(bytes, what_for).inspect_err(|_| self.records.give(records))
    }

    /// Checks whether this many records and bytes are free for any purpose.
    pub(super) fn has(&self, records: usize, bytes: usize) -> bool {
        self.records.has(records) && self.bytes.has(bytes)
    }

    /// A number of free records and bytes that is unlikely to be used up at once.
    pub(super) fn ample(&self) -> (usize, usize) {
        (self.records.max / 64 + 1, self.bytes.max / 64 + 1)
    }

    /// Replaces `old` used bytes by `new` ones.
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
