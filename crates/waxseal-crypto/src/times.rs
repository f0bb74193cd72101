use crate::format_limits::MAX_CLOCK_SKEW_SECONDS;
use crate::rejected::Reason;

/// The times that are sealed with a value: when it was created and sealed, and how long it lives.
///
/// Moments are whole seconds since 1970 UTC; durations are in seconds. There is no value for "forever". Sums saturate,
/// so no time is too large. Sealing a value again keeps `created` and sets `sealed`.
///
/// ```
/// use waxseal_crypto::{Limits, Times};
///
/// let times = Times::new(1_000, 5_000, 1_800, 43_200);
/// assert_eq!(times.idle_end(Limits::NONE), 6_800);
/// assert_eq!(times.absolute_end(Limits { absolute: 3_600, ..Limits::NONE }), 4_600);
/// ```
///
/// Rule: [`format`](mod@crate::format), sections "Sealed bytes" and "Open".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    created: u64,
    sealed: u64,
    idle: u32,
    absolute: u32,
}

impl Times {
    /// The idle time of a value whose record decides when it has been idle too long: 136 years.
    pub const NO_IDLE: u32 = u32::MAX;

    /// The times of a value created at `created` and sealed at `now`, or at `created` if the clock has gone back.
    pub fn new(created: u64, now: u64, idle: u32, absolute: u32) -> Self {
        Self { created, sealed: now.max(created), idle, absolute }
    }

    /// The second at which the value was first sealed.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The second at which the value was last sealed; never before `created`.
    pub fn sealed(&self) -> u64 {
        self.sealed
    }

    /// How long the value lives after `sealed`, in seconds.
    pub fn idle(&self) -> u32 {
        self.idle
    }

    /// How long the value lives after `created`, in seconds, however often it is sealed again.
    pub fn absolute(&self) -> u32 {
        self.absolute
    }

    /// The first second at which the value has been idle too long.
    pub fn idle_end(&self, limits: Limits) -> u64 {
        self.sealed.saturating_add(self.idle.min(limits.idle).into())
    }

    /// The first second at which the value is too old.
    pub fn absolute_end(&self, limits: Limits) -> u64 {
        self.created.saturating_add(self.absolute.min(limits.absolute).into())
    }

    /// Step 8 of "Open": checks that the value is alive at `now`.
    ///
    /// # Errors
    ///
    /// [`Reason::Future`], [`Reason::Idle`] or [`Reason::Absolute`], whichever comes first.
    pub fn check(&self, now: u64, limits: Limits) -> Result<(), Reason> {
        if self.sealed > now.saturating_add(MAX_CLOCK_SKEW_SECONDS) {
            Err(Reason::Future)
        } else if now >= self.idle_end(limits) {
            Err(Reason::Idle)
        } else if now >= self.absolute_end(limits) {
            Err(Reason::Absolute)
        } else {
            Ok(())
        }
    }
}

/// The server's own limits, in seconds. They can shorten the lifetime that a value was sealed with, never lengthen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers, made by callers")]
pub struct Limits {
    /// The longest time since the value was last sealed.
    pub idle: u32,
    /// The longest time since the value was created.
    pub absolute: u32,
}

impl Limits {
    /// No limits: each value lives as long as it was sealed for.
    pub const NONE: Self = Self { idle: u32::MAX, absolute: u32::MAX };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_is_never_before_created() {
        assert_eq!(Times::new(100, 40, 1, 1).sealed(), 100);
        assert_eq!(Times::new(100, 140, 1, 1).sealed(), 140);
    }

    #[test]
    fn a_life_ends_at_its_exact_second() {
        use Reason::{Absolute, Future, Idle};
        let times = Times::new(1_000, 2_000, 300, 1_200); // ends at 2_300 and 2_200
        let limits = |idle, absolute| Limits { idle, absolute };
        for (case, now, limits, expected) in [
            ("61 s ahead", 1_939, Limits::NONE, Err(Future)),
            ("60 s ahead", 1_940, Limits::NONE, Ok(())),
            ("last second", 2_199, Limits::NONE, Ok(())),
            ("absolute end", 2_200, Limits::NONE, Err(Absolute)),
            ("both ends passed", 2_300, Limits::NONE, Err(Idle)),
            ("shorter idle, last second", 2_099, limits(100, u32::MAX), Ok(())),
            ("shorter idle", 2_100, limits(100, u32::MAX), Err(Idle)),
            ("shorter absolute", 2_150, limits(u32::MAX, 1_150), Err(Absolute)),
            ("longer limits do not lengthen", 2_200, limits(9_999, 9_999), Err(Absolute)),
            ("no idle allowed", 2_000, limits(0, u32::MAX), Err(Idle)),
            ("ahead, nothing allowed", 1_990, limits(0, 0), Err(Absolute)),
        ] {
            assert_eq!(times.check(now, limits), expected, "{case}");
        }
    }

    #[test]
    fn sums_saturate() {
        let times = Times::new(u64::MAX - 1, u64::MAX, u32::MAX, u32::MAX);
        assert_eq!(times.idle_end(Limits::NONE), u64::MAX);
        assert_eq!(times.absolute_end(Limits::NONE), u64::MAX);
        assert_eq!(times.check(u64::MAX - 1, Limits::NONE), Ok(()));
        assert_eq!(times.check(u64::MAX, Limits::NONE), Err(Reason::Idle));
    }
}
