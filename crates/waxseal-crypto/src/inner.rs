//! The inner part, before encryption: times, payload and padding.
//!
//! `format.md`, section "Sealed bytes":
//!
//! ```text
//! 0 created │ 8 sealed - created │ 12 idle │ 16 absolute │ 20 payload │ 0x80 │ 0x00 … to a multiple of 64
//! ```

use std::ops::Range;

use crate::error::Error;
use crate::rejected::Reason;
use crate::times::Times;

/// The inner part's length is a multiple of this many bytes, so that it says little about the payload's length.
pub(crate) const STEP_BYTES: usize = 64;

const TIMES_BYTES: usize = 20;
const PADDING_MARK: u8 = 0x80;

/// The length of the inner part for a payload of `payload` bytes.
pub(crate) const fn inner_bytes(payload: usize) -> usize {
    (TIMES_BYTES + payload + 1).next_multiple_of(STEP_BYTES)
}

/// The largest payload of an inner part of `inner` bytes, which is at least one step.
pub(crate) const fn max_payload(inner: usize) -> usize {
    inner - TIMES_BYTES - 1
}

/// Appends the inner part of `payload` to `out`.
///
/// # Errors
///
/// [`Error::TooOld`] if the offset from created to sealed exceeds a `u32`.
pub(crate) fn write(out: &mut Vec<u8>, times: Times, payload: &[u8]) -> Result<(), Error> {
    let end = out.len() + inner_bytes(payload.len());
    let offset = times.sealed() - times.created();
    let offset = u32::try_from(offset).map_err(|_| Error::TooOld(offset))?;
    out.extend_from_slice(&times.created().to_be_bytes());
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&times.idle().to_be_bytes());
    out.extend_from_slice(&times.absolute().to_be_bytes());
    out.extend_from_slice(payload);
    out.push(PADDING_MARK);
    out.resize(end, 0);
    Ok(())
}

/// Step 7 of "Open": checks the padding; returns the times and the range of the payload.
pub(crate) fn parse(inner: &[u8]) -> Result<(Times, Range<usize>), Reason> {
    // The tag of these bytes was verified, so the time taken here tells an attacker nothing.
    let mut rest = inner;
    while let Some((shorter, [0, 0, 0, 0, 0, 0, 0, 0])) = rest.split_last_chunk() {
        rest = shorter;
    }
    let mark = rest.iter().rposition(|&byte| byte != 0).ok_or(Reason::Padding)?;
    if inner[mark] != PADDING_MARK || mark < TIMES_BYTES || inner.len() - mark > STEP_BYTES {
        return Err(Reason::Padding);
    }
    let created = u64::from_be_bytes(inner[..8].try_into().expect("8 bytes"));
    let [offset, idle, absolute] =
        [8, 12, 16].map(|at| u32::from_be_bytes(inner[at..at + 4].try_into().expect("4 bytes")));
    let times = Times::new(created, created.saturating_add(offset.into()), idle, absolute);
    Ok((times, TIMES_BYTES..mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_grows_in_steps() {
        for (payload, expected) in [(0, 64), (42, 64), (43, 64), (44, 128), (107, 128), (108, 192)] {
            assert_eq!(inner_bytes(payload), expected, "{payload} bytes");
        }
        assert_eq!(max_payload(64), 43);
    }

    #[test]
    fn parsing_undoes_writing() {
        let times = Times::new(1_000, 1_234, 60, u32::MAX);
        for length in [0, 1, 43, 44, 500] {
            let payload = vec![0x80; length];
            let mut inner = Vec::new();
            write(&mut inner, times, &payload).unwrap();
            let (found, range) = parse(&inner).unwrap();
            assert_eq!((found, &inner[range]), (times, &*payload), "{length} bytes");
        }
    }

    #[test]
    fn an_offset_beyond_u32_is_an_error() {
        let limit = u64::from(u32::MAX);
        assert!(write(&mut Vec::new(), Times::new(5, 5 + limit, 1, 1), b"").is_ok());
        let error = write(&mut Vec::new(), Times::new(5, 6 + limit, 1, 1), b"").unwrap_err();
        assert!(matches!(error, Error::TooOld(4_294_967_296)), "{error}");
    }

    #[test]
    fn only_the_one_padding_is_accepted() {
        let inner = |length: usize, mark: usize, value: u8| {
            let mut inner = vec![0; length];
            inner[0] = 1;
            inner[mark] = value;
            inner
        };
        for (case, inner, accepted) in [
            ("shortest payload", inner(64, 20, 0x80), true),
            ("no zeros", inner(64, 63, 0x80), true),
            ("63 zeros", inner(128, 64, 0x80), true),
            ("64 zeros", inner(128, 63, 0x80), false),
            ("another mark", inner(64, 40, 0x81), false),
            ("the mark before the payload", inner(64, 19, 0x80), false),
            ("only zeros", vec![0; 64], false),
        ] {
            assert_eq!(parse(&inner).is_ok(), accepted, "{case}");
        }
    }
}
