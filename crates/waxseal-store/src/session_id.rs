//! The secret that a token carries, and the two public things made of it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::{Error, Revision};

/// The id of a session on the server: 32 random bytes, a *family* of 8 and a secret of 24.
///
/// Whoever knows it is the visitor, so it exists only inside sealed tokens: a store is given its
/// [`key`](Self::key), a hash. Ids are drawn here and never adopted from a client. Wiped on drop; never printed.
///
/// ```
/// use waxseal_store::SessionId;
///
/// let id = SessionId::generate()?;
/// let after_sign_in = id.renewed()?;
/// assert_eq!(id.public_id(), after_sign_in.public_id());
/// assert_ne!(id.key(), after_sign_in.key());
/// # Ok::<(), waxseal_store::Error>(())
/// ```
#[derive(Clone)]
pub struct SessionId([u8; Self::BYTES]);

impl SessionId {
    /// How long an id is.
    pub const BYTES: usize = 32;

    /// The id of a new session.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if the system has no randomness.
    pub fn generate() -> Result<Self, Error> {
        let mut id = Self([0; Self::BYTES]);
        getrandom::fill(&mut id.0).map_err(Error::Random)?;
        Ok(id)
    }

    /// A new id of the same family: the handle stays, the secret does not.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if the system has no randomness.
    pub fn renewed(&self) -> Result<Self, Error> {
        let mut id = self.clone();
        getrandom::fill(&mut id.0[PublicId::BYTES..]).map_err(Error::Random)?;
        Ok(id)
    }

    /// An id that was found in an opened token.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to seal into a token, and for nothing else.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The session's public name.
    #[must_use]
    pub fn public_id(&self) -> PublicId {
        PublicId(*self.0.first_chunk().expect("an id is longer than its family"))
    }

    /// Whether this is the same id. For ids that came out of seals: it takes as long as they agree.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// What its record is kept under.
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

/// The public name of a session in lists: the family of its id, 8 bytes, as text 16 hex digits.
///
/// [`SessionId::renewed`] keeps it. It signs nobody in, and ends a session only together with its owner's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId([u8; Self::BYTES]);

impl PublicId {
    /// How long a handle is.
    pub const BYTES: usize = 8;

    /// A handle as a store kept it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The 8 bytes.
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

/// The text was not 16 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session's handle is 16 hex digits")]
pub struct InvalidPublicId;

/// One text form per handle: 16 lower-case hex digits.
impl FromStr for PublicId {
    type Err = InvalidPublicId;

    fn from_str(text: &str) -> Result<Self, InvalidPublicId> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 2 * Self::BYTES || !text.bytes().all(digit) {
            return Err(InvalidPublicId);
        }
        u64::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| InvalidPublicId)
    }
}

/// What a store keeps a record under: the handle, and SHA-256 of the session's id.
///
/// The hash alone names the record. The handle stands beside it so that a store may keep all rows of a session
/// in one place, such as one slot of a cluster (`{public id}:hash`), and find them by it. Nothing here is secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    public_id: PublicId,
    hash: [u8; Self::HASH_BYTES],
}

impl RecordKey {
    /// How long the hash is.
    pub const HASH_BYTES: usize = 32;
    /// How long [`bound`](Self::bound) is.
    pub const BOUND_BYTES: usize = Self::HASH_BYTES + Revision::BYTES;

    /// A key as a store kept it.
    #[must_use]
    pub const fn new(public_id: PublicId, hash: [u8; Self::HASH_BYTES]) -> Self {
        Self { public_id, hash }
    }

    /// The public name of the session.
    #[must_use]
    pub const fn public_id(&self) -> PublicId {
        self.public_id
    }

    /// SHA-256 of the session's id.
    #[must_use]
    pub const fn hash(&self) -> &[u8; Self::HASH_BYTES] {
        &self.hash
    }

    /// What a record's sealed bytes are bound to: this hash and its revision, so that two rows swapped, or an
    /// older state put back under a newer revision, do not open (`docs/format.md`, "What is sealed").
    #[must_use]
    pub fn bound(&self, revision: &Revision) -> [u8; Self::BOUND_BYTES] {
        let mut bound = [0; Self::BOUND_BYTES];
        let (hash, rest) = bound.split_at_mut(Self::HASH_BYTES);
        hash.copy_from_slice(&self.hash);
        rest.copy_from_slice(revision.as_bytes());
        bound
    }
}

/// The handle and the beginning of the hash.
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
        assert_eq!(public_id.to_string().parse(), Ok(public_id));
        for (case, text) in [
            ("nothing", ""),
            ("short", "000102030405060"),
            ("long", "00010203040506070"),
            ("a sign", "+001020304050607"),
            ("capitals", "000102030405060A"),
            ("no digit", "000102030405060g"),
        ] {
            assert_eq!(text.parse::<PublicId>(), Err(InvalidPublicId), "{case}");
        }
    }

    #[test]
    fn debug_output_has_no_secret() {
        let id = counting();
        assert_eq!(format!("{id:?}"), "SessionId(0001020304050607..)");
        assert_eq!(format!("{:?}", id.key()), "0001020304050607:630dcd29..");
    }
}
