use std::fmt;

use crate::format_limits::{MAX_BINARY_BYTES, MAX_BOUND_BYTES, MAX_CLOCK_SKEW_SECONDS, MAX_TEXT_BYTES};
use crate::key_id::KeyId;

/// A sealed value or a signed token that was refused. There is one error, whatever the reason.
///
/// Its `Display` text never depends on the reason, so it may be shown to the sender. The reason, from
/// [`reason`](Self::reason) or `Debug`, is only for the log.
///
/// Rule: [`format`](mod@crate::format), section "Open".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    reason: Reason,
}

impl Rejected {
    /// The reason, for the log only.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl From<Reason> for Rejected {
    fn from(reason: Reason) -> Self {
        Self { reason }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sealed value was not accepted")
    }
}

// No source: a printed chain of causes would reveal the reason.
impl std::error::Error for Rejected {}

/// The check that refused a sealed value or a signed token, in the order of the checks.
///
/// Rule: [`format`](mod@crate::format), section "Open".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The caller's `bound` value is too long; its length in bytes.
    #[error("bound value of {0} bytes; the most is {MAX_BOUND_BYTES}")]
    BoundTooLong(usize),

    /// A text or binary value is longer than any that this crate seals.
    #[error("longer than the {MAX_TEXT_BYTES} bytes of a text or the {MAX_BINARY_BYTES} of a binary value")]
    TooLong,

    /// The text is not strict base64url: a foreign character, padding, white space, or stray bits.
    #[error("text is not strict base64url")]
    Alphabet,

    /// The length is not one that a sealed value can have.
    #[error("length is not that of a sealed value")]
    Length,

    /// The format version is unknown.
    #[error("unknown format version {0}")]
    Version(u8),

    /// The key is not in the ring.
    #[error("key {0} is not in the key ring")]
    UnknownKey(KeyId),

    /// The commitment differs: another purpose, name or audience, another key with the same id, or damage.
    #[error("commitment differs: sealed for another purpose, name or audience, or damaged")]
    Commitment,

    /// The MAC of a signed token differs: another purpose, name or audience, damage, or forgery.
    #[error("MAC differs: signed for another purpose, name or audience, damaged, or forged")]
    Mac,

    /// The tag differs: damage, forgery, or another bound value.
    #[error("tag differs: damaged, forged, or bound to another place")]
    Tag,

    /// The padding is not as the format says, although the tag is right.
    #[error("padding is not as the format says")]
    Padding,

    /// The sealed time is too far in the future.
    #[error("sealed more than {MAX_CLOCK_SKEW_SECONDS} seconds in the future")]
    Future,

    /// The idle time has run out.
    #[error("idle time has run out")]
    Idle,

    /// The absolute time has run out.
    #[error("absolute time has run out")]
    Absolute,
}

impl Reason {
    /// The step of section "Open" that refused, 1 to 8. A `bound` value that is too long counts as step 2.
    pub fn step(&self) -> u8 {
        match self {
            Self::TooLong | Self::Alphabet => 1,
            Self::BoundTooLong(_) | Self::Length => 2,
            Self::Version(_) => 3,
            Self::UnknownKey(_) => 4,
            Self::Commitment | Self::Mac => 5,
            Self::Tag => 6,
            Self::Padding => 7,
            Self::Future | Self::Idle | Self::Absolute => 8,
        }
    }

    /// The reason as one stable word, for counters and programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::BoundTooLong(_) => "bound_too_long",
            Self::TooLong => "too_long",
            Self::Alphabet => "alphabet",
            Self::Length => "length",
            Self::Version(_) => "version",
            Self::UnknownKey(_) => "unknown_key",
            Self::Commitment => "commitment",
            Self::Mac => "mac",
            Self::Tag => "tag",
            Self::Padding => "padding",
            Self::Future => "future",
            Self::Idle => "idle",
            Self::Absolute => "absolute",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outward_error_is_the_same_for_every_reason() {
        let id = KeyId::from_bytes([1, 2, 3, 4]);
        for reason in [Reason::Alphabet, Reason::Version(7), Reason::UnknownKey(id), Reason::Idle] {
            let rejected = Rejected::from(reason);
            assert_eq!(rejected.to_string(), "sealed value was not accepted", "{reason:?}");
            assert!(std::error::Error::source(&rejected).is_none(), "{reason:?}");
            assert_eq!(rejected.reason(), reason);
        }
    }

    #[test]
    fn a_reason_names_its_step() {
        let id = KeyId::from_bytes([1, 2, 3, 4]);
        for (step, reason) in [
            (1, Reason::Alphabet),
            (2, Reason::Length),
            (3, Reason::Version(2)),
            (4, Reason::UnknownKey(id)),
            (5, Reason::Commitment),
            (6, Reason::Tag),
            (7, Reason::Padding),
            (8, Reason::Idle),
        ] {
            assert_eq!(reason.step(), step, "{}", reason.word());
        }
    }

    #[test]
    fn a_reason_says_what_was_found() {
        let id = KeyId::from_bytes([0xab, 0, 0, 1]);
        assert_eq!(Reason::UnknownKey(id).to_string(), "key ab000001 is not in the key ring");
        assert_eq!(Reason::Version(2).to_string(), "unknown format version 2");
        assert_eq!(Reason::Future.to_string(), "sealed more than 60 seconds in the future");
    }
}
