//! Malformed percent-escapes.

/// The bytes before the first `%` that has no two hexadecimal digits behind it. Linear in the text's length.
pub(crate) fn first_malformed(text: &[u8]) -> Option<usize> {
    let is_escape = |offset: usize| {
        text.get(offset + 1..offset + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let percents = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    percents.map(|(offset, _)| offset).find(|&offset| !is_escape(offset))
}
