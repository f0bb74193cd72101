//! Refused tokens.

/// A token that was refused: damaged, forged, expired, or sealed by a removed key.
///
/// The text is the same for every reason. [`reason`](Self::reason) is for logs, never for a response.
#[derive(Debug, thiserror::Error)]
#[error("the session token was refused")]
pub struct Rejected(Reason);

impl Rejected {
    /// The reason, for a log line or a counter.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.0
    }
}

impl From<Reason> for Rejected {
    fn from(reason: Reason) -> Self {
        Self(reason)
    }
}

/// The reason that a token was refused, for logs. It contains no secret and nothing from the session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The seal failed: see [`waxseal_crypto::Reason`].
    #[error("{0}")]
    Seal(waxseal_crypto::Reason),
    /// The token is one of this app's, but was made in another state.
    #[error("sealed in state `{0}`, and this server keeps sessions in another state")]
    State(&'static str),
    /// The seal is good, but the content is not a session in this version of the format.
    #[error("the sealed session cannot be read: {0}")]
    Content(&'static str),
}

impl Reason {
    /// All words that [`word`](Self::word) returns, in the order of the checks.
    pub(crate) const WORDS: [&'static str; 12] = [
        "too_long",
        "alphabet",
        "length",
        "version",
        "unknown_key",
        "commitment",
        "tag",
        "padding",
        "future",
        "idle",
        "absolute",
        "content",
    ];

    /// The reason as one fixed word, for counters and programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Seal(reason) => reason.word(),
            Self::State(_) => waxseal_crypto::Reason::Commitment.word(),
            Self::Content(_) => "content",
        }
    }

    /// The step of "Open" in [the format](waxseal_crypto::format) that refused the token. `None` if the seal is good
    /// but the content is not a session.
    #[must_use]
    pub fn step(&self) -> Option<u8> {
        match self {
            Self::Seal(reason) => Some(reason.step()),
            Self::State(_) => Some(waxseal_crypto::Reason::Commitment.step()),
            Self::Content(_) => None,
        }
    }
}
