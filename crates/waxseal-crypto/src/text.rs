//! The text form: base64url without padding, with exactly one spelling of each value (`format.md`, section "Sealed
//! bytes").

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use crate::format_limits::MAX_TEXT_BYTES;
use crate::rejected::Reason;

/// The strict decoder, which uses the processor's vector instructions where the library supports them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static STRICT: LazyLock<base64::engine::Simd> = LazyLock::new(|| base64::engine::Simd::url_safe(CONFIG));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static STRICT: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::URL_SAFE, CONFIG));

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::RequireNone)
    .with_decode_allow_trailing_bits(false);

/// The length of the text form of `bytes` bytes.
pub(crate) const fn encoded_bytes(bytes: usize) -> usize {
    // A third more, rounded up. Computed in this way, it cannot overflow for any payload.
    bytes + bytes.div_ceil(3)
}

/// The largest number of bytes that a text of `text` characters can decode to.
pub(crate) const fn decoded_bytes(text: usize) -> usize {
    text * 3 / 4
}

/// The content of buffers before they are written to. Not zeros: for zeros the allocator is asked for zeroed memory,
/// and glibc's then does not reuse the blocks that were freed last.
const FILL: u8 = b'A';

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = vec![FILL; encoded_bytes(bytes.len())];
    STRICT.encode_slice(bytes, &mut text).expect("the buffer is long enough");
    String::from_utf8(text).expect("base64url is ASCII")
}

/// Encodes into a buffer of exactly the right length, so that no copy of a secret is left behind.
pub(crate) fn encode_exact<'a>(bytes: &[u8], out: &'a mut [u8]) -> &'a str {
    let written = STRICT.encode_slice(bytes, out).expect("the buffer is long enough");
    debug_assert_eq!(written, out.len());
    str::from_utf8(out).expect("base64url is ASCII")
}

/// Step 1 of "Open", text form: the length, beside a name of `name` bytes, and the strict alphabet.
pub(crate) fn decode(text: &[u8], name: usize) -> Result<Vec<u8>, Reason> {
    if text.len() + name > MAX_TEXT_BYTES {
        return Err(Reason::TooLong);
    }
    let mut bytes = vec![FILL; decoded_bytes(text.len())];
    decode_exact(text, &mut bytes).ok_or(Reason::Alphabet)?;
    Ok(bytes)
}

/// Decodes `text` into `out`. `None` unless it is the strict form of exactly that many bytes.
pub(crate) fn decode_exact(text: &[u8], out: &mut [u8]) -> Option<()> {
    // The library's error would contain a byte of the text, which may be secret.
    let written = STRICT.decode_slice(text, out).ok()?;
    (written == out.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_agree_with_the_encoding() {
        for length in 0..200 {
            let bytes = vec![0xa5; length];
            let text = encode(&bytes);
            assert_eq!(text.len(), encoded_bytes(length));
            assert_eq!(decoded_bytes(text.len()), length);
            assert_eq!(decode(text.as_bytes(), 0), Ok(bytes));
        }
    }

    #[test]
    fn only_the_strict_form_is_decoded() {
        for (case, text) in [
            ("two stray bits", &b"AB"[..]),
            ("four stray bits", b"AP"),
            ("stray bits in three", b"AAB"),
            ("one character", b"A"),
            ("one more than a group", b"AAAAA"),
            ("padding", b"AA=="),
            ("padding of three", b"AAA="),
            ("padding alone", b"="),
            ("the other alphabet", b"ab+/"),
            ("white space", b"AAAA AAA"),
            ("a line end", b"AAAA\n"),
            ("leading space", b" AAA"),
            ("a NUL", b"AAA\0"),
            ("not UTF-8", b"AAA\xff"),
            ("a full stop", b"AAA."),
        ] {
            assert_eq!(decode(text, 0), Err(Reason::Alphabet), "{case}");
        }
        assert_eq!(decode(b"AA", 0), Ok(vec![0]));
        assert_eq!(decode(b"-_8", 0), Ok(vec![0xfb, 0xff]));
    }

    #[test]
    fn the_length_is_judged_with_the_name_and_before_the_alphabet() {
        assert!(decode(&[b'A'; 4092], 4).is_ok());
        assert_eq!(decode(&[b' '; 4096], 0), Err(Reason::Alphabet));
        assert_eq!(decode(&[b' '; 4093], 4), Err(Reason::TooLong));
    }
}
