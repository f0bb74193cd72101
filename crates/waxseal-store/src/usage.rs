//! The space that a store's records take.

/// The space that a store's records take, as far as the store can tell at little cost: for metrics.
///
/// ```
/// use waxseal_store::Usage;
///
/// let usage = Usage::default().records(750).fullness(0.75);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// The number of records, expired ones that still take space included.
    pub records: Option<u64>,
    /// The used share of what the store may take, from 0 to 1, if that is bounded.
    pub fullness: Option<f64>,
}

impl Usage {
    /// Sets the number of records.
    #[must_use]
    pub fn records(mut self, records: u64) -> Self {
        self.records = Some(records);
        self
    }

    /// Sets the used share of what the store may take.
    #[must_use]
    pub fn fullness(mut self, share: f64) -> Self {
        self.fullness = Some(share);
        self
    }
}
