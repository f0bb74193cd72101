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
    /// The number of records, expired ones that still take space included; of many, an [estimate](Self::sampled).
    pub records: Option<u64>,
    /// The used share of what the store may take, from 0 to 1, if that is bounded.
    pub fullness: Option<f64>,
}

impl Usage {
    /// The number of records that [`sampled`](Self::sampled) is for.
    pub const SAMPLE: u64 = 4_096;

    /// Sets the number of records.
    #[must_use]
    pub fn records(mut self, records: u64) -> Self {
        self.records = Some(records);
        self
    }

    /// Sets the number of records from those with the lowest public ids, for a store that keeps them in that order.
    ///
    /// Public ids are random, so records lie evenly among all 2^64 of them. `seen` is the number of records that were
    /// looked at, up to [`SAMPLE`](Self::SAMPLE), and `ids` the number of ids up to the last of those. Fewer records than
    /// [`SAMPLE`](Self::SAMPLE) are all there are. Of more, the number is estimated: with a standard deviation of 1.6 %,
    /// and the same way each time, so that a change of the number shows.
    ///
    /// ```
    /// use waxseal_store::Usage;
    ///
    /// assert_eq!(Usage::default().sampled(20, u64::MAX / 2).records, Some(20));
    /// // So many in the first half.
    /// assert_eq!(Usage::default().sampled(Usage::SAMPLE, u64::MAX / 2).records, Some(2 * (Usage::SAMPLE - 1)));
    /// ```
    #[must_use]
    pub fn sampled(self, seen: u64, ids: u64) -> Self {
        if seen < Self::SAMPLE {
            return self.records(seen);
        }
        let all = (u128::from(seen - 1) << 64) / u128::from(ids.max(1));
        self.records(u64::try_from(all).unwrap_or(u64::MAX))
    }

    /// Sets the used share of what the store may take.
    #[must_use]
    pub fn fullness(mut self, share: f64) -> Self {
        self.fullness = Some(share);
        self
    }
}
