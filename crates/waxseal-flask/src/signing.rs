use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::key::FlaskKey;

/// How a Flask app signs. The default is Flask's.
///
/// The fields are the attributes of `SecureCookieSessionInterface` that a subclass may set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers, and itsdangerous has no more")]
pub struct Signing {
    /// `salt`, `cookie-session` by default.
    pub salt: Vec<u8>,
    /// `key_derivation`, HMAC by default.
    pub derivation: Derivation,
    /// `digest_method`, SHA-1 by default.
    pub digest: Digest,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            salt: b"cookie-session".to_vec(),
            derivation: Derivation::default(),
            digest: Digest::default(),
        }
    }
}

/// How the key of the signature is derived from the secret key and the salt, with the names of itsdangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Derivation {
    /// `hmac`: the MAC of the salt. Flask's default.
    #[default]
    Hmac,
    /// `concat`: the hash of salt and key.
    Concat,
    /// `django-concat`: the hash of salt, `signer` and key. The default of itsdangerous, but not of Flask.
    DjangoConcat,
    /// `none`: the secret key itself; the salt has no effect.
    None,
}

impl Signing {
    pub(crate) fn sign(&self, key: &FlaskKey, message: &str) -> Zeroizing<Vec<u8>> {
        self.digest.mac(&self.derived(key), message.as_bytes())
    }

    pub(crate) fn verifies(&self, key: &FlaskKey, message: &str, signature: &[u8]) -> bool {
        self.digest.verifies(&self.derived(key), message.as_bytes(), signature)
    }

    fn derived(&self, key: &FlaskKey) -> Zeroizing<Vec<u8>> {
        let (salt, key) = (self.salt.as_slice(), key.bytes());
        match self.derivation {
            Derivation::Hmac => self.digest.mac(key, salt),
            Derivation::Concat => self.digest.hash(&[salt, key]),
            Derivation::DjangoConcat => self.digest.hash(&[salt, b"signer", key]),
            Derivation::None => Zeroizing::new(key.to_vec()),
        }
    }
}
