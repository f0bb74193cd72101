use std::error::Error as StdError;

use crate::format_limits::{MAX_BINARY_BYTES, MAX_BOUND_BYTES, MAX_KEYS, MAX_LABEL_BYTES, MAX_TEXT_BYTES};
use crate::key_id::KeyId;

/// A failure to make a key or a context, or to seal.
///
/// A value that does not open is a [`Rejected`](crate::Rejected) instead. No message holds any part of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Random(#[source] Source),

    /// Text given as a generated key does not begin with `waxseal1_`.
    #[error("secret key text does not begin with `waxseal1_`, as a generated key does; generate one")]
    KeyPrefix,

    /// Text contains a generated key, or most of one, among other characters.
    #[error(
        "secret key text contains a generated key, or most of one, among other characters; set the key alone, \
         without quotes, spaces, a line end or a second key, or generate a new one"
    )]
    KeyAmidText,

    /// Text with the prefix of a generated key has another length, in bytes.
    #[error(
        "secret key text has {0} bytes where a generated one has 57; \
         copy it whole, or generate a new one"
    )]
    KeyLength(usize),

    /// Text with the prefix of a generated key has a character outside base64url.
    #[error(
        "secret key text has a character that is not base64url; \
         copy it whole, or generate a new one"
    )]
    KeyAlphabet,

    /// Text with the prefix of a generated key has a wrong checksum.
    #[error(
        "secret key text does not match its own checksum, so a character is wrong; \
         copy it again, or generate a new one"
    )]
    KeyChecksum,

    /// The passphrase is empty.
    #[error("passphrase is empty; generate a secret key")]
    PassphraseEmpty,

    /// Text that contains a generated key, or most of one, was given as a passphrase.
    #[error("passphrase contains a generated key (`waxseal1_…`), or most of one; parse it as a key")]
    PassphrasePrefix,

    /// Argon2id failed, most likely because 64 MiB of memory could not be allocated.
    #[error("Argon2id derived no key from the passphrase; it needs 64 MiB of memory")]
    Passphrase(#[source] Source),

    /// The ring already holds the same key.
    #[error("key {0} is in the key ring already; list each key once")]
    DuplicateKey(KeyId),

    /// The ring is full.
    #[error("key ring holds {MAX_KEYS} keys, which is the most; retire the oldest")]
    TooManyKeys,

    /// A purpose, name, audience or app name is too long.
    #[error("{what} of {found} bytes; the most is {MAX_LABEL_BYTES}")]
    LabelTooLong {
        /// The label: `purpose`, `name`, `audience` or `app name`.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
    },

    /// The `bound` value is too long; its length in bytes.
    #[error("bound value of {0} bytes; the most is {MAX_BOUND_BYTES}")]
    BoundTooLong(usize),

    /// The text form would be too long.
    #[error(
        "name and text would be {bytes} bytes together, {over} over the {MAX_TEXT_BYTES} allowed: \
         the payload has {payload} bytes and may have {max_payload}",
        over = bytes - MAX_TEXT_BYTES
    )]
    TextTooLong {
        /// The length of name and text together, in bytes.
        bytes: usize,
        /// The length of the payload, in bytes.
        payload: usize,
        /// The largest payload that fits beside this name, in bytes.
        max_payload: usize,
    },

    /// The binary form would be too long; its length in bytes.
    #[error(
        "sealed value would be {bytes} bytes, {over} over the {MAX_BINARY_BYTES} allowed",
        bytes = .0,
        over = .0 - MAX_BINARY_BYTES
    )]
    BinaryTooLong(usize),

    /// The sealed time is more than `u32::MAX` seconds after the created time; the seconds between.
    #[error("value was created {0} seconds before it is sealed; the most is {max}", max = u32::MAX)]
    TooOld(u64),

    /// A signed token's time exceeds `u32::MAX`; in seconds since 1970.
    #[error("a token cannot be signed at second {0}; the last is {max}, in the year 2106", max = u32::MAX)]
    TooLate(u64),
}

/// The cause of an [`Error`], boxed so that no type of another library is part of this crate's interface.
type Source = Box<dyn StdError + Send + Sync>;

impl Error {
    /// Returns `true` if the text given as a key is unusable and a newly generated key would help. An app can then say how
    /// to generate one.
    #[must_use]
    pub fn is_about_key_text(&self) -> bool {
        matches!(
            self,
            Self::KeyPrefix
                | Self::KeyAmidText
                | Self::KeyLength(_)
                | Self::KeyAlphabet
                | Self::KeyChecksum
                | Self::PassphraseEmpty
        )
    }

    pub(crate) fn random(source: getrandom::Error) -> Self {
        Self::Random(source.into())
    }

    pub(crate) fn passphrase(source: argon2::Error) -> Self {
        Self::Passphrase(source.into())
    }
}
