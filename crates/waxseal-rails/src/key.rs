use std::fmt;

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::Error;

/// The number of iterations of Rails' own key generator. Few are enough, because `secret_key_base` is random.
const ITERATIONS: u32 = 1_000;
/// The default of `config.action_dispatch.authenticated_encrypted_cookie_salt`.
const SALT: &str = "authenticated encrypted cookie";

/// The key of a Rails app's encrypted cookies, derived from its `secret_key_base`. It is wiped from memory on drop and
/// never printed.
#[derive(Clone)]
pub struct RailsKey(Zeroizing<[u8; 32]>);

/// The digest of a Rails app's key generator: `config.active_support.key_generator_hash_digest_class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RailsDigest {
    /// The default without the setting: up to Rails 6.1, and with `load_defaults` of those versions.
    Sha1,
    /// The default with `load_defaults` of 7.0 and later.
    Sha256,
}

impl RailsKey {
    /// The key of an app with this `secret_key_base` and Rails' defaults otherwise.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`].
    pub fn new(secret_key_base: &str, digest: RailsDigest) -> Result<Self, Error> {
        Self::derive(secret_key_base, digest, SALT, ITERATIONS)
    }

    /// The key of an app with another `authenticated_encrypted_cookie_salt`, or with its own key generator.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`].
    pub fn derive(
        secret_key_base: &str,
        digest: RailsDigest,
        salt: &str,
        iterations: u32,
    ) -> Result<Self, Error> {
        if secret_key_base.is_empty() {
            return Err(Error::KeyEmpty);
        }
        let mut key = Zeroizing::new([0; 32]);
        let (base, salt) = (secret_key_base.as_bytes(), salt.as_bytes());
        match digest {
            RailsDigest::Sha1 => pbkdf2_hmac::<Sha1>(base, salt, iterations, &mut *key),
            RailsDigest::Sha256 => pbkdf2_hmac::<Sha256>(base, salt, iterations, &mut *key),
        }
        Ok(Self(key))
    }

    /// The decrypted text, if this key has encrypted it. `sealed` ends with the tag.
    pub(crate) fn open(&self, nonce: &[u8; 12], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let cipher = <Aes256Gcm as KeyInit>::new((&*self.0).into());
        cipher.decrypt(&Nonce::from(*nonce), sealed).ok().map(Zeroizing::new)
    }
}

impl fmt::Debug for RailsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RailsKey(..)")
    }
}
