//! Base64, read as leniently as can be: both alphabets, and whatever is neither is passed over.

/// The bytes that `text` stands for.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.bytes().filter_map(digit).collect();
    let groups = digits.chunks(4).map(|group| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        (bits.to_be_bytes(), group.len())
    });
    // The first of the four bytes is never used; n digits make n - 1 whole bytes.
    groups.flat_map(|(bytes, digits)| bytes.into_iter().skip(1).take(digits - 1)).collect()
}

/// What one character stands for.
pub(crate) fn digit(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}
