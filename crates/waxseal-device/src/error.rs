use std::error::Error as StdError;

/// The reason that this server could not make an offer, a token, or its terms. What a browser sends never causes an
/// error; see [`Reason`](crate::Reason).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system had no randomness.
    #[error("no randomness for a device offer or token")]
    Random(#[source] Box<dyn StdError + Send + Sync>),

    /// [`Tokens::sign`](crate::Tokens::sign) failed.
    #[error("device token not signed")]
    Sign(#[source] Box<dyn StdError + Send + Sync>),

    /// [`Tokens::sign`](crate::Tokens::sign) made a text that cannot be part of a header or cookie.
    #[error("device token has characters that no cookie may have; make it of letters, digits, `-` and `_`")]
    TokenText,

    /// A cookie's name, its attributes or a path cannot be part of a header.
    #[error("{what} {found:?} cannot stand in a header; {wanted}")]
    Unfit {
        /// `cookie name`, `cookie attributes` or `path`.
        what: &'static str,
        /// The text that was given.
        found: String,
        /// What is allowed.
        wanted: &'static str,
    },
}

impl Error {
    pub(crate) fn random(source: getrandom::Error) -> Self {
        Self::Random(source.into())
    }
}
