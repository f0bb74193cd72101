//! The secret session id, and the public session id and record key derived from it.

use std::{fmt, io};

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::revision::Revision;

/// The id of a session on the server: 32 random bytes, of which 8 are the public session id and 24 a secret.
///
/// Whoever has an id can act as the visitor, so it is put only into sealed or signed tokens. A store gets its
/// [`key`](Self::key), a hash. Ids are drawn here and never accepted from a client. An id is wiped on drop and never
/// printed.
///
/// ```
/// use waxseal_store::SessionId;
///
/// let id = SessionId::generate()?;
/// let after_sign_in = id.renewed()?;
/// assert_eq!(id.public_id(), after_sign_in.public_id());
/// assert_ne!(id.key(), after_sign_in.key());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SessionId([u8; Self::BYTES]);

impl SessionId {
    /// Length of an id in bytes.
    pub const BYTES: usize = 32;

    /// Draws the id of a new session.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn generate() -> io::Result<Self> {
        let mut id = Self([0; Self::BYTES]);
        getrandom::fill(&mut id.0)?;
        Ok(id)
    }

    /// Draws a new id for the same session, with the same public session id and a new secret part.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn renewed(&self) -> io::Result<Self> {
        let mut id = self.clone();
        getrandom::fill(&mut id.0[PublicId::BYTES..])?;
        Ok(id)
    }

    /// Restores an id from an opened token.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, only to be put into a token.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The session's public id.
    #[must_use]
    pub fn public_id(&self) -> PublicId {
        PublicId(*self.0.first_chunk().expect("an id is longer than its public id"))
    }

    /// Returns `true` if both ids are the same. Only for ids from opened tokens: the comparison is not constant-time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The key that the session's record is kept under.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        RecordKey { public_id: self.public_id(), hash: Sha256::digest(self.0).into() }
    }
}

impl Drop for SessionId {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}..)", self.public_id())
    }
}

/// The public session id: the first 8 bytes of a session id, as text 16 hex digits.
///
/// [`SessionId::renewed`] keeps it. It names a session in lists, and nobody can sign in with it. To end a session by
/// it, a caller also needs the owner's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId([u8; Self::BYTES]);

impl PublicId {
    /// Length of a public session id in bytes.
    pub const BYTES: usize = 8;

    /// Restores a public session id from its saved bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Parses 16 lower-case hexadecimal digits. `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 2 * Self::BYTES || !text.bytes().all(digits) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }

    /// The public id as bytes, in the order of its hexadecimal text.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The key of a record: the public session id, and SHA-256 of the session id.
///
/// The hash alone identifies the record. With the public session id a store can keep all rows of a session together,
/// for example in one slot of a cluster (`{public id}:hash`), and find them by it. Neither part is secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    public_id: PublicId,
    hash: [u8; Self::HASH_BYTES],
}

impl RecordKey {
    /// Length of the hash in bytes.
    pub const HASH_BYTES: usize = 32;
    /// Length of [`bound`](Self::bound) in bytes.
    pub const BOUND_BYTES: usize = Self::HASH_BYTES + Revision::BYTES;

    /// Restores a key from its saved parts.
    #[must_use]
    pub const fn new(public_id: PublicId, hash: [u8; Self::HASH_BYTES]) -> Self {
        Self { public_id, hash }
    }

    /// The session's public id.
    #[must_use]
    pub const fn public_id(&self) -> PublicId {
        self.public_id
    }

    /// SHA-256 of the session id.
    #[must_use]
    pub const fn hash(&self) -> &[u8; Self::HASH_BYTES] {
        &self.hash
    }

    /// The bytes that a record's sealed bytes are bound to: the hash and the revision. So if two rows are swapped, or
    /// an older version is put under a newer revision, the record does not open.
    #[must_use]
    pub fn bound(&self, revision: &Revision) -> [u8; Self::BOUND_BYTES] {
        let mut bound = [0; Self::BOUND_BYTES];
        let (hash, rest) = bound.split_at_mut(Self::HASH_BYTES);
        hash.copy_from_slice(&self.hash);
        rest.copy_from_slice(revision.as_bytes());
        bound
    }
}

/// Shows the public session id and the beginning of the hash.
impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.hash;
        write!(f, "{}:{a:02x}{b:02x}{c:02x}{d:02x}..", self.public_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> SessionId {
        SessionId::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap()))
    }

    #[test]
    fn the_key_is_the_ids_sha_256() {
        let key = counting().key();
        let hex: String = key.hash().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd");
        assert_eq!(key.public_id().to_string(), "0001020304050607");
        let bound = key.bound(&Revision::from_bytes([9; 16]));
        assert_eq!((&bound[..32], &bound[32..]), (&key.hash()[..], &[9; 16][..]));
    }

    #[test]
    fn renewing_keeps_the_family_and_draws_the_rest() {
        let id = SessionId::generate().unwrap();
        let renewed = id.renewed().unwrap();
        assert_eq!(id.as_bytes()[..8], renewed.as_bytes()[..8]);
        assert_ne!(id.as_bytes()[8..], renewed.as_bytes()[8..]);
        assert_ne!(SessionId::generate().unwrap().public_id(), id.public_id());
    }

    #[test]
    fn handles_have_one_text_form() {
        let public_id = counting().public_id();
        assert_eq!(PublicId::parse(&public_id.to_string()), Some(public_id));
        for (case, text) in [
            ("nothing", ""),
            ("short", "000102030405060"),
            ("long", "00010203040506070"),
            ("a sign", "+001020304050607"),
            ("capitals", "000102030405060A"),
            ("no digit", "000102030405060g"),
        ] {
            assert_eq!(PublicId::parse(text), None, "{case}");
        }
    }

    #[test]
    fn debug_output_has_no_secret() {
        let id = counting();
        assert_eq!(format!("{id:?}"), "SessionId(0001020304050607..)");
        assert_eq!(format!("{:?}", id.key()), "0001020304050607:630dcd29..");
    }
}
