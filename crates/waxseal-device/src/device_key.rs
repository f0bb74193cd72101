use crate::binding::Binding;
use crate::error::Error;
use crate::offer::Offer;
use crate::public_key::PublicKey;
use crate::tokens::{self, Purpose, Tokens};

/// One browser's key for one session. The `session_identifier` carries it, so that no server has to store the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceKey {
    /// The offer that the key was registered for.
    pub offer: Offer,
    /// The key.
    pub public_key: PublicKey,
}

impl DeviceKey {
    pub(crate) fn new(offer: Offer, public_key: PublicKey) -> Self {
        Self { offer, public_key }
    }

    /// The binding of a session to this key.
    #[must_use]
    pub fn binding(&self) -> Binding {
        Binding::new(self.offer, self.public_key.fingerprint())
    }

    /// The `session_identifier`.
    pub(crate) fn sign(&self, tokens: &dyn Tokens, now: u64) -> Result<String, Error> {
        let content = [&self.offer.as_bytes()[..], self.public_key.as_bytes()].concat();
        tokens::sign(tokens, Purpose::Key, &content, now)
    }

    /// The key in a `session_identifier`, if that is less than `lifetime` seconds old.
    pub(crate) fn open(tokens: &dyn Tokens, identifier: &str, lifetime: u32, now: u64) -> Option<Self> {
        let opened = tokens::open(tokens, Purpose::Key, identifier)?;
        let key = || Self::new(opened.offer(), opened.public_key());
        opened.is_alive(now, lifetime.into()).then(key)
    }
}
