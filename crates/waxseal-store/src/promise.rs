//! Promises of a store, of which two are optional.

use std::fmt;

/// A promise of a store: a part of what [`SessionStore`](crate::SessionStore) requires.
///
/// [`Lists`](Self::Lists) and [`Keys`](Self::Keys) are optional: [`SessionStore::makes`](crate::SessionStore::makes)
/// says if a store makes them. Every use needs all other promises. The [conformance suite](crate::testing) reports on
/// each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Promise {
    /// Every process loads a record as it was saved. A record is replaced by compare-and-swap, and is absent once it
    /// was deleted.
    Records,
    /// A record is absent from the millisecond at which it expires, and a purge deletes expired records.
    Expiry,
    /// A session gets another id in one step, and its old id is recognized for a while.
    Renewal,
    /// An owner's sessions are found and ended by their public session ids, or ended all at once.
    Owners,
    /// Concurrent calls have the outcome of some sequential order.
    Races,
    /// An owner's sessions can be [listed](crate::SessionStore::list).
    Lists,
    /// Records that were sealed with another key can be [found](crate::SessionStore::sealed_otherwise).
    Keys,
}

impl Promise {
    /// Every promise, the required ones first.
    pub const ALL: [Self; 7] =
        [Self::Records, Self::Expiry, Self::Renewal, Self::Owners, Self::Races, Self::Lists, Self::Keys];

    /// The name in reports and errors: one word in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Expiry => "expiry",
            Self::Renewal => "renewal",
            Self::Owners => "owners",
            Self::Races => "races",
            Self::Lists => "lists",
            Self::Keys => "keys",
        }
    }

    /// Returns `true` if a store need not make this promise.
    #[must_use]
    pub fn is_optional(self) -> bool {
        matches!(self, Self::Lists | Self::Keys)
    }

    /// The uses for which a store without this promise is not fit: a phrase that follows "not fit for".
    #[must_use]
    pub fn uses(self) -> &'static str {
        match self {
            Self::Records | Self::Expiry => "any session",
            Self::Renewal => "sign-ins: a visitor's earlier id would stay good, or the visitor be signed out",
            Self::Owners => "sign-ins: nobody's sessions could be ended from elsewhere",
            Self::Races => {
                "a server that answers two requests at once: writes would be lost, or ended sessions return"
            }
            Self::Lists => {
                "a list of one's own sessions, nor for state `cookie` with a list of revoked sessions"
            }
            Self::Keys => {
                "sealing records anew after a change of keys: an old key has to stay until its last session expires"
            }
        }
    }
}

/// Shows the name.
impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
