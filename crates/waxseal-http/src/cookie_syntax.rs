//! The syntax of a cookie's name, path and domain that browsers accept.

/// A character of a token, RFC 9110 §5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A path in the form that browsers use in a request: RFC 6265bis §5.1.4 compares the two byte by byte. Paths of more
/// than 1024 bytes are ignored, §5.6.
pub(crate) fn is_path(path: &str) -> bool {
    let written = |byte: u8| byte.is_ascii_graphic() && !b"\"#;<>?\\^`{}".contains(&byte);
    path.starts_with('/')
        && path.len() <= 1024
        && path.bytes().all(written)
        && !path.split('/').any(|part| matches!(part, "." | ".."))
}

/// A host name that can have subdomains, RFC 1123 §2.1. It must not be an address (its last part is not a number), and
/// must have more than one part, since browsers take a single one for a public suffix, RFC 6265bis §5.7.
pub(crate) fn is_domain(name: &str) -> bool {
    let is_part = |part: &str| {
        matches!(part.len(), 1..=63)
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    // As in the URL standard: a name that ends in `1` or `0x1f` is an IPv4 address.
    let is_number = |part: &str| {
        let hex = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
        hex.map_or(part.bytes().all(|byte| byte.is_ascii_digit()), |hex| {
            hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let last = name.rsplit_once('.').map(|(_, last)| last);
    name.len() <= 253 && name.split('.').all(is_part) && last.is_some_and(|last| !is_number(last))
}
