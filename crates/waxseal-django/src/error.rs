/// Why a key cannot be used, or a cookie was refused.
///
/// All of it is for the log: nothing of a cookie's content or of a key is in `Debug` or `Display`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The secret key is empty. Django itself does not start without one.
    #[error("Django's secret key is empty; pass the value of SECRET_KEY")]
    KeyEmpty,

    /// The text is not payload, timestamp and signature in strict base64url, with no padding and no stray bits.
    #[error("not in the form of a signed cookie of Django")]
    Form,

    /// No key made this signature with SHA-256.
    #[error("signed by none of the keys")]
    Signature,

    /// The signature is good and the signed timestamp is not one.
    #[error("signed timestamp is not a number in its shortest form")]
    Timestamp,

    /// Signed longer ago than the largest age; the age in seconds.
    #[error("expired: signed {age} seconds ago")]
    Expired {
        /// The seconds since the cookie was signed.
        age: u64,
    },

    /// Signed by a clock that is more than a minute ahead; its lead in seconds.
    #[error("signed {ahead} seconds in the future; compare the clocks of both servers")]
    Future {
        /// The seconds from now to the time of the signature.
        ahead: u64,
    },

    /// The signature is good and the content cannot be read.
    #[error("signature is good, content cannot be read")]
    Undecodable(#[from] Undecodable),
}

/// Why content that a good signature covers cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// The payload is not strict base64url.
    #[error("payload is not strict base64url")]
    Base64,

    /// The compressed payload is damaged.
    #[error("payload is no zlib stream")]
    Zlib,

    /// The compressed payload becomes larger than 256 KiB.
    #[error("payload inflates to more than the limit")]
    TooLarge,

    /// The payload is not UTF-8, as one of `PickleSerializer`.
    #[error("payload is not UTF-8; only sessions of JSONSerializer are read")]
    Utf8,
}
