//! Texts in headers: base64url without padding, with exactly one spelling of each value, and values with or without
//! quotes.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

static STRICT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

pub(crate) fn encode(bytes: &[u8]) -> String {
    STRICT.encode(bytes)
}

pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // The library's error would contain a byte of the text.
    STRICT.decode(text).ok()
}

/// Decodes a text of exactly `N` bytes.
pub(crate) fn decode_exact<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

/// The text of a header value that browsers send without quotes, and that the specification puts into quotes. `None` if
/// it is empty, or contains anything but visible ASCII without quotes and backslashes, which no token needs.
pub(crate) fn bare(value: &[u8]) -> Option<&str> {
    let value = value.trim_ascii();
    let text = match value {
        [b'"', text @ .., b'"'] => text,
        text => text,
    };
    (!text.is_empty() && text.iter().all(|&byte| fits_quotes(byte))).then(|| str::from_utf8(text).ok())?
}

/// Checks that `byte` may be between the quotes of a header value without an escape.
pub(crate) fn fits_quotes(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

/// The parts of a header value between `mark`s. A `mark` between quotes does not count.
pub(crate) fn split(value: &[u8], mark: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    value.split(move |&byte| {
        quoted ^= byte == b'"';
        !quoted && byte == mark
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_of_base64url_is_decoded() {
        assert_eq!(decode(b"-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
        for (case, text) in [
            ("stray bits", &b"AB"[..]),
            ("one character", b"A"),
            ("padding", b"AA=="),
            ("the other alphabet", b"ab+/"),
            ("white space", b"AAAA AAA"),
            ("a line end", b"AAAA\n"),
            ("not UTF-8", b"AAA\xff"),
        ] {
            assert_eq!(decode(text), None, "{case}");
        }
        assert_eq!(decode_exact::<3>(b"AAAA"), Some([0; 3]));
        assert_eq!(decode_exact::<2>(b"AAAA"), None);
    }

    #[test]
    fn a_value_may_be_bare_or_quoted_and_nothing_between() {
        for (case, value, expected) in [
            ("bare", &b"abc.d-_"[..], Some("abc.d-_")),
            ("quoted", b"\"abc\"", Some("abc")),
            ("blanks around", b" \"abc\"\t", Some("abc")),
            ("empty", b"", None),
            ("empty quotes", b"\"\"", None),
            ("one quote", b"\"", None),
            ("no second quote", b"\"abc", None),
            ("no first quote", b"abc\"", None),
            ("a quote within", b"\"a\"c\"", None),
            ("an escape", b"\"a\\c\"", None),
            ("a blank within", b"a c", None),
            ("a line end within", b"a\nc", None),
            ("not ASCII", b"a\xffc", None),
        ] {
            assert_eq!(bare(value), expected, "{case}");
        }
    }

    #[test]
    fn marks_between_quotes_do_not_split() {
        let parts: Vec<_> = split(b"a;b=\"c;d\";;e", b';').collect();
        assert_eq!(parts, [&b"a"[..], b"b=\"c;d\"", b"", b"e"]);
        assert_eq!(split(b"\"a;b", b';').count(), 1);
    }
}
