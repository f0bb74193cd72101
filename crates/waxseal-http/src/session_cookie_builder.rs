//! The builder of session cookies.

use crate::cookie_attributes::Attributes;
use crate::same_site::SameSite;
use crate::session_cookie::SessionCookie;
use crate::setup_error::SetupError;

/// The attributes of a [`SessionCookie`], which [`build`](Self::build) checks together.
#[derive(Debug, Clone)]
#[must_use]
pub struct SessionCookieBuilder(Attributes);

impl SessionCookie {
    /// Starts from the defaults of the [table](SessionCookie).
    pub fn builder() -> SessionCookieBuilder {
        SessionCookieBuilder(Attributes {
            name: "__Host-session".to_owned(),
            domain: None,
            path: "/".to_owned(),
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
        })
    }

    /// Starts from the defaults for development: without Secure, and with a name of its own, because cookies ignore
    /// ports and other apps on this host may use `session`.
    pub fn development() -> SessionCookieBuilder {
        Self::builder().name("waxseal-dev-session").secure(false)
    }
}

impl SessionCookieBuilder {
    /// Sets the complete name. The prefixes `__Host-` and `__Secure-` require attributes. Browsers check them, and so
    /// does [`build`](Self::build).
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.0.name);
        self
    }

    /// Sends the cookie to this domain and all of its subdomains, instead of this host alone. A dot in front has no
    /// meaning and is removed, as in browsers.
    pub fn domain(mut self, domain: &str) -> Self {
        self.0.domain = Some(domain.to_owned());
        self
    }

    /// Sends the cookie to this path and below only. This is no protection: pages of one host can read each other's
    /// cookies.
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.0.path);
        self
    }

    /// Sends the cookie over TLS only.
    pub fn secure(mut self, secure: bool) -> Self {
        self.0.secure = secure;
        self
    }

    /// Hides the cookie from scripts.
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.0.http_only = http_only;
        self
    }

    /// Sets which requests from other sites carry the cookie.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.0.same_site = same_site;
        self
    }

    /// Keeps one cookie per embedding site (CHIPS).
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.0.partitioned = partitioned;
        self
    }

    /// Checks the attributes together.
    ///
    /// # Errors
    ///
    /// [`SetupError`] for a combination that browsers refuse (RFC 6265bis §4.1.3), or that would break the header.
    pub fn build(self) -> Result<SessionCookie, SetupError> {
        self.0.checked().map(SessionCookie::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

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
            let error = build(domain).err();
            assert!(
                matches!(&error, Some(SetupError::CookieDomain(found)) if found == domain),
                "{domain:?}: {error:?}"
            );
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
            let error = build(path).err();
            assert!(
                matches!(&error, Some(SetupError::CookiePath(found)) if found == path),
                "{path:?}: {error:?}"
            );
        }
    }
}
