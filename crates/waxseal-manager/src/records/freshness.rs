//! How long a copy may be shown without a revalidation.

use std::time::Duration;

use waxseal_store::Timestamp;

/// The freshness lifetime of a copy (RFC 9111, section 4.2), and its stale-if-error grace (RFC 5861, section 4).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    pub(crate) lifetime: Duration,
    pub(crate) grace: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(5), grace: Duration::from_secs(5 * 60) }
    }
}

impl Freshness {
    /// Checks whether a copy last revalidated at `confirmed` is fresh at `now`.
    pub(crate) fn is_fresh(&self, confirmed: Timestamp, now: Timestamp) -> bool {
        now.is_within(self.lifetime, confirmed)
    }

    /// Checks whether a copy last revalidated at `confirmed` may be read at `now` during an outage.
    pub(crate) fn is_in_grace(&self, confirmed: Timestamp, now: Timestamp) -> bool {
        now.is_within(self.grace, confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_fresh_from_its_confirmation_up_to_its_lifetime_and_never_before() {
        let (freshness, confirmed) = (Freshness::default(), Timestamp::from_millis(100_000));
        for (case, now, fresh, readable) in [
            ("a millisecond before", 99_999, false, false),
            ("at once", 100_000, true, true),
            ("the lifetime's last millisecond", 104_999, true, true),
            ("the lifetime's end", 105_000, false, true),
            ("the grace's last millisecond", 399_999, false, true),
            ("the grace's end", 400_000, false, false),
        ] {
            let now = Timestamp::from_millis(now);
            assert_eq!(freshness.is_fresh(confirmed, now), fresh, "{case}");
            assert_eq!(freshness.is_in_grace(confirmed, now), readable, "{case}");
        }
    }

    #[test]
    fn a_lifetime_of_nothing_always_asks() {
        let freshness = Freshness { lifetime: Duration::ZERO, ..Freshness::default() };
        assert!(!freshness.is_fresh(Timestamp::from_millis(7), Timestamp::from_millis(7)));
    }
}
