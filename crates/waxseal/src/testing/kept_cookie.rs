//! A cookie that the test client keeps, as a test reads it.

use std::time::SystemTime;

/// A cookie that the test client keeps; from [`Client::cookies`](super::Client::cookies).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptCookie {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// The host that set the cookie, or the domain that it was set for.
    pub domain: String,
    /// `true` if the cookie is sent to the host alone, and not to its subdomains.
    pub host_only: bool,
    /// The path below which the cookie is sent.
    pub path: String,
    /// `true` if the cookie is sent over TLS only.
    pub secure: bool,
    /// When the cookie expires; `None` if it lasts until the browser is closed.
    pub expires: Option<SystemTime>,
}
