//! What a request does with its session, and the policy for visitors during an outage.

/// What a request does with its session: read it, or act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Access {
    /// Reads the session, as GET, HEAD and OPTIONS do. State `mirrored` may show a fresh copy.
    Read,
    /// Acts on the session. The store is asked first.
    Change,
}

/// What visitors get in state `store` while the store is unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenAway {
    /// Fails with [`Error::Unavailable`](crate::Error::Unavailable).
    #[default]
    Refuse,
    /// For [`Access::Read`], gives the handler an empty, read-only session, so that the visitor sees the page as an
    /// anonymous visitor does. For [`Access::Change`], fails as with [`Refuse`](Self::Refuse).
    Anonymous,
}
