use crate::{KeyId, Keyring, MAX_BINARY_BYTES, MAX_BOUND_BYTES, MAX_LABEL_BYTES, MAX_TEXT_BYTES};

/// Why a key could not be had, or a value not sealed.
///
/// What opening refuses is a [`Rejected`](crate::Rejected) instead. No message holds any part of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system had no randomness to give.
    #[error("no randomness from the operating system")]
    Random(#[source] getrandom::Error),

    /// Text that should be a generated key does not begin as one.
    #[error("secret key text does not begin with `waxseal1_`; make one with `waxseal gen-secret`")]
    KeyPrefix,

    /// Text holds or resembles a generated key and is none.
    #[error(
        "secret key text holds or resembles a generated key, and is none; set the key alone, \
         without quotes, spaces, a line end or a second key, or make a new one with `waxseal gen-secret`"
    )]
    KeyAmidText,

    /// Text that begins as a generated key has another length, in bytes.
    #[error(
        "secret key text has {0} bytes where a generated one has 57; \
         copy it whole, or make a new one with `waxseal gen-secret`"
    )]
    KeyLength(usize),

    /// Text that begins as a generated key has a character no generated key has.
    #[error(
        "secret key text has a character that is not base64url; \
         copy it whole, or make a new one with `waxseal gen-secret`"
    )]
    KeyAlphabet,

    /// Text that begins as a generated key has a checksum that disagrees.
    #[error(
        "secret key text does not match its own checksum, so a character is wrong; \
         copy it again, or make a new one with `waxseal gen-secret`"
    )]
    KeyChecksum,

    /// There is nothing in the passphrase.
    #[error("passphrase is empty; make a secret key with `waxseal gen-secret`")]
    PassphraseEmpty,

    /// Text that is, holds or resembles a generated key was given as a passphrase.
    #[error("passphrase holds or resembles a generated key (`waxseal1_…`); parse it as one")]
    PassphrasePrefix,

    /// Argon2id could not run, most likely for want of 64 MiB.
    #[error("passphrase could not be worked into a key")]
    Passphrase(#[source] argon2::Error),

    /// The ring already holds this very key.
    #[error("key {0} is in the key ring already; list each key once")]
    DuplicateKey(KeyId),

    /// The ring is full.
    #[error("key ring holds {} keys, which is the most; retire the oldest", Keyring::MAX_KEYS)]
    TooManyKeys,

    /// A purpose, name, audience or app name is too long.
    #[error("{what} of {found} bytes; the most is {MAX_LABEL_BYTES}")]
    LabelTooLong {
        /// Which of them.
        what: &'static str,
        /// Its bytes.
        found: usize,
    },

    /// The `bound` value is too long; its bytes.
    #[error("bound value of {0} bytes; the most is {MAX_BOUND_BYTES}")]
    BoundTooLong(usize),

    /// The text form would not fit.
    #[error(
        "name and text would be {bytes} bytes together, {over} over the {MAX_TEXT_BYTES} allowed: \
         the payload has {payload} bytes and may have {max_payload}",
        over = bytes - MAX_TEXT_BYTES
    )]
    TextTooLong {
        /// Name and text together, in bytes.
        bytes: usize,
        /// The payload given, in bytes.
        payload: usize,
        /// The largest payload that fits beside this name.
        max_payload: usize,
    },

    /// The binary form would not fit; its bytes.
    #[error(
        "sealed value would be {bytes} bytes, {over} over the {MAX_BINARY_BYTES} allowed",
        bytes = .0,
        over = .0 - MAX_BINARY_BYTES
    )]
    BinaryTooLong(usize),

    /// The sealed time lies further after the created time than the format can say; the seconds between.
    #[error("value was created {0} seconds before it is sealed; the most is {max}", max = u32::MAX)]
    TooOld(u64),

    /// A signed token's time is beyond what the format can say; in seconds since 1970.
    #[error("a token cannot be signed at second {0}; the last is {max}, in the year 2106", max = u32::MAX)]
    TooLate(u64),
}
