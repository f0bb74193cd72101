//! The check that refuses unsafe requests from other sites.

use http::header::{ORIGIN, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::error::Error;
use crate::excerpt::excerpt;
use crate::host_name::Host;

/// The field in which browsers say where a request comes from, if the page's own URL is trustworthy (https, or localhost).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The scheme by which the visitor reached this server. Behind a proxy that terminates TLS it is `Https`, although the
/// connection is plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Lets a request through, unless a browser says that another site made it.
///
/// - GET, HEAD and OPTIONS pass: they must not change anything. The handshake of a WebSocket is a GET, but is checked:
///   a browser lets any page open a socket to any site, with the visitor's cookies, and read what it sends.
/// - If there is a `Sec-Fetch-Site`, it must be exactly `same-origin`, or `none` (the visitor's own action, such as a
///   reload).
/// - Without it, an `Origin` must be `scheme` and `host`, this server's own; `null` is not. Default ports may be left out.
/// - A request with neither was not sent by a browser, so it does not carry a visitor's cookies against the visitor's will.
///
/// `host` must be one that this server answers to, from [`host`](crate::host::host()). If this check is made before the
/// session is opened, a forged form neither reads nor sets a cookie.
///
/// # Errors
///
/// [`Error::CrossSite`], [`Error::ForeignOrigin`] or [`Error::RepeatedField`], all of them a 403.
///
/// # Example
///
/// ```
/// use waxseal_http::{Host, Scheme, origin};
///
/// let request = http::Request::post("/").header("origin", "https://evil.example").body(())?;
/// let host: Host = "hogwarts.example".parse()?;
/// let refused = origin::check(request.method(), request.headers(), Scheme::Https, &host).unwrap_err();
/// assert_eq!(refused.status(), 403);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(method: &Method, headers: &HeaderMap, scheme: Scheme, host: &Host<'_>) -> Result<(), Error> {
    if is_harmless(method, headers) {
        return Ok(());
    }
    match claimed(headers)? {
        Some(origin) => compare(origin, scheme, host),
        None => Ok(()),
    }
}

/// The origin that has to be compared with this server's own; `None` if the request passes without this.
pub(crate) fn claimed(headers: &HeaderMap) -> Result<Option<&[u8]>, Error> {
    match only(headers, &SEC_FETCH_SITE)? {
        Some(b"same-origin" | b"none") => Ok(None),
        Some(site) => Err(Error::CrossSite(excerpt(site))),
        None => only(headers, &ORIGIN),
    }
}

pub(crate) fn compare(origin: &[u8], scheme: Scheme, host: &Host<'_>) -> Result<(), Error> {
    if is_own(origin, scheme, host) {
        return Ok(());
    }
    Err(Error::ForeignOrigin { found: excerpt(origin), own: format!("{}://{host}", scheme.as_str()) })
}

/// Returns `true` if requests with this method change nothing: GET, HEAD and OPTIONS.
#[must_use]
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Returns `true` if a request may come from anywhere: its method is safe, and it opens no WebSocket.
pub(crate) fn is_harmless(method: &Method, headers: &HeaderMap) -> bool {
    let is_socket = |protocol: &[u8]| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket");
    let opens_socket =
        |field: &HeaderValue| field.as_bytes().split(|byte| b",/".contains(byte)).any(is_socket);
    is_safe(method) && !headers.get_all(UPGRADE).into_iter().any(opens_socket)
}

/// The value of a field that may occur only once.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Error> {
    let mut fields = headers.get_all(name).into_iter();
    let first = fields.next().map(|field| field.as_bytes());
    match fields.next() {
        Some(_) => Err(Error::RepeatedField(name.clone())),
        None => Ok(first),
    }
}

