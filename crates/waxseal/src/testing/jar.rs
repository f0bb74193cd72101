//! The cookie jar of the test client.

use std::net::IpAddr;
use std::time::SystemTime;

use cookie::time::{Duration, OffsetDateTime};
use cookie::{Cookie, SameSite};

use super::kept_cookie::KeptCookie;

/// The most bytes of a cookie's name and value together.
const MAX_BYTES: usize = 4096;
/// The longest path, in bytes.
const MAX_ATTRIBUTE_BYTES: usize = 1024;
const MAX_COOKIE_AGE: Duration = Duration::days(400);

/// The cookies of a test's browser, by RFC 6265bis, in the order in which they were created. It has no list of public
/// suffixes: only a domain without a dot counts as one.
// `cookie_store` implements the same rules but uses the system's clock, and a test has its own clock.
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    partitioned: bool,
    /// `None` for a cookie that lasts until the browser is closed.
    expires: Option<SystemTime>,
}

/// The target and the time of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// Without a port.
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// `true` if the request is sent over TLS.
    pub(super) secure: bool,
    pub(super) now: SystemTime,
}

impl Jar {
    /// The `Cookie` header of a request, if there is one: longer paths first, then older cookies (§5.8.3).
    pub(super) fn header(&self, target: Target<'_>) -> Option<Vec<u8>> {
        let mut sent: Vec<_> = self.0.iter().filter(|kept| kept.goes_to(target)).collect();
        sent.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pairs: Vec<_> = sent.into_iter().map(Kept::pair).collect();
        (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))
    }

    /// The value of the cookie of this name, whatever its host and path.
    pub(super) fn value(&self, name: &str, now: SystemTime) -> Option<String> {
        let named = |kept: &&Kept| kept.name == name.as_bytes() && kept.lives(now);
        self.0.iter().find(named).map(|kept| String::from_utf8_lossy(&kept.value).into_owned())
    }

    /// All cookies that have not expired.
    pub(super) fn all(&self, now: SystemTime) -> Vec<KeptCookie> {
        self.0.iter().filter(|kept| kept.lives(now)).map(Kept::shown).collect()
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.0.retain(|kept| kept.name != name.as_bytes());
    }

    /// Sets a cookie for the target's host. It replaces all cookies of its name.
    pub(super) fn plant(&mut self, name: &str, value: &str, target: Target<'_>) {
        let (name, value) = (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        self.0.retain(|kept| kept.name != name);
        self.0.push(Kept {
            name,
            value,
            domain: target.host.to_ascii_lowercase(),
            host_only: true,
            path: "/".to_owned(),
            secure: target.secure,
            partitioned: false,
            expires: None,
        });
    }

    /// Keeps or removes a cookie as `Set-Cookie` in a response says (§5.7).
    pub(super) fn keep(&mut self, set_cookie: &[u8], target: Target<'_>) {
        let Some(new) = Kept::parse(set_cookie, target) else { return };
        let overlaid = |kept: &Kept| kept.secure && kept.name == new.name && kept.meets(&new);
        if !target.secure && self.0.iter().any(overlaid) {
            return;
        }
        let same = self.0.iter().position(|kept| kept.is_replaced_by(&new));
        match (same, new.lives(target.now)) {
            (Some(at), true) => self.0[at] = new,
            (Some(at), false) => drop(self.0.remove(at)),
            (None, true) => self.0.push(new),
            (None, false) => {}
        }
    }
}

impl Kept {
    /// Parses `Set-Cookie` as a browser does; `None` for a cookie that a browser would not keep.
    fn parse(set_cookie: &[u8], target: Target<'_>) -> Option<Self> {
        let end = set_cookie.iter().position(|&byte| byte == b';').unwrap_or(set_cookie.len());
        let (pair, attributes) = set_cookie.split_at(end);
        let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (trim(&pair[..at]), trim(&pair[at + 1..])),
            None => (&b""[..], trim(pair)),
        };
        let attributes = Cookie::parse(format!("name=value{}", String::from_utf8_lossy(attributes)));
        let attributes = attributes.expect("it has a name");
        let host = target.host.to_ascii_lowercase();
        let domain = attributes.domain().map(str::to_ascii_lowercase).filter(|domain| !domain.is_empty());
        let domain = domain.filter(|domain| domain.contains('.') || *domain != host);
        let host_only = domain.is_none();
        let domain = domain.unwrap_or_else(|| host.clone());
        let path =
            attributes.path().filter(|path| path.starts_with('/') && path.len() <= MAX_ATTRIBUTE_BYTES);
        let secure = attributes.secure().unwrap_or_default();
        let partitioned = attributes.partitioned().unwrap_or_default();
        let same_site_none = attributes.same_site() == Some(SameSite::None);

