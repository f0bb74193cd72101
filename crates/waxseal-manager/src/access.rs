//! The purpose of a request, and the policy for visitors during an outage.

/// The purpose of a request: to read its session, or to act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Access {
    /// Reads the session, as GET, HEAD and OPTIONS do. State `mirrored` may show a fresh copy.
    Read,
    /// Acts on the session. The store is asked first.
    Change,
}

/// Policy of state `store` for visitors during an outage of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenAway {
    /// Fails with [`Error::Unavailable`](crate::Error::Unavailable).
    #[default]
    Refuse,
    /// For [`Access::Read`], shows an empty session that cannot be written: the page of an anonymous visitor.
    Anonymous,
}
