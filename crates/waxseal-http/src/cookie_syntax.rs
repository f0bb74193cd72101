//! Syntax of a cookie's name, path and domain, as browsers take them.

/// A character of a token, RFC 9110 §5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A path as browsers have it in a request: RFC 6265bis §5.1.4 compares the two byte by byte. Longer ones than 1024 bytes
/// are ignored, §5.6.
pub(crate) fn is_path(path: &str) -> bool {
    let written = |byte: u8| byte.is_ascii_graphic() && !b"\"#;<>?\\^`{}".contains(&byte);
    path.starts_with('/')
        && path.len() <= 1024
        && path.bytes().all(written)
        && !path.split('/').any(|part| matches!(part, "." | ".."))
}

/// The name of a host with others below it, RFC 1123 §2.1: no address (its last part is no number), and more than one
/// part, since browsers take a single one for a public suffix, RFC 6265bis §5.7.
pub(crate) fn is_domain(name: &str) -> bool {
    let is_part = |part: &str| {
        matches!(part.len(), 1..=63)
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    // As in the URL standard: `1`, and `0x1f`, make what is before them an IPv4 address.
    let is_number = |part: &str| {
        let hex = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
        hex.map_or(part.bytes().all(|byte| byte.is_ascii_digit()), |hex| {
            hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let last = name.rsplit_once('.').map(|(_, last)| last);
    name.len() <= 253 && name.split('.').all(is_part) && last.is_some_and(|last| !is_number(last))
}
