//! Proof that the store was asked in this request.

use waxseal_store::{Lifespan, Timestamp};

/// The time of a question to the store, taken *before* asking. Only code that asks a store makes one, and no token is
/// sealed without one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConfirmedAt(Timestamp);

/// The store's answer about a record in this request.
#[derive(Clone, Copy)]
pub(crate) struct Confirmed {
    pub(crate) at: ConfirmedAt,
    pub(crate) life: Lifespan,
    /// The key that the record is sealed with, if the record was read.
    pub(crate) kid: Option<[u8; 4]>,
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
