use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::authenticator::Authenticator;
use crate::context::Context;
use crate::error::Error;
use crate::format_limits::MAX_KEYS;
use crate::key_id::KeyId;
use crate::sealer::Sealer;
use crate::secret_key::SecretKey;
use crate::signed::SignedTokens;

/// The key ring of an app. It seals with its first key and opens with all of them.
///
/// To change keys, put the new one first and keep the old one as a fallback until everything that it sealed has
/// expired. Clones share the keys.
///
/// ```
/// use waxseal_crypto::{Keyring, SecretKey};
///
/// let (today, last_month) = (SecretKey::generate()?, SecretKey::generate()?);
/// let keyring = Keyring::new(today).with_fallback(last_month)?;
/// assert_eq!(keyring.ids().count(), 2);
/// # Ok::<(), waxseal_crypto::Error>(())
/// ```
///
/// Defined in [`format`](mod@crate::format), section "Key ring".
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: Vec<Arc<SecretKey>>,
}

impl Keyring {
    /// The most keys in a ring, the first included.
    pub const MAX_KEYS: usize = MAX_KEYS;

    /// Makes a ring of one key.
    pub fn new(primary: SecretKey) -> Self {
        Self { keys: vec![Arc::new(primary)] }
    }

    /// Adds a key that opens but does not seal.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateKey`] if the ring already holds the key, [`Error::TooManyKeys`] beyond
    /// [`MAX_KEYS`](Self::MAX_KEYS).
    pub fn with_fallback(mut self, key: SecretKey) -> Result<Self, Error> {
        // Compared by the whole key, because two different keys may share an id.
        if self.keys.iter().any(|held| held.ct_eq(&key).into()) {
            return Err(Error::DuplicateKey(key.id()));
        }
        if self.keys.len() == Self::MAX_KEYS {
            return Err(Error::TooManyKeys);
        }
        self.keys.push(Arc::new(key));
        Ok(self)
    }

    /// The public ids of the keys, in ring order.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|key| key.id())
    }

    /// Makes the sealer of one context. It derives a key and a commitment from each key of the ring, so make it once and
    /// keep it.
    pub fn sealer(&self, context: &Context) -> Sealer {
        Sealer::new(self.keys.iter().map(|key| (key.id(), key.prk().context_key(context))), context)
    }

    /// Makes the signer of tokens of `N` bytes in one context. It derives a key from each key of the ring, so make it
    /// once and keep it.
    pub fn signer<const N: usize>(&self, context: &Context) -> SignedTokens<N> {
        SignedTokens::new(self.keys.iter().map(|key| (key.id(), key.prk().mac_key(context))))
    }

    /// Makes the authenticator of one context. It derives a key from each key of the ring, so make it once and keep it.
    pub fn authenticator(&self, context: &Context) -> Authenticator {
        Authenticator::new(self.keys.iter().map(|key| key.prk().mac_key(context)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u8) -> SecretKey {
        SecretKey::from_bytes([first; 32])
    }

    #[test]
    fn a_key_is_listed_once() {
        let ring = Keyring::new(key(1)).with_fallback(key(2)).unwrap();
        let error = ring.clone().with_fallback(key(2)).unwrap_err().to_string();
        assert_eq!(error, format!("key {} is in the key ring already; list each key once", key(2).id()));
        assert!(ring.with_fallback(key(1)).is_err());
    }

    #[test]
    fn a_ring_holds_sixteen_keys() {
        let full = (2..=16).try_fold(Keyring::new(key(1)), |ring, at| ring.with_fallback(key(at))).unwrap();
        assert_eq!(full.ids().count(), Keyring::MAX_KEYS);
        assert_eq!(full.ids().nth(2), Some(key(3).id()));
        assert!(matches!(full.with_fallback(key(17)), Err(Error::TooManyKeys)));
    }
}
