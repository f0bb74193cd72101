//! Kinds of failure.

/// The kind of a store's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The store cannot be reached, did not answer in time, or is damaged. The call may have been done nevertheless.
    /// The outage ends by itself or when an operator has fixed it; until then the app's policy for outages applies.
    Outage,
    /// The store has no space for the call's data, and has not done the call. The policy for outages applies, as for
    /// the next two variants. The call is not sent again.
    Full,
    /// Others held a lock that the call needs for longer than the store may wait. The store has not done the call.
    Locked,
    /// The store accepts no writes at present, and has not done the call.
    ReadOnly,
    /// The store has done the call, but fewer copies of it than the operator asked for have confirmed that in time. If
    /// one of them takes over, the call may be undone. The policy for outages applies.
    Unconfirmed,
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
