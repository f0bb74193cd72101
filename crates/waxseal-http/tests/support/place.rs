//! The places where sessions may be kept.

#![allow(dead_code, reason = "a test program is about some of them")]

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::SessionCookie;
use waxseal_manager::{Mirrored, Revocable, SessionManager, State, Stored, WhenAway};
use waxseal_store::MemoryStore;
use waxseal_store::testing::FaultyStore;

/// The state of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Cookie,
    /// In the cookie, with a list in the store.
    Listed,
    Store,
    Mirrored,
}

/// All of them.
pub(crate) const ALL: [Place; 4] = [Place::Cookie, Place::Listed, Place::Store, Place::Mirrored];
/// Those with a store, which remembers what has ended.
pub(crate) const WITH_STORE: [Place; 3] = [Place::Listed, Place::Store, Place::Mirrored];
/// Those whose sessions are records.
pub(crate) const ON_SERVER: [Place; 2] = [Place::Store, Place::Mirrored];

impl Place {
    /// The manager of sessions in this place, all of one key, for the app `demo`.
    pub(crate) fn sessions(self, cookie: &SessionCookie, store: &FaultyStore<MemoryStore>) -> SessionManager {
        self.sessions_when_away(cookie, store, WhenAway::Refuse)
    }

    /// The same with an option of state `store`.
    pub(crate) fn sessions_when_away(
        self,
        cookie: &SessionCookie,
        store: &FaultyStore<MemoryStore>,
        when_away: WhenAway,
    ) -> SessionManager {
        let state: State = match self {
            Self::Cookie => State::Cookie,
            Self::Listed => Revocable::new(store.clone()).into(),
            Self::Store => Stored::new(store.clone()).when_away(when_away).into(),
            Self::Mirrored => Mirrored::new(store.clone()).into(),
        };
        let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
        SessionManager::new(&keyring, cookie.name(), "demo", state).unwrap()
    }
}
