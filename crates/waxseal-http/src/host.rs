//! Whom a request is for, and the guard of development mode.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::header::HOST;
use http::{HeaderMap, StatusCode, Uri, Version};

/// A name of at most this many characters, as in DNS.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// A host's name and, if it was given, its port.
///
/// The name is a DNS name (letters, digits, `-`, `_`, in lower case), an IPv4 address, or an IPv6 address in brackets
/// and in its shortest form: narrower than RFC 3986, which would let a `Host` carry quotes and percent-escapes into
/// whatever page prints it.
///
/// # Example
///
/// ```
/// use waxseal_http::Host;
///
/// let host: Host = "Hogwarts.example:8080".parse()?;
/// assert_eq!((host.name(), host.port()), ("hogwarts.example", Some(8080)));
/// # Ok::<(), waxseal_http::HostError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host<'a> {
    /// Borrowed if it was sent in the form it has here, as browsers send it.
    name: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// The name in lower case, or the address; IPv6 in brackets.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one was given.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Reads `name`, `name:` or `name:port`.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, HostError> {
        let malformed = || HostError::Malformed(excerpt(bytes));
        let text = str::from_utf8(bytes).map_err(|_| malformed())?;
        let (name, port) = split_name(text).ok_or_else(malformed)?;
        Ok(Self { name, port: parse_port(port).ok_or_else(malformed)? })
    }

    /// The same with a name of its own.
    #[must_use]
    pub fn into_owned(self) -> Host<'static> {
        Host { name: self.name.into_owned().into(), port: self.port }
    }
}

/// The name at the front of `text`, and what stands behind it. Every request passes here, so it is read once.
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

/// What stands behind the name: nothing, a colon, or a colon and a port.
fn parse_port(text: &str) -> Option<Option<u16>> {
    let Some(digits) = text.strip_prefix(':') else {
        return text.is_empty().then_some(None);
    };
    match digits {
        "" => Some(None),
        // `parse` would take a plus sign.
        _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    }
}

impl FromStr for Host<'static> {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
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

/// The host a request is for.
///
/// In HTTP/1 exactly one valid `Host` field, also in 1.0; a target that names a host itself (`GET http://a/ HTTP/1.1`)
/// must name the same one. Later versions may name it in the target alone. RFC 9110 §7.2, RFC 9112 §3.2.
///
/// # Errors
///
/// All answered 400: [`HostError::Missing`], [`HostError::Repeated`], [`HostError::Malformed`],
/// [`HostError::Contradicted`].
///
/// # Example
///
/// ```
/// use waxseal_http::host::host;
///
/// let request = http::Request::get("/").header("host", "hogwarts.example").body(())?;
/// let host = host(request.version(), request.uri(), request.headers())?;
/// assert_eq!(host.name(), "hogwarts.example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn host<'a>(version: Version, target: &'a Uri, headers: &'a HeaderMap) -> Result<Host<'a>, HostError> {
    let named = target.authority().map(|authority| Host::parse(authority.as_str().as_bytes())).transpose()?;
    let mut fields = headers.get_all(HOST).into_iter();
    let sent = fields.next().map(|field| Host::parse(field.as_bytes())).transpose()?;
    if fields.next().is_some() {
        return Err(HostError::Repeated);
    }
    let default = match target.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    match (sent, named) {
        (Some(sent), None) => Ok(sent),
        (Some(sent), Some(named))
            if sent.name == named.name && sent.port.or(default) == named.port.or(default) =>
        {
            Ok(sent)
        }
        (Some(sent), Some(named)) => {
            Err(HostError::Contradicted { sent: sent.into_owned(), named: named.into_owned() })
        }
        (None, Some(named)) if version > Version::HTTP_11 => Ok(named),
        (None, _) => Err(HostError::Missing),
    }
}

/// Whether `host` is this machine under one of its own names: `localhost`, `*.localhost`, `127.0.0.1` or `[::1]`,
/// with any port.
#[must_use]
pub fn is_local(host: &Host<'_>) -> bool {
    matches!(host.name(), "localhost" | "127.0.0.1" | "[::1]") || host.name().ends_with(".localhost")
}

/// Refuses what only reaches a development server if it can be reached from elsewhere: a name that is not this
/// machine's (a tunnel, or a page that re-binds its name to 127.0.0.1), or the traces of a proxy.
///
/// Development mode may make its own secret and shows errors in full, so nobody else may see it.
///
/// # Errors
///
/// [`HostError::Foreign`] (421: this server does not speak for that name) and [`HostError::Proxied`] (403).
pub fn development_guard(headers: &HeaderMap, host: &Host<'_>) -> Result<(), HostError> {
    if !is_local(host) {
        return Err(HostError::Foreign(excerpt(host.name().as_bytes())));
    }
    let of_a_proxy = |name: &str| matches!(name, "forwarded" | "via") || name.starts_with("x-forwarded-");
    match headers.keys().find(|name| of_a_proxy(name.as_str())) {
        Some(name) => Err(HostError::Proxied(excerpt(name.as_str().as_bytes()))),
        None => Ok(()),
    }
}

