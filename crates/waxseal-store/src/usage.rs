//! The space that a store's records take.

/// The space that a store's records take, as far as the store can find out at little cost: for metrics.
///
/// ```
/// use waxseal_store::Usage;
///
/// let usage = Usage::default().records(750).fullness(0.75);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// The number of records, including expired ones that still take space. A large number may be an
    /// [estimate](Self::sampled).
    pub records: Option<u64>,
    /// The used share of the store's limit, from 0 to 1, if there is a limit.
    pub fullness: Option<f64>,
}

impl Usage {
    /// The number of records that a store reads for [`sampled`](Self::sampled).
    pub const SAMPLE: u64 = 4_096;

    /// Sets the number of records.
    #[must_use]
    pub fn records(mut self, records: u64) -> Self {
        self.records = Some(records);
        self
    }

    /// Sets the number of records, estimated from those with the lowest public ids: for a store that keeps them in that
    /// order.
    ///
    /// Public ids are random, so records are spread evenly among all 2^64 of them. `seen` is the number of records that
    /// were read, at most [`SAMPLE`](Self::SAMPLE), and `ids` the number of possible ids up to the last of them. If
    /// `seen` is less than [`SAMPLE`](Self::SAMPLE), it is the exact number. Otherwise the number is estimated, with a
    /// standard deviation of 1.6 %. The same records give the same estimate, so that a change of their number shows.
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

    /// Sets the used share of the store's limit.
    #[must_use]
    pub fn fullness(mut self, share: f64) -> Self {
        self.fullness = Some(share);
        self
    }
}
