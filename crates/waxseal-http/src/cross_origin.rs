//! Which other sites may send unsafe requests.

use http::header::ORIGIN;
use http::{HeaderMap, Request};

use crate::error::Error;
use crate::excerpt::excerpt;
use crate::host;
use crate::host_name::Host;
use crate::origin::{self, Scheme};
use crate::setup_error::SetupError;

/// The requests from other sites that a [`SessionLayer`](crate::SessionLayer) lets through.
///
/// A page of another site can send forms and requests of scripts with the visitor's cookies. So a layer refuses
/// requests that a browser marks as another site's, if they are unsafe or open a WebSocket. All methods but GET, HEAD
/// and OPTIONS are unsafe. The mark is `Sec-Fetch-Site` or, without that, an `Origin` that differs from the request's
/// `Host`. A request with neither does not come from a browser and passes.
///
/// # Example
///
/// For a single-page app on another origin, and a webhook that a browser-based service calls:
///
/// ```
/// use waxseal_http::CrossOrigin;
///
/// let rule = CrossOrigin::refuse().trust(["https://app.example"])?.except("/webhooks/");
/// # Ok::<(), waxseal_http::SetupError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CrossOrigin {
    allows_all: bool,
    trusted: Vec<String>,
    excepted: Vec<String>,
}

impl CrossOrigin {
    /// Refuses the unsafe requests of all other sites. This is the default.
    #[must_use]
    pub fn refuse() -> Self {
        Self::default()
    }

    /// Lets all requests through, for an app that requires a CSRF token for each unsafe request, or that does not keep its
    /// sessions in cookies.
    ///
    /// `SameSite=Lax`, the cookie's default, still withholds the session from the forms of most other sites, but not from
    /// those of other hosts under the same registrable domain.
    #[must_use]
    pub fn allow() -> Self {
        Self { allows_all: true, ..Self::default() }
    }

    /// Lets through requests from pages of these origins, each written as browsers do: `https://app.example`,
    /// `http://localhost:5173`, `tauri://localhost`.
    ///
    /// Scripts of these pages also need CORS headers in the responses, such as those of tower-http's `CorsLayer` with
    /// `allow_credentials(true)`. If they are on another site, they also need a cookie with `SameSite=None`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Origin`] for the first text that is not an origin.
    pub fn trust<O: AsRef<str>>(mut self, origins: impl IntoIterator<Item = O>) -> Result<Self, SetupError> {
        for origin in origins {
            let origin = origin.as_ref();
            self.trusted.push(serialized(origin).ok_or_else(|| SetupError::Origin(origin.to_owned()))?);
        }
        Ok(self)
    }

    /// Lets through all requests for `path`. If it ends in `/`, also those for all paths below it.
    ///
    /// It is compared with the path that the layer sees, byte by byte and without decoding.
    #[must_use]
    pub fn except(mut self, path: impl Into<String>) -> Self {
        self.excepted.push(path.into());
        self
    }

    /// Lets a request through, or returns the reason why not.
    pub(crate) fn check<A>(&self, request: &Request<A>, scheme: Scheme) -> Result<(), Error> {
        let headers = request.headers();
        let is_harmless = origin::is_harmless(request.method(), headers);
        if self.allows_all || is_harmless || self.excepts(request.uri().path()) {
            return Ok(());
        }
        match origin::claimed(headers) {
            Ok(None) => Ok(()),
            _ if self.trusts(headers) => Ok(()),
            Err(refused) => Err(refused),
            Ok(Some(origin)) => match host::host(request.version(), request.uri(), headers) {
                Ok(host) => origin::compare(origin, scheme, &host),
                Err(Error::MissingHost) => Err(Error::UnknownOrigin(excerpt(origin))),
                Err(wrong) => Err(wrong),
            },
        }
    }

    fn excepts(&self, path: &str) -> bool {
        self.excepted.iter().any(|excepted| match excepted.ends_with('/') {
            true => path.starts_with(excepted),
            false => path == excepted,
        })
    }

    fn trusts(&self, headers: &HeaderMap) -> bool {
        let Ok(Some(origin)) = origin::only(headers, &ORIGIN) else { return false };
        self.trusted.iter().any(|trusted| origin.eq_ignore_ascii_case(trusted.as_bytes()))
    }
}

