/// Why a key cannot be used, or why a cookie was refused.
///
/// It is only for the log. Neither `Debug` nor `Display` contains anything of a cookie's content or of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The secret key is empty. Django itself does not start without one.
    #[error("Django's secret key is empty; pass the value of SECRET_KEY")]
    KeyEmpty,

    /// The text is not payload, timestamp and signature in strict base64url, without padding and stray bits.
    #[error("not in the form of a signed cookie of Django")]
    Form,

    /// No key has made this signature with SHA-256.
    #[error("signed by none of the keys")]
    Signature,

    /// The signature is good, but the signed timestamp is malformed.
    #[error("signed timestamp is not a number in its shortest form")]
    Timestamp,

    /// The cookie was signed longer ago than the largest allowed age; its age in seconds.
    #[error("expired: signed {age} seconds ago")]
    Expired {
        /// The seconds since the cookie was signed.
        age: u64,
    },

    /// The cookie was signed by a clock that is more than a minute ahead; by how many seconds it is ahead.
    #[error("signed {ahead} seconds in the future; compare the clocks of both servers")]
    Future {
        /// The seconds from now to the time of signing.
        ahead: u64,
    },

    /// The signature is good, but the content cannot be read.
    #[error("signature is good, content cannot be read")]
    Undecodable(#[from] Undecodable),
}

/// Why content with a good signature cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// The payload is not strict base64url.
    #[error("payload is not strict base64url")]
    Base64,

    /// The compressed payload is damaged.
    #[error("payload is no zlib stream")]
    Zlib,

    /// The compressed payload inflates to more than 256 KiB.
    #[error("payload inflates to more than the limit")]
    TooLarge,

    /// The payload is not UTF-8, for example because `PickleSerializer` wrote it.
    #[error("payload is not UTF-8; only sessions of JSONSerializer are read")]
    Utf8,
}
