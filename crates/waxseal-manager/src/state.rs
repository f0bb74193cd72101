//! The states of sessions, each with its options.

use std::sync::Arc;
use std::time::Duration;

use waxseal_store::SessionStore;

use crate::access::WhenAway;
use crate::any_store::{AnyStore, MeteredStore};
use crate::capacities::Capacities;
use crate::records::freshness::Freshness;

/// The state of sessions: where their data is kept.
///
/// | state | in the token | in the store |
/// |---|---|---|
/// | [`Cookie`](Self::Cookie) | the whole session | nothing |
/// | [`Revocable`] | the whole session | a list of ended sessions |
/// | [`Stored`] | an id | the session |
/// | [`Mirrored`] | the whole session, and its revision | the session: the truth |
#[non_exhaustive]
pub enum State {
    /// The token is the whole session. Nothing is kept on the server.
    Cookie,
    /// Like `Cookie`, with a list of revoked sessions.
    Revocable(Revocable),
    /// The token is a signed id, and every request asks the store.
    Stored(Stored),
    /// The token is a copy of what the store has.
    Mirrored(Mirrored),
}

/// State `cookie` with a list of revoked sessions in a store.
///
/// After a sign-in, each session carries a random epoch of its owner. The epoch changes when all sessions of the owner
/// are ended. `destroy()`, `renew()`, [`end_all`](crate::SessionManager::end_all) and
/// [`end_others`](crate::SessionManager::end_others) then apply to copies, too: at once for requests that act, and
/// within 5 seconds for requests that read. A save or a renewal of a revoked session fails.
///
/// This costs one or two small reads of the store for each request that acts, for each token that notes activity, and
/// for each visitor in each process every 5 seconds. An epoch takes 32 of the bytes that are reserved for metadata. If
/// you need a list of an owner's sessions, or must end a session by its public session id, choose another state.
pub struct Revocable {
    pub(crate) store: Arc<dyn AnyStore>,
    pub(crate) capacities: Capacities,
}

/// State `store`: the token is a signed id, and every request asks the store.
pub struct Stored {
    pub(crate) store: Arc<dyn AnyStore>,
    pub(crate) options: Options,
    pub(crate) when_away: WhenAway,
}

/// State `mirrored`: the token is the whole session, but what the store has is the truth.
///
/// The token is an HTTP cache of one record. It is shown while it is fresh (RFC 9111), and may be read for some minutes
/// while the store is unavailable (RFC 5861, `stale-if-error`). A request that acts asks the store first.
pub struct Mirrored {
    pub(crate) store: Arc<dyn AnyStore>,
    pub(crate) options: Options,
    pub(crate) freshness: Freshness,
}

/// Options of states `store` and `mirrored`.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) strict: bool,
    pub(crate) capacities: Capacities,
}

impl Revocable {
    /// Keeps the list in `store`.
    #[must_use]
    pub fn new(store: impl SessionStore) -> Self {
        Self { store: Arc::new(MeteredStore::new(store)), capacities: Capacities::default() }
    }

    /// Sets the number of sessions in the near cache, which keeps the list's last answers. 65,536 by default. A session
    /// that was forgotten costs one more question.
    #[must_use]
    pub fn near_cache(mut self, entries: usize) -> Self {
        self.capacities.near_cache = entries;
        self
    }

    /// Sets the length of the retry queue, for sessions that are ended while the store is unavailable. 1,000,000 by
    /// default, which takes about 60 MB. No end is forgotten, so a sign-out fails when the queue is full.
    #[must_use]
    pub fn retry_queue(mut self, ends: usize) -> Self {
        self.capacities.retry_queue = ends;
        self
    }
}

macro_rules! options_on_the_server {
    () => {
        /// If `true`, an `insert` that would replace what another request wrote meanwhile is a conflict. Otherwise the
        /// last one wins.
        #[must_use]
        pub fn strict(mut self, strict: bool) -> Self {
            self.options.strict = strict;
            self
        }

        /// Sets the length of the retry queue, for sessions that are ended while the store is unavailable. 1,000,000 by
        /// default, which takes about 60 MB. No end is forgotten, so a sign-out fails when the queue is full.
        #[must_use]
        pub fn retry_queue(mut self, ends: usize) -> Self {
            self.options.capacities.retry_queue = ends;
            self
        }
    };
}

impl Stored {
    /// Keeps sessions in `store`.
    #[must_use]
    pub fn new(store: impl SessionStore) -> Self {
        Self {
            store: Arc::new(MeteredStore::new(store)),
            options: Options::default(),
            when_away: WhenAway::default(),
        }
    }

    /// Sets what visitors get during an outage of the store.
    #[must_use]
    pub fn when_away(mut self, policy: WhenAway) -> Self {
        self.when_away = policy;
        self
    }

    options_on_the_server!();
}

impl Mirrored {
    /// Keeps sessions in `store`.
    #[must_use]
    pub fn new(store: impl SessionStore) -> Self {
        Self {
            store: Arc::new(MeteredStore::new(store)),
            options: Options::default(),
            freshness: Freshness::default(),
        }
    }

    /// Sets the freshness lifetime: how long after a revalidation a copy is shown without asking the store. 5 seconds
    /// by default. With zero, every request asks.
    #[must_use]
    pub fn freshness(mut self, lifetime: Duration) -> Self {
        self.freshness.lifetime = lifetime;
        self
    }

    /// Sets the stale-if-error grace: how long after a revalidation a copy can be read while the store is unavailable.
    /// 5 minutes by default, at most 15 minutes, and never longer than the idle time. With zero, requests fail at once.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        const MAX_GRACE: Duration = Duration::from_secs(15 * 60);
        self.freshness.grace = grace.min(MAX_GRACE);
        self
    }

    /// Sets the number of sessions in the near cache, which keeps the store's last answers. 65,536 by default. A
    /// session that was forgotten costs one more question.
    #[must_use]
    pub fn near_cache(mut self, entries: usize) -> Self {
        self.options.capacities.near_cache = entries;
        self
    }

    options_on_the_server!();
}

impl From<Revocable> for State {
    fn from(state: Revocable) -> Self {
        Self::Revocable(state)
    }
}

impl From<Stored> for State {
    fn from(state: Stored) -> Self {
        Self::Stored(state)
    }
}

impl From<Mirrored> for State {
    fn from(state: Mirrored) -> Self {
        Self::Mirrored(state)
    }
}
