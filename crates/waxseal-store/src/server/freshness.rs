//! How long a copy may be shown without asking the store: `docs/states.md`, "Copies".

use std::time::Duration;

use crate::Moment;

/// The window and the grace of state `mirrored`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    pub(crate) window: Duration,
    pub(crate) grace: Duration,
    #[cfg(test)]
    pub(crate) flaw: Option<Flaw>,
}

/// A rule broken on purpose, for the model test, which has to find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "no rule is broken outside the test"))]
pub(crate) enum Flaw {
    /// A token is minted although this request did not ask the store.
    MintsUnconfirmed,
    /// A confirm's time is read after the answer.
    StampsAfterReply,
    /// A copy from the future counts as fresh.
    TrustsTheFuture,
    /// The near cache forgets what it knew for something older.
    CacheGoesBack,
    /// The grace counts from the start of the outage.
    GraceFromTheOutage,
    /// `<=` in place of `<`.
    WindowIsInclusive,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(5),
            grace: Duration::from_secs(5 * 60),
            #[cfg(test)]
            flaw: None,
        }
    }
}

impl Freshness {
    /// Whether what was confirmed at `confirmed` needs no new confirm at `now`.
    pub(crate) fn is_fresh(&self, confirmed: Moment, now: Moment) -> bool {
        self.is_within(now, self.window, confirmed)
    }

    /// Whether what was last confirmed at `confirmed` may be read at `now` while the store is away.
    pub(crate) fn is_in_grace(&self, confirmed: Moment, now: Moment) -> bool {
        self.is_within(now, self.grace, confirmed)
    }

    fn is_within(&self, now: Moment, span: Duration, since: Moment) -> bool {
        now.is_within(span, since)
            || (self.has(Flaw::TrustsTheFuture) && now < since)
            || (self.has(Flaw::WindowIsInclusive) && now == since.after(span))
    }

    #[cfg(test)]
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "so that it reads the same in the test")]
    pub(crate) const fn has(&self, _: Flaw) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_fresh_from_its_confirm_up_to_the_window_and_never_before() {
        let (freshness, confirmed) = (Freshness::default(), Moment::from_millis(100_000));
        for (case, now, fresh, readable) in [
            ("a millisecond before", 99_999, false, false),
            ("at once", 100_000, true, true),
            ("the window's last millisecond", 104_999, true, true),
            ("the window's end", 105_000, false, true),
            ("the grace's last millisecond", 399_999, false, true),
            ("the grace's end", 400_000, false, false),
        ] {
            let now = Moment::from_millis(now);
            assert_eq!(freshness.is_fresh(confirmed, now), fresh, "{case}");
            assert_eq!(freshness.is_in_grace(confirmed, now), readable, "{case}");
        }
    }

    #[test]
    fn a_window_of_nothing_always_asks() {
        let freshness = Freshness { window: Duration::ZERO, ..Freshness::default() };
        assert!(!freshness.is_fresh(Moment::from_millis(7), Moment::from_millis(7)));
    }
}
