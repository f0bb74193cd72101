use sha2::{Digest, Sha256};

/// Identifies one Flask cookie: the SHA-256 of its signature.
///
/// A Flask cookie has no id and would be valid again after a sign-out. An app that takes its session over stores this
/// until the cookie's lifetime ends, and refuses the cookie from then on. It reveals nothing of the signature. Each
/// cookie has exactly one, because other spellings are refused. Two browsers share it if Flask gave both the same
/// content in the same second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplayId([u8; 32]);

impl ReplayId {
    pub(crate) fn of(signature: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(b"waxseal-flask replay").chain_update(signature);
        Self(hash.finalize().into())
    }

    /// The hash of the cookie's signature, by which a store remembers a cookie that was used.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