/// An origin as browsers write it: without the scheme's default port.
fn serialized(origin: &str) -> Option<String> {
    let (scheme, host) = origin.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let host = Host::parse(host.as_bytes()).ok().filter(|_| is_scheme)?;
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let port = host.port().filter(|port| Some(*port) != usual);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{}{port}", host.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, StatusCode};

    fn asked(rule: &CrossOrigin, path: &str, fields: &[(&str, &str)]) -> Result<(), Error> {
        let mut request = Request::builder().method(Method::POST).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        rule.check(&request.body(()).expect("a request"), Scheme::Https)
    }

    #[test]
    fn what_no_browser_sent_passes_also_without_a_host() {
        let rule = CrossOrigin::refuse();
        for fields in
            [&[][..], &[("host", "a.example")], &[("host", "a b")], &[("sec-fetch-site", "same-origin")]]
        {
            assert_eq!(asked(&rule, "/", fields), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn an_origin_needs_a_host_to_be_compared_with() {
        let rule = CrossOrigin::refuse();
        let error = asked(&rule, "/", &[("origin", "https://a.example")]).unwrap_err();
        assert_eq!(error, Error::UnknownOrigin("https://a.example".to_owned()));
        assert_eq!(error.status(), StatusCode::FORBIDDEN);
        let own = [("origin", "https://a.example"), ("host", "a.example")];
        assert_eq!(asked(&rule, "/", &own), Ok(()));
        let two = [("origin", "https://a.example"), ("host", "a.example"), ("host", "a.example")];
        assert_eq!(asked(&rule, "/", &two), Err(Error::RepeatedHost));
        let version_2 = Request::post("https://a.example/")
            .version(http::Version::HTTP_2)
            .header("origin", "https://a.example")
            .body(())
            .unwrap();
        assert_eq!(rule.check(&version_2, Scheme::Https), Ok(()), "its :authority");
    }

    #[test]
    fn a_trusted_origin_passes_whatever_the_browser_calls_the_request() {
        let rule = CrossOrigin::refuse().trust(["https://App.example:443", "tauri://localhost"]).unwrap();
        for (fields, passes) in [
            (&[("origin", "https://app.example")][..], true),
            (&[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")], true),
            (
                &[("origin", "https://app.example"), ("sec-fetch-site", "same-site"), ("host", "a.example")],
                true,
            ),
            (&[("origin", "tauri://localhost")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://app.example"), ("origin", "https://app.example")], false),
            (&[("origin", "http://app.example"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://app.example:8443"), ("host", "a.example")], false),
            (&[("origin", "https://app.example.evil.example"), ("host", "a.example")], false),
            (&[("origin", "null"), ("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(asked(&rule, "/", fields).is_ok(), passes, "{fields:?}");
        }
    }

    #[test]
    fn a_socket_is_opened_only_by_who_may_write() {
        let opens = |rule: &CrossOrigin, method: &str, upgrade: &str| {
            let request = Request::builder().method(method).uri("/live").header("upgrade", upgrade);
            let request = request.header("host", "a.example").header("origin", "https://b.example");
            rule.check(&request.body(()).expect("a request"), Scheme::Https).is_ok()
        };
        let rule = CrossOrigin::refuse();
        for upgrade in ["websocket", "WebSocket", "h2c, websocket", "websocket/13", " websocket "] {
            assert!(!opens(&rule, "GET", upgrade), "{upgrade:?}");
        }
        assert!(!opens(&rule, "HEAD", "websocket") && !opens(&rule, "OPTIONS", "websocket"));
        assert!(opens(&rule, "GET", "h2c") && opens(&rule, "GET", ""));
        assert!(opens(&rule.clone().trust(["https://b.example"]).unwrap(), "GET", "websocket"));
        assert!(opens(&rule.except("/live"), "GET", "websocket"));
        assert!(opens(&CrossOrigin::allow(), "GET", "websocket"));
    }

    #[test]
    fn an_exception_is_one_path_or_all_below() {
        let rule = CrossOrigin::refuse().except("/hook").except("/hooks/");
        for (path, passes) in [
            ("/hook", true),
            ("/hook?a=b", true),
            ("/hooks/a/b", true),
            ("/", false),
            ("/hook/", false),
            ("/hooks", false),
            ("/HOOK", false),
            ("/%68ook", false),
            ("/a/hook", false),
        ] {
            assert_eq!(asked(&rule, path, &[("sec-fetch-site", "cross-site")]).is_ok(), passes, "{path}");
        }
        assert_eq!(asked(&CrossOrigin::allow(), "/", &[("origin", "null")]), Ok(()));
    }

    #[test]
    fn a_trusted_origin_is_written_as_browsers_do() {
        for (text, kept) in [
            ("https://a.example", Some("https://a.example")),
            ("https://A.example:443", Some("https://a.example")),
            ("http://localhost:5173", Some("http://localhost:5173")),
            ("http://[::1]:80", Some("http://[::1]")),
            ("chrome-extension://abcdef", Some("chrome-extension://abcdef")),
            ("https://a.example/", None),
            ("https://*.example", None),
            ("a.example", None),
            ("//a.example", None),
            ("https://", None),
            ("https://user@a.example", None),
            ("null", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(serialized(text).as_deref(), kept, "{text:?}");
        }
    }
}
