//! Excerpts of a request for the texts of errors.

/// At most 60 characters of what a request contained, safe for a line of a log: printable ASCII, with `?` for anything
/// else.
pub(crate) fn excerpt(found: &[u8]) -> String {
    const MAX_CHARS: usize = 60;
    let printable = |&byte: &u8| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' };
    let mut text: String = found.iter().take(MAX_CHARS).map(printable).collect();
    if found.len() > MAX_CHARS {
        text.push_str("...");
    }
    text
}