        // A cookie without a name must not have a value that looks like a prefixed name.
        let called = if name.is_empty() { value } else { name };
        let is_called = |prefix: &str| {
            called.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        let host_prefix = is_called("__Host-");
        let http_prefix = is_called("__Http-") || is_called("__Host-Http-");
        let any_prefix = host_prefix || http_prefix || is_called("__Secure-");
        let refused = [
            name.is_empty() && (value.is_empty() || any_prefix),
            name.len() + value.len() > MAX_BYTES,
            !matches(&host, &domain) || (!host_only && !domain.contains('.')),
            secure && !target.secure,
            !secure && (any_prefix || partitioned || same_site_none),
            host_prefix && !(host_only && path == Some("/")),
            http_prefix && !attributes.http_only().unwrap_or_default(),
        ];
        let path = path.unwrap_or_else(|| default_path(target.path)).to_owned();
        (!refused.contains(&true)).then(|| Self {
            name: name.to_vec(),
            value: value.to_vec(),
            domain,
            host_only,
            path,
            secure,
            partitioned,
            expires: expires(&attributes, target.now),
        })
    }

    fn lives(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    fn goes_to(&self, target: Target<'_>) -> bool {
        let host = target.host.to_ascii_lowercase();
        let ours = if self.host_only { host == self.domain } else { matches(&host, &self.domain) };
        ours && lies_below(target.path, &self.path)
            && (target.secure || !self.secure)
            && self.lives(target.now)
    }

    fn is_replaced_by(&self, new: &Self) -> bool {
        let key = |kept: &Self| (kept.host_only, kept.partitioned);
        key(self) == key(new) && self.name == new.name && self.domain == new.domain && self.path == new.path
    }

    /// `true` if the domain of one cookie matches that of the other, and every path that gets `new` also gets this one.
    fn meets(&self, new: &Self) -> bool {
        (matches(&self.domain, &new.domain) || matches(&new.domain, &self.domain))
            && lies_below(&new.path, &self.path)
    }

    fn shown(&self) -> KeptCookie {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        KeptCookie {
            name: text(&self.name),
            value: text(&self.value),
            domain: self.domain.clone(),
            host_only: self.host_only,
            path: self.path.clone(),
            secure: self.secure,
            expires: self.expires,
        }
    }

    fn pair(&self) -> Vec<u8> {
        match &self.name[..] {
            [] => self.value.clone(),
            name => [name, &self.value].join(&b'='),
        }
    }
}

/// When a cookie expires. Max-Age wins over Expires, and both are limited to 400 days.
fn expires(attributes: &Cookie<'_>, now: SystemTime) -> Option<SystemTime> {
    let now = OffsetDateTime::from(now);
    let end = match attributes.max_age() {
        Some(age) => now + age.min(MAX_COOKIE_AGE),
        None => attributes.expires_datetime()?.min(now + MAX_COOKIE_AGE),
    };
    Some(end.into())
}

/// Matches a host against a domain (§5.1.3).
fn matches(host: &str, domain: &str) -> bool {
    let below = || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    host == domain || (below() && host.parse::<IpAddr>().is_err())
}

/// Matches a path against a cookie's path (§5.1.4).
fn lies_below(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

/// The default path of a cookie: the folder of the page (§5.1.4).
fn default_path(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + std::time::Duration::from_secs(seconds)
    }

    fn target<'a>(url: &'a str, seconds: u64) -> Target<'a> {
        let (scheme, rest) = url.split_once("://").unwrap();
        let slash = rest.find('/').unwrap();
        Target { host: &rest[..slash], path: &rest[slash..], secure: scheme == "https", now: at(seconds) }
    }

    /// The cookies sent to the page at `to` after the page at `from` has set `set_cookies`.
    fn sent<T: AsRef<[u8]>>(from: &str, set_cookies: &[T], to: &str, seconds: u64) -> String {
        let mut jar = Jar::default();
        for set_cookie in set_cookies {
            jar.keep(set_cookie.as_ref(), target(from, 1_000));
        }
        let header = jar.header(target(to, seconds)).unwrap_or_default();
        String::from_utf8_lossy(&header).into_owned()
    }

    #[test]
    fn a_cookie_goes_where_it_belongs() {
        for (set_cookie, from, to, goes) in [
            ("a=1", "https://example.org/", "https://example.org/any/where", true),
            ("a=1", "https://example.org/", "https://www.example.org/", false),
            ("a=1", "https://example.org/shop/cart", "https://example.org/shop", true),
            ("a=1", "https://example.org/shop/cart", "https://example.org/shop/x", true),
            ("a=1", "https://example.org/shop/cart", "https://example.org/shopping", false),
            ("a=1", "https://example.org/shop/cart", "https://example.org/", false),
            ("a=1; Path=/admin", "https://example.org/", "https://example.org/", false),
            ("a=1; Path=/admin", "https://example.org/", "https://example.org/admin", true),
            ("a=1; Path=/admin/", "https://example.org/", "https://example.org/admin", false),
            ("a=1; path=admin", "https://example.org/x", "https://example.org/", true),
            ("a=1; Path=/admin; Path=/", "https://example.org/", "https://example.org/", true),
            ("a=1; Domain=example.org", "https://example.org/", "https://www.example.org/", true),
            ("a=1; DOMAIN=.Example.ORG", "https://www.example.org/", "https://EXAMPLE.org/", true),
            ("a=1; Domain=example.org", "https://example.org/", "https://badexample.org/", false),
            ("a=1; Domain=evil.example", "https://example.org/", "https://example.org/", false),
            ("a=1; Domain=evil.example", "https://example.org/", "https://evil.example/", false),
            ("a=1; Domain=www.example.org", "https://example.org/", "https://www.example.org/", false),
            ("a=1; Domain=org", "https://example.org/", "https://example.org/", false),
            ("a=1; Domain=localhost", "https://localhost/", "https://localhost/", true),
            ("a=1; Domain=localhost", "https://localhost/", "https://www.localhost/", false),
            ("a=1; Domain=", "https://example.org/", "https://example.org/", true),
            ("a=1; Domain=0.0.1", "https://127.0.0.1/", "https://127.0.0.1/", false),
            ("a=1; Secure", "https://example.org/", "https://example.org/", true),
            ("a=1; Secure", "https://example.org/", "http://example.org/", false),
            ("a=1; Secure", "http://example.org/", "https://example.org/", false),
            ("a=1", "http://example.org/", "https://example.org/", true),
            ("a=1; SameSite=None", "https://example.org/", "https://example.org/", false),
            ("a=1; SameSite=None; Secure", "https://example.org/", "https://example.org/", true),
            ("a=1; Partitioned", "https://example.org/", "https://example.org/", false),
        ] {
            assert_eq!(
                !sent(from, &[set_cookie], to, 1_000).is_empty(),
                goes,
                "{set_cookie} from {from} to {to}"
            );
        }
    }

    #[test]
    fn prefixes_keep_their_promises() {
        for (set_cookie, from, kept) in [
            ("__Host-a=1; Secure; Path=/", "https://example.org/", true),
            ("__Host-a=1; Secure", "https://example.org/", false),
            ("__Host-a=1; Secure; Path=/x", "https://example.org/", false),
            ("__Host-a=1; Path=/", "https://example.org/", false),
            ("__host-a=1; Path=/", "https://example.org/", false),
            ("__Host-a=1; Secure; Path=/; Domain=example.org", "https://example.org/", false),
            ("__Host-a=1; Secure; Path=/", "http://example.org/", false),
            ("__Secure-a=1; Secure", "https://example.org/", true),
            ("__SECURE-a=1", "https://example.org/", false),
            ("__Http-a=1; Secure", "https://example.org/", false),
            ("__Http-a=1; Secure; HttpOnly", "https://example.org/", true),
            ("=__Host-a=1; Secure; Path=/", "https://example.org/", false),
            ("__Host-a", "https://example.org/", false),
        ] {
            assert_eq!(
                !sent(from, &[set_cookie], "https://example.org/", 1_000).is_empty(),
                kept,
                "{set_cookie} from {from}"
            );
        }
    }

    #[test]
    fn a_cookie_ends_by_the_clock_of_the_test() {
        for (set_cookie, second) in [
            ("a=1; Max-Age=10", Some(1_010)),
            ("a=1; max-age=10", Some(1_010)),
            ("a=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Some(1_010)),
            ("a=1; Expires=Thu, 01 Jan 1970 00:20:00 GMT", Some(1_200)),
            ("a=1; expires=Thu, 01-Jan-1970 00:20:00 GMT", Some(1_200)),
            ("a=1; Expires=soon", None),
            ("a=1; Max-Age=soon", None),
            ("a=1", None),
            ("a=1; Max-Age=99999999999999999999", Some(1_000 + 400 * 86_400)),
            ("a=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT", Some(1_000 + 400 * 86_400)),
        ] {
            let lives = |seconds| {
                !sent("https://example.org/", &[set_cookie], "https://example.org/", seconds).is_empty()
            };
            let last = second.unwrap_or(1 << 40);
            assert!(lives(1_000) && lives(last - 1) && lives(last) == second.is_none(), "{set_cookie}");
        }
        for gone in
            ["Max-Age=0", "max-age=0", "MAX-AGE = 0", "Max-Age=-1", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"]
        {
            let set_cookies = ["a=1", &format!("a=; {gone}")];
            assert_eq!(
                sent("https://example.org/", &set_cookies, "https://example.org/", 1_000),
                "",
                "{gone}"
            );
        }
        let kept =
            sent("https://example.org/", &["a=1", "a=; Max-Age=0; Path=/x"], "https://example.org/", 1_000);
        assert_eq!(kept, "a=1", "it is another cookie");
    }

    #[test]
    fn the_same_cookie_is_replaced_and_another_of_its_name_is_kept_beside_it() {
        let page = "https://www.example.org/shop/";
        let all = [
            "a=old",
            "b=2; Path=/",
            "a=path; Path=/",
            "a=domain; Domain=example.org; Path=/",
            "a=partitioned; Path=/; Secure; Partitioned",
            "a=new",
        ];
        assert_eq!(sent(page, &all, page, 1_000), "a=new; b=2; a=path; a=domain; a=partitioned");
    }

    #[test]
    fn odd_cookies_are_kept_or_not_as_browsers_do_and_never_panic() {
        let long = format!("a={}", "x".repeat(MAX_BYTES));
        for (set_cookie, header) in [
            (&b"theme"[..], &b"theme"[..]),
            (b"=theme", b"theme"),
            (b"", b""),
            (b";", b""),
            (b"=", b""),
            (b" a \t=\t1 2 ; x", b"a=1 2"),
            (b"a=\"1; 2\"", b"a=\"1"),
            (b"a=", b"a="),
            (b"a==b=", b"a==b="),
            (b"a=\xff\xfe; Path=/\xff", b""),
            (b"a=\xff\xfe", b"a=\xff\xfe"),
            ("a=ü; Domain=bücher.example".as_bytes(), b""),
            (long.as_bytes(), b""),
            (&long.as_bytes()[..long.len() - 1], &long.as_bytes()[..long.len() - 1]),
        ] {
            let mut jar = Jar::default();
            jar.keep(set_cookie, target("https://example.org/", 1_000));
            let sent = jar.header(target("https://example.org/", 1_000)).unwrap_or_default();
            assert!(
                sent == header,
                "{}: {}",
                String::from_utf8_lossy(set_cookie),
                String::from_utf8_lossy(&sent)
            );
        }
    }

    #[test]
    fn plain_http_leaves_a_secure_cookie_alone() {
        let mut jar = Jar::default();
        jar.keep(b"a=1; Secure; Path=/", target("https://example.org/", 1_000));
        for other in [&b"a=2; Path=/"[..], b"a=2; Path=/x", b"a=; Max-Age=0; Path=/"] {
            jar.keep(other, target("http://example.org/", 1_000));
        }
        assert_eq!(jar.header(target("https://example.org/x", 1_000)).unwrap(), b"a=1");
    }
}
