//! Names of keys.

use std::{array, fmt};

use sha2::{Digest, Sha256};

use crate::error::RedisError;
use waxseal_store::PublicId;

/// The names of all keys below one prefix.
///
/// | key | type | holds |
/// |---|---|---|
/// | `{public id}` | string | a session's row |
/// | `{public id}:t` | hash | the tombstones under its old ids |
/// | `o:{owner}:g` | string | an owner's generation, once raised |
/// | `o:{owner}:s` | sorted set | an owner's sessions, by the end of their absolute lifetimes |
/// | `layout` | string | which layout this is |
/// | `probe` | string | written by readiness checks |
///
/// The braces are part of the keys: a cluster keeps all keys with the same text in braces in one slot. Keys name an
/// owner by half of the SHA-256 of its name, because the name may itself contain braces.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
    owners: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Result<Self, RedisError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":._-".contains(&byte);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(allowed) {
            return Err(RedisError::Prefix);
        }
        Ok(Self { prefix: prefix.to_owned(), owners: format!("{prefix}o:") })
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn row(&self, public_id: PublicId) -> String {
        // Not with `format!`, which estimates too short a length and has to reallocate.
        [&self.prefix, "{", &public_id.to_string(), "}"].concat()
    }

    /// The key of a session's tombstones.
    pub(crate) fn tombstones(row: &str) -> String {
        [row, ":t"].concat()
    }

    /// The prefix of owners' keys, to which scripts add `{owner}:g` and `{owner}:s`.
    pub(crate) fn owners(&self) -> &str {
        &self.owners
    }

    pub(crate) fn generation(&self, owner: &OwnerTag) -> String {
        format!("{}{{{}}}:g", self.owners, owner)
    }

    pub(crate) fn index(&self, owner: &OwnerTag) -> String {
        format!("{}{{{}}}:s", self.owners, owner)
    }

    pub(crate) fn layout(&self) -> String {
        format!("{}layout", self.prefix)
    }

    pub(crate) fn probe(&self) -> String {
        format!("{}probe", self.prefix)
    }

    /// The pattern for `SCAN` that matches every session's row and nothing else.
    pub(crate) fn rows(&self) -> String {
        format!("{}{{{}}}", self.prefix, "?".repeat(2 * PublicId::BYTES))
    }

    /// The public id in the key of a row.
    pub(crate) fn public_id(&self, key: &[u8]) -> Option<PublicId> {
        let public_id = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        public_id.strip_prefix('{')?.strip_suffix('}').and_then(PublicId::parse)
    }
}

/// The name of an owner in keys: 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnerTag([u8; Self::BYTES]);

impl OwnerTag {
    pub(crate) const BYTES: usize = 32;

    pub(crate) fn of(owner: &str) -> Self {
        let digest = Sha256::digest(owner.as_bytes());
        let digit = |half: u8| char::from_digit(half.into(), 16).expect("half of a byte is one digit") as u8;
        Self(array::from_fn(|at| digit(if at % 2 == 0 { digest[at / 2] >> 4 } else { digest[at / 2] & 15 })))
    }

    /// Parses the form in a row.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let tag: [u8; Self::BYTES] = bytes.try_into().ok()?;
        tag.iter().all(u8::is_ascii_hexdigit).then_some(Self(tag))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for OwnerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).expect("hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::slot;

    #[test]
    fn what_belongs_together_lies_in_one_slot() {
        let keys = Keys::new("waxseal:").unwrap();
        let public_id = PublicId::from_bytes([0, 1, 2, 3, 4, 5, 6, 255]);
        assert_eq!(keys.row(public_id), "waxseal:{00010203040506ff}");
        assert_eq!(slot(&keys.row(public_id)), slot(&Keys::tombstones(&keys.row(public_id))));
        let owner = OwnerTag::of("{a}:b");
        assert_eq!(keys.index(&owner), "waxseal:o:{a4af966f97a650d2d0542f8d9c4151e8}:s");
        assert_eq!(slot(&keys.index(&owner)), slot(&keys.generation(&owner)));
    }

    #[test]
    fn a_rows_key_gives_its_public_id_back() {
        let keys = Keys::new("waxseal:").unwrap();
        let public_id = PublicId::from_bytes([7; 8]);
        assert_eq!(keys.public_id(keys.row(public_id).as_bytes()), Some(public_id));
        for other in [
            Keys::tombstones(&keys.row(public_id)),
            keys.layout(),
            "other:{0707070707070707}".to_owned(),
            String::new(),
        ] {
            assert_eq!(keys.public_id(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_has_no_braces_and_no_wildcards() {
        for prefix in ["", "{x}", "a*", "a b", "ä", &"x".repeat(65)] {
            assert!(Keys::new(prefix).is_err(), "{prefix}");
        }
    }
}
