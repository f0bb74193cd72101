//! The cookie that carries a session: its attributes, and the `Set-Cookie` that says them.

mod others;

use std::mem;
use std::time::{Duration, SystemTime};

use cookie::{Cookie, SameSite, time};
use http::HeaderValue;

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
/// # Ok::<(), waxseal_http::CookieError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SessionCookie {
    is: Builder,
    /// All that follows the value in `Set-Cookie`, the same each time.
    attributes: String,
}

/// The attributes of a [`SessionCookie`], to be checked together by [`build`](Self::build).
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    name: String,
    domain: Option<String>,
    path: String,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    partitioned: bool,
}

/// Attributes that no browser would keep a cookie with.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// A name with characters that a cookie's name cannot have, or longer than 255 bytes.
    #[error("{0:?} is no cookie name; use 1 to 255 letters, digits and any of !#$%&'*+-.^_`|~")]
    Name(String),
    /// A path that would break the header, or that no request has.
    #[error(
        "{0:?} is no path of a cookie; use one that begins with / and is written as in an address, without . and .."
    )]
    Path(String),
    /// A domain that browsers would refuse.
    #[error(
        "{0:?} is no domain of a cookie; use a name of two parts or more, such as example.org, in ASCII (punycode) and \
         without a dot at its end, or none, for this host alone"
    )]
    Domain(String),
    /// A name with a prefix that demands an attribute.
    #[error("a cookie called {name:?} must {demand}; change that, or its name")]
    Prefix {
        /// The cookie's name.
        name: String,
        /// What its prefix demands.
        demand: &'static str,
    },
    /// SameSite=None or Partitioned without Secure.
    #[error("a cookie with {0} must be Secure")]
    NotSecure(&'static str),
}

impl SessionCookie {
    /// Starts from the defaults of the table above.
    pub fn builder() -> Builder {
        Builder {
            name: "__Host-session".to_owned(),
            domain: None,
            path: "/".to_owned(),
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
        }
    }

    /// Starts from the defaults for development: a name of its own (cookies ignore ports, and other apps on this
    /// host may call theirs `session`), without Secure.
    pub fn development() -> Builder {
        Self::builder().name("waxseal-dev-session").secure(false)
    }

    /// The complete name, prefix included.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.is.name
    }

    /// The path that browsers send it to, and to all below.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.is.path
    }

    /// Whether browsers send the cookie over TLS only.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is.secure
    }

    /// Whether another host's page, or anybody on the wire, may have set a cookie of this name. Browsers that do not know
    /// the prefix in other letters let them.
    pub(crate) fn can_be_planted(&self) -> bool {
        !self.is.name.starts_with("__Host-")
    }

    /// `Set-Cookie` for a token that lives until `expires`, or until the browser is closed.
    pub(crate) fn set(&self, token: &str, expires: Option<SystemTime>, now: SystemTime) -> HeaderValue {
        let mut header = [self.name(), "=", token, &self.attributes].concat();
        if let Some(expires) = expires {
            let left = expires.duration_since(now).unwrap_or(Duration::ZERO);
            // Up to a whole second: the seal's times are cut to one, and 31 days should read as 31 days.
            let left = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            header.push_str(&format!("; Max-Age={left}"));
        }
        field(header)
    }

    /// `Set-Cookie` that makes the browser forget the cookie: with all attributes, or it would keep it.
    pub(crate) fn remove(&self) -> HeaderValue {
        let mut cookie = self.is.cookie();
        cookie.set_max_age(time::Duration::ZERO);
        cookie.set_expires(time::OffsetDateTime::UNIX_EPOCH);
        field(cookie.to_string())
    }
}

impl Builder {
    /// The complete name. `__Host-` and `__Secure-` make demands that browsers check; so does [`build`](Self::build).
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sends the cookie to this domain and all below it, instead of this host alone. A dot before it means nothing, and
    /// is left out, as browsers do.
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// Sends the cookie to this path and below only. No protection: pages of one host can read each other's.
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sends the cookie over TLS only.
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Hides the cookie from scripts.
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Whether other sites' requests carry the cookie.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Keeps one cookie per embedding site (CHIPS).
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Checks the attributes together.
    ///
    /// # Errors
    ///
    /// [`CookieError`] for a combination that browsers refuse (RFC 6265bis §4.1.3), or that would break the header.
    pub fn build(mut self) -> Result<SessionCookie, CookieError> {
        if self.name.is_empty() || self.name.len() > 255 || !self.name.bytes().all(is_token) {
            return Err(CookieError::Name(self.name));
        }
        if !is_path(&self.path) {
            return Err(CookieError::Path(self.path));
        }
        if let Some(domain) = &mut self.domain {
            let name = domain.strip_prefix('.').unwrap_or(domain);
            if !is_domain(name) {
                return Err(CookieError::Domain(mem::take(domain)));
            }
            *domain = name.to_ascii_lowercase();
        }
        for (wrong, demand) in self.broken_promises() {
            if wrong {
                return Err(CookieError::Prefix { name: self.name, demand });
            }
        }
        match self.secure {
            false if self.same_site == SameSite::None => Err(CookieError::NotSecure("SameSite=None")),
            false if self.partitioned => Err(CookieError::NotSecure("Partitioned")),
            _ => {
                let whole = self.cookie().to_string();
                let attributes = whole[self.name.len() + 1..].to_owned();
                Ok(SessionCookie { is: self, attributes })
            }
        }
    }

