//! What someone who holds the cookie might try.

use serde_json::Value;

use crate::base64;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The value of a cookie as WebDriver tells it.
pub(crate) fn value(cookie: &Value) -> &str {
    cookie["value"].as_str().expect("a cookie has a value")
}

/// Whether `word` shows in `value`: plain, percent-decoded, as hexadecimal digits,
/// or as Base64 that begins at any of four places.
pub(crate) fn can_be_read(value: &str, word: &str) -> bool {
    let base64 = (0..4).filter_map(|start| value.get(start..)).map(base64::decoded);
    let mut readings = vec![value.as_bytes().to_vec(), percent_decoded(value), hex_decoded(value)];
    readings.extend(base64);
    readings.iter().any(|bytes| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
}

/// `value` with one character changed by its lowest bit, in each of several places.
pub(crate) fn alterations(value: &str) -> [(&'static str, String); 4] {
    let last = value.len() - 1;
    [("first", 0), ("early", last / 5), ("middle", last / 2), ("last", last)].map(|(place, index)| {
        let mut altered = value.as_bytes().to_vec();
        let old = base64::digit(altered[index]).map_or(0, |digit| digit as usize);
        altered[index] = ALPHABET[old ^ 1];
        (place, String::from_utf8(altered).expect("a cookie is ASCII"))
    })
}

fn hex_decoded(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|letter| letter.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|two| two[0] << 4 | two[1]).collect()
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(part.as_bytes()),
        }
    }
    bytes
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
