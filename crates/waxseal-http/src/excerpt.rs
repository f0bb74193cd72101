//! Excerpts of a request, for error messages.

/// At most 60 characters of bytes from a request, safe for a line of the log: printable ASCII, with `?` for everything
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