    /// The cookie, without a value.
    fn cookie(&self) -> Cookie<'_> {
        let mut cookie = Cookie::new(&self.name, "");
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain);
        }
        cookie.set_path(&self.path);
        cookie.set_http_only(self.http_only);
        cookie.set_secure(self.secure);
        cookie.set_same_site(self.same_site);
        cookie.set_partitioned(self.partitioned);
        cookie
    }

    /// What the name's prefix promises and the attributes do not keep. Browsers compare prefixes without case.
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

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A path as browsers have it in a request: RFC 6265bis §5.1.4 compares the two byte by byte. Longer ones than 1024 bytes
/// are ignored, §5.6.
fn is_path(path: &str) -> bool {
    let written = |byte: u8| byte.is_ascii_graphic() && !b"\"#;<>?\\^`{}".contains(&byte);
    path.starts_with('/')
        && path.len() <= 1024
        && path.bytes().all(written)
        && !path.split('/').any(|part| matches!(part, "." | ".."))
}

/// The name of a host with others below it, RFC 1123 §2.1: no address (its last part is no number), and more than one
/// part, since browsers take a single one for a public suffix, RFC 6265bis §5.7.
fn is_domain(name: &str) -> bool {
    let is_part = |part: &str| {
        matches!(part.len(), 1..=63)
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    // As in the URL standard: `1`, and `0x1f`, make what is before them an IPv4 address.
    let is_number = |part: &str| {
        let hex = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
        hex.map_or(part.bytes().all(|byte| byte.is_ascii_digit()), |hex| {
            hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let last = name.rsplit_once('.').map(|(_, last)| last);
    name.len() <= 253 && name.split('.').all(is_part) && last.is_some_and(|last| !is_number(last))
}

fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("name and attributes were checked by build, tokens are base64url")
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

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

    #[test]
    fn combinations_that_browsers_refuse_are_refused() {
        let new = SessionCookie::builder;
        for (case, builder) in [
            ("__Host- with a domain", new().domain("example.org")),
            ("__Host- below a path", new().path("/shop")),
            ("__Host- without Secure", new().secure(false)),
            ("__host- in small letters", new().name("__host-id").secure(false)),
            ("__Secure- without Secure", new().name("__Secure-id").secure(false)),
            ("__Http- for scripts", new().name("__Http-id").http_only(false)),
            ("SameSite=None without Secure", new().name("id").secure(false).same_site(SameSite::None)),
            ("Partitioned without Secure", new().name("id").secure(false).partitioned(true)),
            ("no name", new().name("")),
            ("a name with a semicolon", new().name("a;b")),
            ("a name with a space", new().name("a b")),
            ("a name that is too long", new().name(&"a".repeat(256))),
            ("a path that ends the attribute", new().name("id").path("/;Domain=evil.example")),
            ("a path that ends the line", new().name("id").path("/\r\nX: y")),
            ("a relative path", new().name("id").path("shop")),
            ("a domain that ends the attribute", new().name("id").domain("a;b")),
        ] {
            assert!(builder.build().is_err(), "{case}");
        }
    }

    #[test]
    fn a_domain_is_one_that_browsers_take() {
        let build = |domain: &str| SessionCookie::builder().name("id").domain(domain).build();
        let long = ["a"; 127].join(".");
        for (domain, kept) in [
            ("example.org", "example.org"),
            (".example.org", "example.org"),
            ("Shop.EXAMPLE.org", "shop.example.org"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("1.example.org", "1.example.org"),
            ("a-b.c", "a-b.c"),
            (&*format!("{}.org", "a".repeat(63)), &*format!("{}.org", "a".repeat(63))),
            (&*long, &*long),
        ] {
            let cookie = build(domain).unwrap();
            assert!(
                cookie.set("", None, UNIX_EPOCH).to_str().unwrap().ends_with(&format!("Domain={kept}")),
                "{domain}"
            );
        }
        for domain in [
            "",
            ".",
            "..",
            "a..b",
            "..example.org",
            "example.org.",
            "example.org..",
            "localhost",
            ".localhost",
            "org",
            "127.0.0.1",
            "10.1",
            "0x7f.1",
            "1.2.3.0x1f",
            "example.0x",
            "[::1]",
            "::1",
            "2001:db8::1",
            "example.org:443",
            "https://example.org",
            "example.org/",
            " example.org",
            "example.org ",
            "exa mple.org",
            "example.org\n",
            "-a.b",
            "a-.b",
            "a.-b",
            "a.b-",
            "under_score.org",
            "bücher.example",
            "*.example.org",
            "a,b.org",
            "a\0.org",
            &format!("{}.org", "a".repeat(64)),
            &format!("{long}.a"),
        ] {
            assert_eq!(build(domain).err(), Some(CookieError::Domain(domain.to_owned())), "{domain:?}");
        }
    }

    #[test]
    fn a_path_is_one_that_requests_have() {
        let build = |path: &str| SessionCookie::builder().name("id").path(path).build();
        for path in [
            "/",
            "/shop",
            "/shop/",
            "/a//b",
            "/b%C3%BCcher",
            "/~me/a.b/..c",
            "/a=b&c,d:e@f!$'()*+|",
            &format!("/{}", "a".repeat(1023)),
        ] {
            assert!(build(path).is_ok(), "{path}");
        }
        for path in [
            "",
            "shop",
            " /",
            "/a b",
            "/a;b",
            "/a?b",
            "/a#b",
            "/a\\b",
            "/bücher",
            "/a\tb",
            "/a\0",
            "/\"a\"",
            "/.",
            "/..",
            "/shop/../",
            "/./shop",
            "https://example.org/",
            &format!("/{}", "a".repeat(1024)),
        ] {
            assert_eq!(build(path).err(), Some(CookieError::Path(path.to_owned())), "{path:?}");
        }
    }
}
