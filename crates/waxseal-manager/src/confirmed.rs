//! Proof that the store was asked in this request.

use waxseal_store::{Lifespan, Timestamp};

use crate::refresh::RESEAL_AFTER_SECONDS;

/// The time of a question to the store, taken *before* asking. Only code that asks a store makes one, and no token is
/// sealed without one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConfirmedAt(Timestamp);

/// The store's answer about a record in this request.
#[derive(Clone, Copy)]
pub(crate) struct Confirmed {
    pub(crate) at: ConfirmedAt,
    pub(crate) life: Lifespan,
    /// The record's seal, if the record was read.
    pub(crate) seal: Option<RecordSeal>,
}

/// The seal of a record.
#[derive(Clone, Copy)]
pub(crate) struct RecordSeal {
    pub(crate) kid: [u8; 4],
    /// The time of sealing, in seconds since 1970.
    pub(crate) at: u64,
}

impl RecordSeal {
    /// Checks whether the record has to be sealed anew with the first key. As with tokens this is so only after a
    /// minute, so that two servers with different first keys do not undo each other's work at every request.
    pub(crate) fn is_due(&self, first: [u8; 4], now: Timestamp) -> bool {
        self.kid != first && now.as_secs().saturating_sub(self.at) >= RESEAL_AFTER_SECONDS
    }
}

impl ConfirmedAt {
    /// Makes the time of a revalidation that was asked for at `asked` and has been answered.
    pub(crate) fn by_answer(asked: Timestamp) -> Self {
        Self(asked)
    }

    pub(crate) fn time(self) -> Timestamp {
        self.0
    }
}
