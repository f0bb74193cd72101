//! The layout of a sealed value around the inner part: `format.md`, section "Sealed bytes".
//!
//! ```text
//! 0 version │ 1 kid │ 5 commitment │ 37 nonce │ 61 ciphertext, 64·k │ tag
//! ```

use std::ops::Range;

use crate::format_limits::MAX_BOUND_BYTES;
use crate::inner::STEP_BYTES;
use crate::key_id::KeyId;
use crate::rejected::Reason;

pub(crate) type Nonce = [u8; 24];
pub(crate) type Commitment = [u8; 32];
pub(crate) type Tag = [u8; 16];

const VERSION: u8 = 1;
const KID: Range<usize> = 1..5;
const COMMITMENT: Range<usize> = 5..37;
const NONCE: Range<usize> = 37..61;
const HEAD_BYTES: usize = 61;
const TAG_BYTES: usize = 16;

/// The associated data without `bound`: version, kid and commitment.
const ASSOCIATED: Range<usize> = 0..37;

/// The length of a sealed value whose inner part has `inner` bytes.
pub(crate) const fn sealed_bytes(inner: usize) -> usize {
    HEAD_BYTES + inner + TAG_BYTES
}

/// The longest inner part in a value of at most `sealed` bytes. `None` if not even one step fits.
pub(crate) fn max_inner_bytes(sealed: usize) -> Option<usize> {
    let inner = sealed.checked_sub(HEAD_BYTES + TAG_BYTES)?;
    (inner >= STEP_BYTES).then_some(inner - inner % STEP_BYTES)
}

/// Everything before the ciphertext, unencrypted.
pub(crate) struct Head {
    pub(crate) kid: KeyId,
    pub(crate) commitment: Commitment,
    pub(crate) nonce: Nonce,
}

impl Head {
    /// Steps 2 and 3 of "Open": the length, then the version.
    pub(crate) fn parse(sealed: &[u8]) -> Result<Self, Reason> {
        let inner = sealed.len().checked_sub(HEAD_BYTES + TAG_BYTES).ok_or(Reason::Length)?;
        if inner == 0 || inner % STEP_BYTES != 0 {
            return Err(Reason::Length);
        }
        if sealed[0] != VERSION {
            return Err(Reason::Version(sealed[0]));
        }
        Ok(Self {
            kid: KeyId::from_bytes(array(&sealed[KID])),
            commitment: array(&sealed[COMMITMENT]),
            nonce: array(&sealed[NONCE]),
        })
    }

    /// Appends the head to `sealed`, which is empty.
    pub(crate) fn write(&self, sealed: &mut Vec<u8>) {
        sealed.push(VERSION);
        sealed.extend_from_slice(self.kid.as_bytes());
        sealed.extend_from_slice(&self.commitment);
        sealed.extend_from_slice(&self.nonce);
    }
}

/// A sealed value, split for the cipher.
pub(crate) struct Parts<'a> {
    pub(crate) associated: AssociatedData<'a>,
    pub(crate) inner: &'a mut [u8],
    pub(crate) tag: Tag,
}

/// Splits a sealed value whose head was parsed.
pub(crate) fn parts(sealed: &mut [u8]) -> Parts<'_> {
    let (head, rest) = sealed.split_at_mut(HEAD_BYTES);
    let (inner, tag) = rest.split_last_chunk_mut().expect("the head's parsing checked the length");
    Parts { associated: AssociatedData(&head[ASSOCIATED]), inner, tag: *tag }
}

/// Splits a head and the inner part after it, before the tag is appended.
pub(crate) fn parts_to_seal(unsealed: &mut [u8]) -> (AssociatedData<'_>, &mut [u8]) {
    let (head, inner) = unsealed.split_at_mut(HEAD_BYTES);
    (AssociatedData(&head[ASSOCIATED]), inner)
}

/// The associated data, before `bound` is added.
pub(crate) struct AssociatedData<'a>(&'a [u8]);

impl AssociatedData<'_> {
    /// Calls `work` with `bytes[0..37] | bound`.
    pub(crate) fn with<T>(&self, bound: &[u8], work: impl FnOnce(&[u8]) -> T) -> T {
        // `self.0` always has the same length, so the joined bytes are unambiguous.
        if bound.is_empty() {
            return work(self.0);
        }
        let mut room = [0; ASSOCIATED.end + MAX_BOUND_BYTES];
        let (head, rest) = room.split_at_mut(ASSOCIATED.end);
        head.copy_from_slice(self.0);
        rest[..bound.len()].copy_from_slice(bound);
        work(&room[..ASSOCIATED.end + bound.len()])
    }
}

/// A range of the inner part as one of the whole value.
pub(crate) fn from_inner(range: Range<usize>) -> Range<usize> {
    HEAD_BYTES + range.start..HEAD_BYTES + range.end
}

fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    slice.try_into().expect("the range is as long as its part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lengths_of_the_format_are_parsed() {
        for length in 0..700 {
            let mut sealed = vec![0; length];
            if let Some(version) = sealed.first_mut() {
                *version = VERSION;
            }
            let expected = length >= 141 && (length - 77) % 64 == 0;
            assert_eq!(Head::parse(&sealed).is_ok(), expected, "{length} bytes");
        }
    }

    #[test]
    fn the_length_is_judged_before_the_version() {
        assert_eq!(Head::parse(&[9; 140]).err(), Some(Reason::Length));
        assert_eq!(Head::parse(&[9; 141]).err(), Some(Reason::Version(9)));
    }

    #[test]
    fn the_longest_inner_part_is_a_whole_number_of_steps() {
        for (sealed, expected) in [(0, None), (140, None), (141, Some(64)), (204, Some(64)), (205, Some(128))]
        {
            assert_eq!(max_inner_bytes(sealed), expected, "{sealed} bytes");
        }
    }
}
