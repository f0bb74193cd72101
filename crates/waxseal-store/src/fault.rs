//! Kinds of failure.

/// The kind of a store's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The store cannot be reached, did not answer in time, or is damaged. The call may have been done all the same. It
    /// ends by itself or by an operator's work; until then the app's policy for outages applies.
    Outage,
    /// The store cannot do the call now and has not done it, because it is locked, full or read-only. The policy for
    /// outages applies. The call is not sent again, because the store has waited for as long as it may.
    Refused,
    /// The call itself is wrong, and would fail again.
    Defect,
}

impl Fault {
    /// Returns `true` if the policy for outages applies.
    pub fn passes(self) -> bool {
        self != Self::Defect
    }
}
