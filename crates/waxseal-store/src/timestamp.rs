//! Timestamps in milliseconds.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in whole milliseconds since 1970 UTC, as a store keeps and compares it.
///
/// Whole seconds would be too coarse: copies are fresh for a few seconds, and clocks may differ by one. Finer times
/// would not survive a database that keeps only milliseconds, and a moment read from a database must equal the one that
/// was written. The greatest value is 2⁵³ − 1, about 285,000 years. It is exact in a signed 64-bit column and in the
/// floating-point numbers of a Lua script.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use waxseal_store::Timestamp;
///
/// let moment = Timestamp::from(UNIX_EPOCH + Duration::from_millis(1_500));
/// assert_eq!(moment.after(Duration::from_secs(2)), Timestamp::from_millis(3_500));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The greatest moment, which stands for "never ends".
    pub const MAX: Self = Self((1 << 53) - 1);

    /// Makes a moment from milliseconds since 1970; larger values become [`MAX`](Self::MAX).
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        if millis < Self::MAX.0 { Self(millis) } else { Self::MAX }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// Returns `true` if the moment is less than `span` after `since`, and not before `since`.
    #[must_use]
    pub fn is_within(self, span: Duration, since: Self) -> bool {
        self.0.checked_sub(since.0).is_some_and(|age| u128::from(age) < span.as_millis())
    }

    /// The moment `span` later, in whole milliseconds, at most [`MAX`](Self::MAX).
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(span))
    }
}

/// Converts from system time. A time before 1970 becomes 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(0).after(since)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(moment: Timestamp) -> Self {
        UNIX_EPOCH.checked_add(Duration::from_millis(moment.0)).unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_back_from_the_systems_time() {
        for millis in [0, 1, 1_790_000_000_123, Timestamp::MAX.as_millis()] {
            let moment = Timestamp::from_millis(millis);
            assert_eq!(moment.as_millis(), millis);
            assert_eq!(Timestamp::from(SystemTime::from(moment)), moment);
        }
    }

    #[test]
    fn sums_saturate_and_the_past_is_1970() {
        assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(5).after(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), Timestamp::from_millis(0));
    }
}
