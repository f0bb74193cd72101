//! Security headers.

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::start_error::StartError;

/// Allows resources of this app alone, and images as `data:`, too. Forms can be sent to this app alone, and no frame
/// may contain a page.
const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'; object-src 'none'";
/// One year, for this host without its subdomains.
const HSTS_ONE_YEAR: &str = "max-age=31536000";

/// Security headers, which are added to every response that does not have them.
///
/// | header | default | |
/// |---|---|---|
/// | `Content-Security-Policy` | `default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'` | no inline scripts or styles, nothing from other sites, no frame around a page |
/// | `X-Content-Type-Options` | `nosniff` | browsers do not guess the type of a file |
/// | `Referrer-Policy` | `same-origin` | other sites do not learn where a visitor came from |
/// | `Strict-Transport-Security` | `max-age=31536000` | TLS only, for a year; left out if the session cookie is not Secure, and in development |
///
/// A header that a handler has set is kept.
///
/// # Example
///
/// ```
/// use waxseal::{App, SecurityHeaders};
///
/// let headers = SecurityHeaders::default()
///     .set("content-security-policy", "default-src 'self'; script-src 'self' https://cdn.example")
///     .set("permissions-policy", "camera=(), microphone=()")
///     .without("strict-transport-security");
/// let app = App::new("demo").security_headers(headers);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct SecurityHeaders(Vec<(String, String)>);

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self::none()
            .set(CONTENT_SECURITY_POLICY.as_str(), CONTENT_POLICY)
            .set(X_CONTENT_TYPE_OPTIONS.as_str(), "nosniff")
            .set(REFERRER_POLICY.as_str(), "same-origin")
            .set(STRICT_TRANSPORT_SECURITY.as_str(), HSTS_ONE_YEAR)
    }
}

impl SecurityHeaders {
    /// No headers.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Sets a header, one of the table's or any other. It is checked when the app is built.
    pub fn set(self, name: &str, value: &str) -> Self {
        let mut headers = self.without(name);
        headers.0.push((name.to_ascii_lowercase(), value.to_owned()));
        headers
    }

    /// Removes a header.
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self
    }

    /// Parses the headers. `Strict-Transport-Security` is left out unless `on_tls`.
    pub(crate) fn build(&self, on_tls: bool) -> Result<Vec<(HeaderName, HeaderValue)>, StartError> {
        let mut headers = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let unfit = || StartError::Header { name: name.clone(), value: value.clone() };
            let parsed = name.parse::<HeaderName>().map_err(|_| unfit())?;
            let value = value.parse::<HeaderValue>().map_err(|_| unfit())?;
            if on_tls || parsed != STRICT_TRANSPORT_SECURITY {
                headers.push((parsed, value));
            }
        }
        Ok(headers)
    }
}

/// Adds the headers that a response does not have.
pub(crate) fn apply(security: &[(HeaderName, HeaderValue)], headers: &mut HeaderMap) {
    for (name, value) in security {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}
