//! Kinds of failure.

/// The kind of a store's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The store cannot be reached, did not answer in time, or is damaged. The call may have been done all the same. It
    /// ends by itself or by an operator's work; until then the app's policy for outages applies.
    Outage,
    /// The store has no room for what the call brings, and has not done it. The policy for outages applies, here and in
    /// the next two. The call is not sent again.
    Full,
    /// Others hold what the call needs, for longer than the store may wait. It has not done the call.
    Locked,
    /// The store takes no writes now, and has not done the call.
    ReadOnly,
    /// The call itself is wrong, and would fail again.
    Defect,
}

impl Fault {
    /// Returns `true` if the policy for outages applies.
    pub fn passes(self) -> bool {
        self != Self::Defect
    }

    /// Returns `true` if the store has answered that it did not do the call.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Full | Self::Locked | Self::ReadOnly)
    }
}
