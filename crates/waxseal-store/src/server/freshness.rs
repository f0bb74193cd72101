//! How long a copy may be shown without asking the store: `docs/states.md`, "Reading and acting".

use std::time::Duration;

use crate::Timestamp;

/// The window and the grace of state `mirrored`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    pub(crate) window: Duration,
    pub(crate) grace: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { window: Duration::from_secs(5), grace: Duration::from_secs(5 * 60) }
    }
}

impl Freshness {
    /// Whether what was confirmed at `confirmed` needs no new confirm at `now`.
    pub(crate) fn is_fresh(&self, confirmed: Timestamp, now: Timestamp) -> bool {
        now.is_within(self.window, confirmed)
    }

    /// Whether what was last confirmed at `confirmed` may be read at `now` while the store is away.
    pub(crate) fn is_in_grace(&self, confirmed: Timestamp, now: Timestamp) -> bool {
        now.is_within(self.grace, confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_fresh_from_its_confirm_up_to_the_window_and_never_before() {
        let (freshness, confirmed) = (Freshness::default(), Timestamp::from_millis(100_000));
        for (case, now, fresh, readable) in [
            ("a millisecond before", 99_999, false, false),
            ("at once", 100_000, true, true),
            ("the window's last millisecond", 104_999, true, true),
            ("the window's end", 105_000, false, true),
            ("the grace's last millisecond", 399_999, false, true),
            ("the grace's end", 400_000, false, false),
        ] {
            let now = Timestamp::from_millis(now);
            assert_eq!(freshness.is_fresh(confirmed, now), fresh, "{case}");
            assert_eq!(freshness.is_in_grace(confirmed, now), readable, "{case}");
        }
    }

    #[test]
    fn a_window_of_nothing_always_asks() {
        let freshness = Freshness { window: Duration::ZERO, ..Freshness::default() };
        assert!(!freshness.is_fresh(Timestamp::from_millis(7), Timestamp::from_millis(7)));
    }
}
