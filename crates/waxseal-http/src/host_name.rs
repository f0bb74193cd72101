//! A host: its name or address, and its port.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::error::Error;
use crate::excerpt::excerpt;

/// DNS's limit for a whole name.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// A host's name and, if it was given, its port.
///
/// The name is a DNS name (letters, digits, `-`, `_`, in lower case), an IPv4 address, or an IPv6 address in brackets
/// and in its shortest form. This is narrower than RFC 3986, by which a `Host` could carry quotes and percent-escapes
/// into a page that prints it.
///
/// # Example
///
/// ```
/// use waxseal_http::Host;
///
/// let host: Host = "Hogwarts.example:8080".parse()?;
/// assert_eq!((host.name(), host.port()), ("hogwarts.example", Some(8080)));
/// # Ok::<(), waxseal_http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host<'a> {
    /// Borrowed if it was sent in this form, as browsers do.
    name: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// The name in lower case, or the address. An IPv6 address is in brackets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one was given.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Parses `name`, `name:` or `name:port`.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let malformed = || Error::MalformedHost(excerpt(bytes));
        let text = str::from_utf8(bytes).map_err(|_| malformed())?;
        let (name, port) = split_name(text).ok_or_else(malformed)?;
        Ok(Self { name, port: parse_port(port).ok_or_else(malformed)? })
    }

    /// Converts the host into one that borrows nothing, copying a borrowed name.
    #[must_use]
    pub fn into_owned(self) -> Host<'static> {
        Host { name: self.name.into_owned().into(), port: self.port }
    }
}

/// Splits `text` into the name at its front and the rest. This runs for every request, so it reads the text only once.
fn split_name(text: &str) -> Option<(Cow<'_, str>, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return Some((format!("[{address}]").into(), rest));
    }
    let (mut end, mut label, mut capitals) = (0, 0, false);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label += 1,
            b'A'..=b'Z' => (label, capitals) = (label + 1, true),
            b'.' if (1..=MAX_LABEL_BYTES).contains(&label) => label = 0,
            b':' => break,
            _ => return None,
        }
        end += 1;
    }
    // One dot at the end is the root, as in DNS.
    if !(1..=MAX_NAME_BYTES).contains(&end) || label > MAX_LABEL_BYTES {
        return None;
    }
    let (name, rest) = text.split_at(end);
    Some((if capitals { name.to_ascii_lowercase().into() } else { name.into() }, rest))
}

/// Parses the rest after the name: nothing, a colon, or a colon and a port.
fn parse_port(text: &str) -> Option<Option<u16>> {
    let Some(digits) = text.strip_prefix(':') else {
        return text.is_empty().then_some(None);
    };
    match digits {
        "" => Some(None),
        // `parse` alone would accept a plus sign.
        _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    }
}

impl FromStr for Host<'static> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Host::parse(text.as_bytes()).map(Host::into_owned)
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_addresses_are_read_with_and_without_a_port() {
        for (text, name, port) in [
            ("example.com", "example.com", None),
            ("EXAMPLE.com:8080", "example.com", Some(8080)),
            ("example.com:", "example.com", None),
            ("example.com.:443", "example.com.", Some(443)),
            ("a_b-c.example:0080", "a_b-c.example", Some(80)),
            ("localhost", "localhost", None),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[0:0::0:1]:5000", "[::1]", Some(5000)),
            ("[2001:DB8::1]", "[2001:db8::1]", None),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ] {
            let host: Host = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((host.name(), host.port()), (name, port), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_host() {
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(130);
        for text in [
            "",
            ":",
            ":80",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            " a",
            "a\t",
            "a:b",
            "a:+80",
            "a:-1",
            "a:65536",
            "a:80:80",
            "a:8 0",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[::1]x",
            "[::1]80",
            "[::1%25eth0]",
            "[v1.x]",
            "[127.0.0.1]",
            "a/b",
            "a?b",
            "a#b",
            "user@a",
            "user:password@a",
            "a%41",
            "a\"b",
            "a<b>",
            "a,b",
            "*.a",
            "a\\b",
            "é.example",
            "\u{3002}",
            long_label.as_str(),
            long_name.as_str(),
        ] {
            assert!(matches!(text.parse::<Host>(), Err(Error::MalformedHost(_))), "{text:?}");
        }
        assert!(Host::parse(b"a\xff").is_err(), "not UTF-8");
    }

    #[test]
    fn messages_hold_a_bounded_printable_excerpt() {
        let error =
            Host::parse(&[b"\x1b[31m\r\n\xff", &b"x".repeat(500)[..]].concat()).unwrap_err().to_string();
        assert!(error.starts_with("`?[31m???xxx") && error.contains("xxx...`"), "{error}");
        assert!(error.len() < 200, "{error}");
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same_and_read_again(text in "[a-zA-Z0-9.:_\\[\\]-]{0,12}") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(host.to_string().parse::<Host>(), Ok(host));
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Host::parse(&bytes);
        }
    }
}
