//! Malformed percent-escapes.

/// The number of bytes before the first `%` that is not followed by two hexadecimal digits. Takes time linear in the
/// length of the text.
pub(crate) fn first_malformed(text: &[u8]) -> Option<usize> {
    let is_escape = |offset: usize| {
        text.get(offset + 1..offset + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let percents = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    percents.map(|(offset, _)| offset).find(|&offset| !is_escape(offset))
}
