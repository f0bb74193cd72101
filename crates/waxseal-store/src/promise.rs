//! Promises of a store, some of which it need not make.

use std::fmt;

/// A promise of a store: a part of what [`SessionStore`](crate::SessionStore) asks for.
///
/// A store may do without [`Lists`](Self::Lists) and [`Keys`](Self::Keys), and then
/// [says so](crate::SessionStore::makes). Every other promise is needed by every use. The
/// [conformance suite](crate::testing) reports on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Promise {
    /// A record comes back as it was kept, from every process; it is replaced by compare-and-swap and ends when it is
    /// deleted.
    Records,
    /// A record is absent from the millisecond on at which it expires, and what has expired is freed.
    Expiry,
    /// A session gets another id in one step, and its old id is known for a while.
    Renewal,
    /// An owner's sessions are found and ended by their public session ids, or ended all at once.
    Owners,
    /// Calls that come at the same time have the outcome of some order.
    Races,
    /// An owner's sessions are [listed](crate::SessionStore::list).
    Lists,
    /// Records that another key has sealed are [found](crate::SessionStore::sealed_otherwise).
    Keys,
}

impl Promise {
    /// Every promise, the needed ones first.
    pub const ALL: [Self; 7] =
        [Self::Records, Self::Expiry, Self::Renewal, Self::Owners, Self::Races, Self::Lists, Self::Keys];

    /// The name, as reports and errors have it: one word in lower case.
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

    /// Returns `true` if a store may do without.
    #[must_use]
    pub fn is_optional(self) -> bool {
        matches!(self, Self::Lists | Self::Keys)
    }

    /// The uses that a store without this promise is not fit for: a phrase that follows "not fit for".
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
