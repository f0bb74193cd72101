//! The attributes of a session cookie, and the rules that browsers have for them.

use std::mem;

use cookie::Cookie;

use crate::cookie_syntax::{is_domain, is_path, is_token};
use crate::same_site::SameSite;
use crate::setup_error::SetupError;

/// The name and attributes of a cookie.
#[derive(Debug, Clone)]
pub(crate) struct Attributes {
    pub(crate) name: String,
    pub(crate) domain: Option<String>,
    pub(crate) path: String,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    pub(crate) same_site: SameSite,
    pub(crate) partitioned: bool,
}

impl Attributes {
    /// Checks the attributes together, and converts the domain into the form that browsers use.
    pub(crate) fn checked(mut self) -> Result<Self, SetupError> {
        if self.name.is_empty() || self.name.len() > 255 || !self.name.bytes().all(is_token) {
            return Err(SetupError::CookieName(self.name));
        }
        if !is_path(&self.path) {
            return Err(SetupError::CookiePath(self.path));
        }
        if let Some(domain) = &mut self.domain {
            let name = domain.strip_prefix('.').unwrap_or(domain);
            if !is_domain(name) {
                return Err(SetupError::CookieDomain(mem::take(domain)));
            }
            *domain = name.to_ascii_lowercase();
        }
        for (wrong, demand) in self.broken_promises() {
            if wrong {
                return Err(SetupError::CookiePrefix { name: self.name, demand });
            }
        }
        match self.secure {
            false if self.same_site == SameSite::None => Err(SetupError::CookieNotSecure("SameSite=None")),
            false if self.partitioned => Err(SetupError::CookieNotSecure("Partitioned")),
            _ => Ok(self),
        }
    }

    /// The cookie, without a value.
    pub(crate) fn cookie(&self) -> Cookie<'_> {
        let mut cookie = Cookie::new(&self.name, "");
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain);
        }
        cookie.set_path(&self.path);
        cookie.set_http_only(self.http_only);
        cookie.set_secure(self.secure);
        cookie.set_same_site(match self.same_site {
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::None => cookie::SameSite::None,
        });
        cookie.set_partitioned(self.partitioned);
        cookie
    }

    /// The demands of the name's prefix, each with `true` if the attributes break it. Browsers ignore the case of prefixes.
    fn broken_promises(&self) -> [(bool, &'static str); 4] {
        let name = self.name.to_ascii_lowercase();
        let host = name.starts_with("__host-");
        let http = name.starts_with("__http-") || name.starts_with("__host-http-");
        let secure = host || http || name.starts_with("__secure-");
        [
            (secure && !self.secure, "be Secure"),
            (http && !self.http_only, "be HttpOnly"),
            (host && self.domain.is_some(), "have no Domain"),
            (host && self.path != "/", "have the Path /"),
        ]
    }
}
