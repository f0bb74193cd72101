//! A cookie of the test client, as a test reads it.

use std::time::SystemTime;

/// A cookie that the test client keeps; from [`Client::cookies`](super::Client::cookies).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptCookie {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// The host that set it, or the domain that it was set for.
    pub domain: String,
    /// It goes to the host alone, and not to hosts below it.
    pub host_only: bool,
    /// The path that it goes to, and below.
    pub path: String,
    /// It goes over TLS alone.
    pub secure: bool,
    /// Its end; `None` until the browser is closed.
    pub expires: Option<SystemTime>,
}
