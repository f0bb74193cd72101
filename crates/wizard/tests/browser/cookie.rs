//! What someone who has the cookie might try.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use percent_encoding::percent_decode_str;

/// A decoder that goes on where a strict one would stop.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// Returns `true` if `word` can be read in `value`: plain, percent-decoded, as hexadecimal digits, or as Base64 that
/// begins at any of four offsets.
pub(crate) fn can_be_read(value: &str, word: &str) -> bool {
    let plain = value.as_bytes().to_vec();
    let mut readings = vec![plain, percent_decode_str(value).collect(), hex_decoded(value)];
    readings.extend((0..4).filter_map(|start| value.get(start..)).map(base64_decoded));
    readings.iter().any(|bytes| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
}

/// Copies of `value`, each with the lowest bit of one character changed, at several places.
pub(crate) fn alterations(value: &str) -> [(&'static str, String); 4] {
    let last = value.len() - 1;
    [("first", 0), ("early", last / 5), ("middle", last / 2), ("last", last)].map(|(place, index)| {
        let digits = URL_SAFE.as_str();
        let old = digits.find(&value[index..=index]).unwrap_or(0);
        let mut altered = value.to_owned();
        altered.replace_range(index..=index, &digits[old ^ 1..=old ^ 1]);
        (place, altered)
    })
}

/// Accepts both alphabets, and skips characters that are in neither.
fn base64_decoded(text: &str) -> Vec<u8> {
    let text = text.replace('+', "-").replace('/', "_");
    let mut digits: String = text.chars().filter(|&letter| URL_SAFE.as_str().contains(letter)).collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT.decode(digits).expect("these are digits, and none stands alone")
}

fn hex_decoded(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|letter| letter.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|two| two[0] << 4 | two[1]).collect()
}

#[test]
fn a_readable_cookie_would_be_noticed() {
    for (form, text) in [
        ("plain", "name=Merlin"),
        ("percent", "%4d%65rlin"),
        ("hexadecimal", "4d65726c696e"),
        ("base64url", "v1.eyJuYW1lIjoiTWVybGluIn0"),
        ("base64url, shifted", "1eyJuYW1lIjoiTWVybGluIn0"),
    ] {
        assert!(can_be_read(text, "Merlin"), "{form}");
    }
}