fn is_own(origin: &[u8], scheme: Scheme, host: &Host<'_>) -> bool {
    let Some((found_scheme, rest)) = origin.split_at_checked(scheme.as_str().len()) else { return false };
    let Some(Ok(found)) = rest.strip_prefix(b"://").map(Host::parse) else { return false };
    let port = |host: &Host<'_>| host.port().unwrap_or(scheme.default_port());
    found_scheme.eq_ignore_ascii_case(scheme.as_str().as_bytes())
        && found.name() == host.name()
        && port(&found) == port(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, StatusCode};
    use proptest::prelude::*;

    fn asked(
        method: &Method,
        fields: &[(&'static str, &[u8])],
        scheme: Scheme,
        host: &str,
    ) -> Result<(), Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value).expect("a field's bytes"));
        }
        check(method, &headers, scheme, &host.parse().expect("a host"))
    }

    fn post(fields: &[(&'static str, &[u8])]) -> Result<(), Error> {
        asked(&Method::POST, fields, Scheme::Https, "a.example")
    }

    #[test]
    fn safe_methods_pass_whatever_they_say_and_all_others_are_asked() {
        let evil: &[(&str, &[u8])] =
            &[("sec-fetch-site", b"cross-site"), ("origin", b"https://evil.example")];
        for method in ["GET", "HEAD", "OPTIONS"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(asked(&method, evil, Scheme::Https, "a.example"), Ok(()), "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "BREW"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert!(asked(&method, evil, Scheme::Https, "a.example").is_err(), "{method}");
        }
    }

    #[test]
    fn sec_fetch_site_decides_alone() {
        for (site, passes) in [
            (&b"same-origin"[..], true),
            (b"none", true),
            (b"same-site", false),
            (b"cross-site", false),
            (b"", false),
            (b"Same-Origin", false),
            (b"same-origin, cross-site", false),
            (b"same-origin;x", false),
            (b"\xff", false),
        ] {
            assert_eq!(post(&[("sec-fetch-site", site)]).is_ok(), passes, "{site:?}");
            // A matching Origin does not help, and a foreign one does not hurt.
            let own = [("sec-fetch-site", site), ("origin", b"https://a.example")];
            assert_eq!(post(&own).is_ok(), passes, "{site:?} with its own origin");
            let foreign = [("sec-fetch-site", site), ("origin", b"https://evil.example")];
            assert_eq!(post(&foreign).is_ok(), passes, "{site:?} with a foreign origin");
        }
    }

    #[test]
    fn without_it_the_origin_must_be_this_scheme_and_host() {
        use Scheme::{Http, Https};
        for (origin, scheme, host, passes) in [
            ("https://a.example", Https, "a.example", true),
            ("HTTPS://A.Example", Https, "a.example", true),
            ("https://a.example:443", Https, "a.example", true),
            ("https://a.example", Https, "a.example:443", true),
            ("http://a.example:80", Http, "a.example", true),
            ("http://127.0.0.1:5000", Http, "127.0.0.1:5000", true),
            ("http://[::1]:5000", Http, "[0::1]:5000", true),
            ("http://a.example", Https, "a.example", false),
            ("https://a.example", Http, "a.example", false),
            ("http://a.example:443", Https, "a.example:443", false),
            ("https://a.example:80", Http, "a.example:80", false),
            ("https://a.example:8443", Https, "a.example", false),
            ("https://a.example", Https, "a.example:8443", false),
            ("https://b.example", Https, "a.example", false),
            ("https://sub.a.example", Https, "a.example", false),
            ("https://a.example.evil.example", Https, "a.example", false),
            ("https://a.example.", Https, "a.example", false),
            ("https://evil.example@a.example", Https, "a.example", false),
            ("https://a.example@evil.example", Https, "a.example", false),
            ("https://a.example/", Https, "a.example", false),
            ("https://a.example https://evil.example", Https, "a.example", false),
            ("https:a.example", Https, "a.example", false),
            ("a.example", Https, "a.example", false),
            ("https://", Https, "a.example", false),
            ("https", Https, "a.example", false),
            ("null", Https, "a.example", false),
            ("", Https, "a.example", false),
        ] {
            let found = asked(&Method::POST, &[("origin", origin.as_bytes())], scheme, host);
            assert_eq!(found.is_ok(), passes, "{origin} at {}://{host}", scheme.as_str());
        }
    }

    #[test]
    fn without_either_it_is_no_browser() {
        assert_eq!(post(&[]), Ok(()));
        assert_eq!(post(&[("referer", b"https://evil.example/")]), Ok(()));
    }

    #[test]
    fn repeated_fields_are_refused_even_if_each_would_pass() {
        let twice = post(&[("sec-fetch-site", b"same-origin"), ("sec-fetch-site", b"same-origin")]);
        assert_eq!(twice, Err(Error::RepeatedField(SEC_FETCH_SITE)));
        let twice = post(&[("origin", b"https://a.example"), ("origin", b"https://a.example")]);
        assert_eq!(twice, Err(Error::RepeatedField(ORIGIN)));
    }

    #[test]
    fn messages_say_what_was_found_in_a_bounded_printable_form() {
        let error = post(&[("origin", b"http://evil.example")]).unwrap_err();
        assert_eq!(error.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            error.to_string(),
            "the request comes from `http://evil.example` and this is https://a.example; \
             send it from a page of this site"
        );
        let [found, own] = ["https://a.example", "http://a.example"].map(str::to_owned);
        let error = Error::ForeignOrigin { found, own }.to_string();
        assert!(error.ends_with("trust it, so that its X-Forwarded-Proto is read"), "{error}");
        let error = post(&[("sec-fetch-site", &b"\xff\tx".repeat(400))]).unwrap_err().to_string();
        assert!(error.len() < 150 && error.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_pass_for_the_origin_by_accident(bytes in proptest::collection::vec(0x20..0x7fu8, 0..40)) {
            let own = bytes.eq_ignore_ascii_case(b"https://a.example");
            prop_assert_eq!(post(&[("origin", &bytes)]).is_ok(), own);
        }
    }
}
