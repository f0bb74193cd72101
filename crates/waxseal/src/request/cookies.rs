//! The cookies of a request, other than the session's.

use std::borrow::Cow;

use waxseal_http::cookies;

use super::Request;

impl Request {
    /// The value of the first cookie of this name, if it is text. `None` for the session's own cookie.
    ///
    /// A value in double quotes is read as Flask reads its own: without the quotes, with `\\054` as the byte of that
    /// octal number, and `\\"` as a quote.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// All cookies whose values are text, except the session's.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = (String, String)> {
        let ours = self.app().sessions.cookie().name();
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        cookies::pairs(&self.0.parts.headers)
            .filter(|(name, _)| *name != ours.as_bytes())
            .filter_map(move |(name, value)| Some((text(name)?, text(&unquoted(value))?)))
    }
}

/// Removes the quotes and escapes that a framework wrote, as werkzeug's `_cookie_unslash_replace` does.
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    let [b'"', inner @ .., b'"'] = value else { return Cow::Borrowed(value) };
    let (mut rest, mut bytes) = (inner, Vec::with_capacity(inner.len()));
    loop {
        let (byte, after) = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                (((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'), after)
            }
            [b'\\', byte, after @ ..] | [byte, after @ ..] => (*byte, after),
            [] => return Cow::Owned(bytes),
        };
        bytes.push(byte);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that `werkzeug.http.dump_cookie` writes, and variants of them that browsers may send.
    #[test]
    fn a_quoted_cookie_is_read_as_flask_reads_it() {
        for (sent, read) in [
            (&b"plain"[..], &b"plain"[..]),
            (b"", b""),
            (b"\"a b\"", b"a b"),
            (b"\"a\\054b\\073c\"", b"a,b;c"),
            (b"\"\\303\\274\"", "ü".as_bytes()),
            ("\"ü\"".as_bytes(), "ü".as_bytes()),
            (b"\"say \\\"hi\\\" \\\\ there\"", b"say \"hi\" \\ there"),
            (b"\"\"", b""),
            (b"\"", b"\""),
            (b"\"open", b"\"open"),
            (b"open\"", b"open\""),
            (b"'a b'", b"'a b'"),
            (b"a \"b\" c", b"a \"b\" c"),
            (b" \"a\" ", b"a"),
            (b"\"\\400\\18\\x41\"", b"40018x41"),
            (b"\"\\05\"", b"05"),
            (b"\"end\\\"", b"end\\"),
            (b"\"\\377\"", b"\xff"),
            (b"plain\\054", b"plain\\054"),
        ] {
            assert_eq!(unquoted(sent), read, "{}", String::from_utf8_lossy(sent));
        }
    }
}
