//! Paths of this site, made from text that a visitor sent.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Characters that a browser strips from a URL, or reads as a slash.
const STRIPPED_BY_BROWSERS: &AsciiSet = &CONTROLS.add(b' ').add(b'\\');

/// Converts untrusted text into a path of this site for a redirect. Returns `None` if it would lead to another site.
///
/// Characters beyond ASCII are percent-encoded, and so are those that browsers strip or read as a slash.
///
/// # Example
///
/// ```
/// use waxseal_http::local_path;
///
/// assert_eq!(local_path("/wizards?name=Ü").as_deref(), Some("/wizards?name=%C3%9C"));
/// assert_eq!(local_path("//evil.example"), None);
/// assert_eq!(local_path("https://evil.example"), None);
/// ```
#[must_use]
pub fn local_path(text: &str) -> Option<String> {
    is_local_path(text).then(|| utf8_percent_encode(text, STRIPPED_BY_BROWSERS).to_string())
}

/// Returns `true` if `text` begins like a path of this site: with a slash that is followed by neither a slash nor a
/// backslash.
#[must_use]
pub fn is_local_path(text: &str) -> bool {
    text.starts_with('/') && !text[1..].starts_with(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_from_outside_is_made_fit_or_refused() {
        for (text, expected) in [
            ("/", Some("/")),
            ("/a?b=c&d=%C3%A9#e", Some("/a?b=c&d=%C3%A9#e")),
            ("/é ü", Some("/%C3%A9%20%C3%BC")),
            ("/\t/evil.example", Some("/%09/evil.example")),
            ("/\r\nSet-Cookie: a=b", Some("/%0D%0ASet-Cookie:%20a=b")),
            ("/a\\b", Some("/a%5Cb")),
            ("//evil.example", None),
            ("/\\evil.example", None),
            ("\t//evil.example", None),
            ("https://evil.example", None),
            ("", None),
        ] {
            let path = local_path(text);
            assert_eq!(path.as_deref(), expected, "{text:?}");
            assert!(path.is_none_or(|path| path.bytes().all(|byte| byte.is_ascii_graphic())), "{text:?}");
        }
    }
}
