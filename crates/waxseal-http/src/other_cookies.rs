//! `Set-Cookie` lines that delete other cookies of this name: those from before Domain, Path or Partitioned was
//! changed, and planted ones.

use std::net::Ipv4Addr;

use cookie::time;
use http::HeaderValue;

use crate::cookie_attributes::Attributes;
use crate::cookie_syntax::is_path;
use crate::session_cookie::{SessionCookie, field};

/// The most lines; with that of the session's own cookie there are 32.
const MAX_LINES: usize = 31;
/// The most bytes of all lines together, since the heads of responses are limited, in proxies, too.
const MAX_BYTES: usize = 8_192;

/// The partition, path and domain of a cookie. A browser keeps one cookie of a name for each combination.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Scope<'a> {
    partitioned: bool,
    path: &'a str,
    domain: Option<&'a str>,
}

impl SessionCookie {
    /// `Set-Cookie` lines that delete every other cookie of this name that the browser could have sent to this host and
    /// path: those of the host or a domain above it, of the path or one above it, partitioned or not. There are at most
    /// 31, the likeliest first. A line for a cookie that a browser would not let this host set does nothing.
    pub(crate) fn remove_others(&self, host: Option<&str>, path: &str) -> Vec<HeaderValue> {
        let Attributes { secure, partitioned, .. } = self.attributes;
        let own =
            Scope { partitioned, path: &self.attributes.path, domain: self.attributes.domain.as_deref() };
        let (domains, paths) = match self.can_be_planted() {
            true => (domains(host.unwrap_or_default()), paths(path)),
            false => (vec![None], vec!["/"]),
        };
        let partitions: &[bool] = if secure { &[false, true] } else { &[false] };
        // First this cookie in the other partition, and then all others.
        let first = secure.then_some(Scope { partitioned: !partitioned, ..own });
        let all = partitions.iter().flat_map(|&partitioned| {
            let domains = &domains;
            let in_path = move |&path| domains.iter().map(move |&domain| Scope { partitioned, path, domain });
            paths.iter().flat_map(in_path)
        });
        let others = all.filter(|scope| *scope != own && Some(*scope) != first);
        let mut bytes = 0;
        let lines = first.into_iter().chain(others).map(|scope| self.remove_in(scope)).take(MAX_LINES);
        lines
            .take_while(|line| {
                bytes += line.len();
                bytes <= MAX_BYTES
            })
            .collect()
    }

    fn remove_in(&self, scope: Scope<'_>) -> HeaderValue {
        let other = Attributes {
            domain: scope.domain.map(str::to_owned),
            path: scope.path.to_owned(),
            partitioned: scope.partitioned,
            ..self.attributes.clone()
        };
        let mut cookie = other.cookie();
        cookie.set_max_age(time::Duration::ZERO);
        field(cookie.to_string())
    }
}

/// The values that `Domain` may have in a cookie that is sent to this host: none, the host itself, and each domain
/// above it. An address has no domain above it, and browsers treat a `Domain` of one label as absent.
fn domains(host: &str) -> Vec<Option<&str>> {
    let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    let names = std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, above)| above));
    let names = names.filter(|name| !is_address && name.contains('.') && !host.ends_with('.'));
    [None].into_iter().chain(names.map(Some)).take(MAX_LINES).collect()
}