/// What is wrong with the host a request is for.
///
/// The texts hold at most 60 printable ASCII characters of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// No `Host` field.
    #[error("the request has no Host; send one, also in HTTP/1.0")]
    Missing,
    /// More than one `Host` field.
    #[error("the request has more than one Host; send exactly one")]
    Repeated,
    /// Neither a DNS name nor an address, or a port out of range.
    #[error("`{0}` is no host; send a DNS name or an address, and a port if it is not the usual one")]
    Malformed(String),
    /// The request's target names another host than its `Host` field.
    #[error("the request is for {named} but its Host says {sent}; send the same in both")]
    Contradicted {
        /// In the `Host` field.
        sent: Host<'static>,
        /// In the request's target.
        named: Host<'static>,
    },
    /// In development mode: not a name of this machine.
    #[error(
        "this server runs in development mode and answers to localhost, not to `{0}`; open it as localhost, \
         or switch development mode off to serve other names"
    )]
    Foreign(String),
    /// In development mode: a proxy has passed the request on.
    #[error(
        "this server runs in development mode and a proxy passed this request on (it has `{0}`); \
         switch development mode off to serve behind a proxy"
    )]
    Proxied(String),
}

impl HostError {
    /// 400; 421 for a foreign name and 403 for a proxy, both in development mode only.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Repeated | Self::Malformed(_) | Self::Contradicted { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::Foreign(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Proxied(_) => StatusCode::FORBIDDEN,
        }
    }
}

/// At most 60 characters of what a request held, fit for a line in a log: printable ASCII, anything else as `?`.
pub(crate) fn excerpt(found: &[u8]) -> String {
    const MAX_CHARS: usize = 60;
    let printable = |&byte: &u8| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' };
    let mut text: String = found.iter().take(MAX_CHARS).map(printable).collect();
    if found.len() > MAX_CHARS {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn hosts(fields: &[&str]) -> HeaderMap {
        fields.iter().map(|field| (HOST, HeaderValue::from_str(field).expect("a field's text"))).collect()
    }

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
            assert!(matches!(text.parse::<Host>(), Err(HostError::Malformed(_))), "{text:?}");
        }
        assert!(Host::parse(b"a\xff").is_err(), "not UTF-8");
    }

    #[test]
    fn http_1_needs_exactly_one_valid_field() {
        for version in [Version::HTTP_10, Version::HTTP_11] {
            for (case, target, fields, expected) in [
                ("one", "/", &["a.example"][..], Ok("a.example")),
                ("none", "/", &[], Err(HostError::Missing)),
                ("two", "/", &["a.example", "a.example"], Err(HostError::Repeated)),
                ("empty", "/", &[""], Err(HostError::Malformed(String::new()))),
                ("a list", "/", &["a, b"], Err(HostError::Malformed("a, b".into()))),
                ("the same in the target", "http://A.example/", &["a.example"], Ok("a.example")),
                ("the usual port spelt out", "http://a.example/", &["a.example:80"], Ok("a.example:80")),
                ("the target alone", "http://a.example/", &[], Err(HostError::Missing)),
            ] {
                let (target, fields) = (target.parse().unwrap(), hosts(fields));
                let found = host(version, &target, &fields);
                assert_eq!(found.map(|host| host.to_string()), expected.map(str::to_owned), "{case}");
            }
        }
    }

    #[test]
    fn a_target_that_names_another_host_is_refused() {
        for (case, target) in [
            ("name", "http://b.example/"),
            ("port", "http://a.example:81/"),
            ("the usual port of another scheme", "https://a.example:80/"),
            ("user", "http://user@a.example/"),
            ("authority form", "b.example:80"),
        ] {
            let error = host(Version::HTTP_11, &target.parse().unwrap(), &hosts(&["a.example"])).unwrap_err();
            assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{case}");
        }
    }

    #[test]
    fn http_2_may_name_the_host_in_the_target_alone() {
        let target = "https://a.example/".parse().unwrap();
        assert_eq!(host(Version::HTTP_2, &target, &hosts(&[])).unwrap().name(), "a.example");
        assert!(host(Version::HTTP_2, &target, &hosts(&["b.example"])).is_err());
        assert_eq!(host(Version::HTTP_2, &Uri::from_static("/"), &hosts(&[])), Err(HostError::Missing));
    }

    #[test]
    fn only_the_machines_own_names_are_local() {
        for (text, local) in [
            ("localhost", true),
            ("LOCALHOST:5000", true),
            ("app.localhost", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("localhost.", false),
            ("localhost.example", false),
            ("notlocalhost", false),
            ("127.0.0.2", false),
            ("127.1", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("[::ffff:127.0.0.1]", false),
            ("127.0.0.1.nip.io", false),
        ] {
            assert_eq!(is_local(&text.parse().unwrap()), local, "{text}");
        }
    }

    #[test]
    fn development_refuses_foreign_names_and_proxies() {
        let local: Host = "localhost:5000".parse().unwrap();
        assert_eq!(development_guard(&hosts(&["localhost:5000"]), &local), Ok(()));

        let foreign = development_guard(&HeaderMap::new(), &"evil.example".parse().unwrap()).unwrap_err();
        assert_eq!(foreign.status(), StatusCode::MISDIRECTED_REQUEST);
        assert!(foreign.to_string().contains("`evil.example`; open it as localhost"), "{foreign}");

        for (name, refused) in [
            ("Forwarded", true),
            ("Via", true),
            ("X-Forwarded-For", true),
            ("X-Forwarded-Host", true),
            ("x-forwarded-anything", true),
            ("X-Forwarded", false),
            ("Viable", false),
        ] {
            let mut headers = hosts(&["localhost"]);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(""));
            let error = development_guard(&headers, &local).err();
            assert_eq!(error.map(|error| error.status()), refused.then_some(StatusCode::FORBIDDEN), "{name}");
        }
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
