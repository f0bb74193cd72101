//! The places where sessions may be kept.

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::SessionCookie;
use waxseal_manager::{Mirrored, Revocable, SessionManager, State, Stored};
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

pub(crate) const ALL: [Place; 4] = [Place::Cookie, Place::Listed, Place::Store, Place::Mirrored];

impl Place {
    /// The manager of sessions in this place, all of one key, for the app `demo`.
    pub(crate) fn sessions(self, cookie: &SessionCookie, store: &FaultyStore<MemoryStore>) -> SessionManager {
        let state: State = match self {
            Self::Cookie => State::Cookie,
            Self::Listed => Revocable::new(store.clone()).into(),
            Self::Store => Stored::new(store.clone()).into(),
            Self::Mirrored => Mirrored::new(store.clone()).into(),
        };
        let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
        SessionManager::new(&keyring, cookie.name(), "demo", state).unwrap()
    }
}
