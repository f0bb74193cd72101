//! Rules broken on purpose, for the model test, which has to find each of them.

/// The rule that is broken; outside the test none ever is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flaws {
    #[cfg(test)]
    broken: Option<Flaw>,
}

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
    /// A save that finds its session gone makes it again.
    MakesAgain,
    /// A write whose answer was lost is done once more.
    RepeatsBlindly,
    /// A save writes what it has over what another request wrote meanwhile.
    Overwrites,
    /// A sign-out that the store missed is not made up for.
    ForgetsSignOuts,
    /// A visitor with an id that a sign-in has replaced is like any other without a session.
    ForgetsOldIds,
}

impl Flaws {
    #[cfg(test)]
    pub(crate) const fn new(broken: Option<Flaw>) -> Self {
        Self { broken }
    }

    #[cfg(test)]
    pub(crate) fn has(self, flaw: Flaw) -> bool {
        self.broken == Some(flaw)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "so that it reads the same in the test")]
    pub(crate) const fn has(self, _: Flaw) -> bool {
        false
    }
}
