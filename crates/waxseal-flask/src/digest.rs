use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

/// A hash function with which a Flask app may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Digest {
    /// Flask's default. SHA-1 is weak against collisions, but HMAC does not depend on those.
    #[default]
    Sha1,
    /// `hashlib.sha256`.
    Sha256,
    /// `hashlib.sha512`.
    Sha512,
}

impl Digest {
    pub(crate) fn hash(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Sha1 => hash::<Sha1>(parts),
            Self::Sha256 => hash::<Sha256>(parts),
            Self::Sha512 => hash::<Sha512>(parts),
        }
    }

    pub(crate) fn mac(self, key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
        let bytes = match self {
            Self::Sha1 => keyed::<Hmac<Sha1>>(key, message).finalize().into_bytes().to_vec(),
            Self::Sha256 => keyed::<Hmac<Sha256>>(key, message).finalize().into_bytes().to_vec(),
            Self::Sha512 => keyed::<Hmac<Sha512>>(key, message).finalize().into_bytes().to_vec(),
        };
        Zeroizing::new(bytes)
    }

    /// Compares in constant time.
    pub(crate) fn verifies(self, key: &[u8], message: &[u8], mac: &[u8]) -> bool {
        let verified = match self {
            Self::Sha1 => keyed::<Hmac<Sha1>>(key, message).verify_slice(mac),
            Self::Sha256 => keyed::<Hmac<Sha256>>(key, message).verify_slice(mac),
            Self::Sha512 => keyed::<Hmac<Sha512>>(key, message).verify_slice(mac),
        };
        verified.is_ok()
    }
}

fn hash<D: sha2::Digest>(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let hash = parts.iter().fold(D::new(), |hash, part| hash.chain_update(part));
    Zeroizing::new(hash.finalize().to_vec())
}

fn keyed<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length").chain_update(message)
}