/// The values that `Path` may have in a cookie that is sent to this path: `/`, the path, and each prefix of it that ends
/// before or after a slash. The shortest come first, and those that end in a slash last, because they are rarely set.
fn paths(path: &str) -> Vec<&str> {
    let slashes = || path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).take(MAX_LINES);
    let before = slashes().map(|at| &path[..at]).chain([path]);
    let behind = slashes().map(|at| &path[..=at]);
    let mut found = vec!["/"];
    for prefix in before.chain(behind) {
        if is_path(prefix) && !found.contains(&prefix) {
            found.push(prefix);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_cookie_builder::SessionCookieBuilder;

    fn lines(cookie: &SessionCookie, host: &str, path: &str) -> Vec<String> {
        let lines = cookie.remove_others(Some(host).filter(|host| !host.is_empty()), path);
        lines.iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    /// The partition, path and domain of each line.
    fn places(cookie: &SessionCookie, host: &str, path: &str) -> Vec<String> {
        let attribute = |line: &str, name: &str| {
            line.split("; ").find_map(|part| part.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        let place = |line: &String| {
            let mark = if line.contains("; Partitioned") { "*" } else { "" };
            format!("{mark}{}{}", attribute(line, "Domain="), attribute(line, "Path="))
        };
        lines(cookie, host, path).iter().map(place).collect()
    }

    fn named(name: &str) -> SessionCookieBuilder {
        SessionCookie::builder().name(name)
    }

    #[test]
    fn a_host_cookie_has_one_other_place() {
        for (partitioned, other) in [
            (false, "__Host-session=; HttpOnly; SameSite=Lax; Partitioned; Secure; Path=/; Max-Age=0"),
            (true, "__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"),
        ] {
            let cookie = SessionCookie::builder().partitioned(partitioned).build().unwrap();
            assert_eq!(lines(&cookie, "shop.example.org", "/a/b"), [other]);
        }
    }

    #[test]
    fn every_place_that_a_browser_could_have_sent_from_but_ours() {
        let sid = || named("sid").secure(false);
        for (case, builder, host, path, expected) in [
            ("a name, a path", sid(), "example.org", "/", &["example.org/"][..]),
            (
                "domains above",
                sid(),
                "a.b.example.org",
                "/",
                &["a.b.example.org/", "b.example.org/", "example.org/"],
            ),
            ("our own domain", sid().domain("Example.org"), "a.example.org", "/", &["/", "a.example.org/"]),
            ("with a dot before it", sid().domain(".example.org"), "example.org", "/", &["/"]),
            ("paths above", sid(), "localhost", "/a/b", &["/a", "/a/b", "/a/"]),
            ("a path that ends in a slash", sid(), "localhost", "/a/b/", &["/a", "/a/b", "/a/b/", "/a/"]),
            ("our own path", sid().path("/a"), "localhost", "/a/b", &["/", "/a/b", "/a/"]),
            ("slashes", sid(), "localhost", "//a", &["//a", "//"]),
            ("one label", sid(), "localhost", "/", &[]),
            ("an address", sid(), "127.0.0.1", "/", &[]),
            ("an address in brackets", sid(), "[::1]", "/", &[]),
            ("the root", sid(), "example.org.", "/", &[]),
            ("no host", sid(), "", "/a", &["/a"]),
            ("no path", sid(), "localhost", "*", &[]),
            ("an attribute in the path", sid(), "localhost", "/a;Domain=b/c", &[]),
            ("over TLS", named("sid"), "localhost", "/a", &["*/", "/a", "*/a"]),
            ("partitioned", named("sid").partitioned(true), "localhost", "/a", &["/", "/a", "*/a"]),
            (
                "over TLS, with a domain",
                named("__Secure-sid").domain("example.org"),
                "example.org",
                "/",
                &["*example.org/", "/", "*/"],
            ),
        ] {
            assert_eq!(places(&builder.build().unwrap(), host, path), expected, "{case}");
        }
    }

    #[test]
    fn a_long_path_costs_no_more_than_a_short_one() {
        let cookie = named("sid").build().unwrap();
        let long = format!("/{}", "a/".repeat(4_000));
        for (case, path) in [
            ("many parts", long.as_str()),
            ("long parts", &"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(60)),
        ] {
            let lines = lines(&cookie, "a.b.c.d.e.f.g.h.example.org", path);
            assert!(lines.len() <= MAX_LINES, "{case}: {}", lines.len());
            assert!(lines.iter().map(String::len).sum::<usize>() <= MAX_BYTES, "{case}");
        }
    }
}
