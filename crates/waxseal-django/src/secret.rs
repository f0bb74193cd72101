use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::Error;

/// A `SECRET_KEY`. It is wiped from memory on drop.
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::KeyEmpty);
        }
        Ok(Self(Zeroizing::new(text.as_bytes().to_vec())))
    }

    /// Verifies Django's `salted_hmac` of a message, with SHA-256, in constant time.
    pub(crate) fn verifies(&self, salt: &str, message: &[u8], mac: &[u8]) -> bool {
        let key = Sha256::new().chain_update(salt).chain_update(&*self.0).finalize();
        let hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(&Zeroizing::new(<[u8; 32]>::from(key))[..]);
        let hmac = hmac.expect("HMAC takes keys of any length");
        hmac.chain_update(message).verify_slice(mac).is_ok()
    }
}
