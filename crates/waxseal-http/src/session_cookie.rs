//! The cookie that carries a session, and its `Set-Cookie` lines.

use std::time::{Duration, SystemTime};

use cookie::time;
use http::HeaderValue;

use crate::cookie_attributes::Attributes;

/// A cookie that carries a session.
///
/// | | default | in development |
/// |---|---|---|
/// | name | `__Host-session` | `waxseal-dev-session` |
/// | Secure | yes | no: over plain HTTP |
/// | HttpOnly | yes | yes |
/// | SameSite | Lax | Lax |
/// | Path | `/` | `/` |
/// | Domain, Partitioned | none | none |
///
/// # Example
///
/// ```
/// use waxseal_http::{SameSite, SessionCookie};
///
/// let cookie = SessionCookie::builder().name("shop").same_site(SameSite::Strict).build()?;
/// assert_eq!(cookie.name(), "shop");
/// assert!(SessionCookie::builder().domain("example.org").build().is_err()); // `__Host-` means this host alone
/// # Ok::<(), waxseal_http::SetupError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SessionCookie {
    pub(crate) attributes: Attributes,
    /// Everything after the value in `Set-Cookie`, which is always the same.
    suffix: String,
}

impl SessionCookie {
    pub(crate) fn new(attributes: Attributes) -> Self {
        let whole = attributes.cookie().to_string();
        let suffix = whole[attributes.name.len() + 1..].to_owned();
        Self { attributes, suffix }
    }

    /// The same cookie, but Secure.
    pub(crate) fn secured(&self) -> Self {
        Self::new(Attributes { secure: true, ..self.attributes.clone() })
    }

    /// The complete name, including its prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.attributes.name
    }

    /// The path at and below which browsers send it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.attributes.path
    }

    /// Returns `true` if browsers send the cookie over TLS only.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.attributes.secure
    }

    /// The attributes, as in `Set-Cookie`.
    #[cfg(feature = "device")]
    pub(crate) fn attributes_text(&self) -> &str {
        self.suffix.trim_start_matches("; ")
    }

    /// Returns `true` if a page of another host, or an attacker on the network, may have set a cookie of this name. The
    /// prefix `__Host-` prevents that only in this spelling, since some browsers know no other.
    pub(crate) fn can_be_planted(&self) -> bool {
        !self.attributes.name.starts_with("__Host-")
    }

    /// `Set-Cookie` for a token that the browser keeps until `expires`, or until it is closed.
    pub(crate) fn set(&self, token: &str, expires: Option<SystemTime>, now: SystemTime) -> HeaderValue {
        let mut header = [self.name(), "=", token, &self.suffix].concat();
        if let Some(expires) = expires {
            let left = expires.duration_since(now).unwrap_or(Duration::ZERO);
            // Rounded up to a second: sealed times are rounded down, and 31 days should read as 31 days.
            let left = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            header.push_str(&format!("; Max-Age={left}"));
        }
        field(header)
    }

    /// `Set-Cookie` that deletes the cookie. It needs all attributes, or the browser would keep the cookie.
    pub(crate) fn remove(&self) -> HeaderValue {
        let mut cookie = self.attributes.cookie();
        cookie.set_max_age(time::Duration::ZERO);
        cookie.set_expires(time::OffsetDateTime::UNIX_EPOCH);
        field(cookie.to_string())
    }
}

/// The value of a `Set-Cookie` line.
pub(crate) fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("name and attributes were checked by build, tokens are base64url")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_session_cookie_says_all_its_attributes() {
        let cookie = SessionCookie::builder().build().unwrap();
        assert_eq!(
            cookie.set("AU57", None, UNIX_EPOCH),
            "__Host-session=AU57; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
        let cookie =
            SessionCookie::builder().name("id").domain("example.org").path("/shop").partitioned(true);
        assert_eq!(
            cookie.build().unwrap().set("AU57", Some(UNIX_EPOCH + Duration::from_millis(59_100)), UNIX_EPOCH),
            "id=AU57; HttpOnly; SameSite=Lax; Partitioned; Secure; Path=/shop; Domain=example.org; Max-Age=60"
        );
    }

    #[test]
    fn removing_repeats_the_attributes() {
        assert_eq!(
            SessionCookie::builder().build().unwrap().remove(),
            "__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }
}
