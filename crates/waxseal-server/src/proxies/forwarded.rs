//! A request's client, according to trusted proxies.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};

use super::element::{Element, address, elements, list};
use super::headers::ForwardedHeaders;
use super::root_path::RootPath;
use super::trusted::TrustedProxies;
use crate::peer::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// A request's client, according to the trusted proxies.
///
/// The address is the rightmost one that is not that of a trusted proxy. Each proxy appends the address from which it
/// got the request, and anything to the left of the first untrusted address may be forged. Scheme and host are those
/// that the same proxy sent.
///
/// # Example
///
/// ```
/// use http::HeaderMap;
/// use waxseal_server::{Forwarded, ForwardedHeaders, Peer, TrustedProxies};
///
/// let trusted: TrustedProxies = "10.0.0.0/8".parse()?;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "forged, 192.0.2.7, 10.0.0.2".parse()?);
/// headers.insert("x-forwarded-proto", "https".parse()?);
///
/// let proxy = Peer::from(std::net::SocketAddr::from(([10, 0, 0, 1], 40_000)));
/// let told = Forwarded::read(&headers, proxy, &trusted, ForwardedHeaders::default());
/// assert_eq!(told.address, Some([192, 0, 2, 7].into()));
/// assert_eq!(told.is_https, Some(true));
///
/// let anybody = Peer::from(std::net::SocketAddr::from(([192, 0, 2, 9], 40_000)));
/// let told = Forwarded::read(&headers, anybody, &trusted, ForwardedHeaders::default());
/// assert_eq!(told.address, Some([192, 0, 2, 9].into()));
/// assert_eq!(told.is_https, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarded {
    /// The client's address. `None` behind a Unix socket whose proxy does not send an address, and if a proxy sends
    /// `unknown`, an obfuscated name, or something malformed.
    pub address: Option<IpAddr>,
    /// `true` if the client uses https. `None` if no trusted proxy says.
    pub is_https: Option<bool>,
    /// The host that the client requested, as the proxy sent it. It is not checked.
    pub host: Option<String>,
    /// The path below which the app is, which the proxy has removed from the request's path.
    pub prefix: Option<RootPath>,
}

impl Forwarded {
    /// Reads `headers` if `peer` is one of the `trusted` proxies. Otherwise reads no header, and the address is the
    /// peer's.
    #[must_use]
    pub fn read(headers: &HeaderMap, peer: Peer, trusted: &TrustedProxies, read: ForwardedHeaders) -> Self {
        if !trusted.contains(peer) {
            return Self { address: peer.ip(), ..Self::default() };
        }
        let prefix = if read.prefix { prefix(headers) } else { None };
        let told = if read.forwarded {
            by_rfc(headers, peer, trusted)
        } else {
            by_custom(headers, peer, trusted, read)
        };
        Self { prefix, ..told }
    }
}

/// Reads `X-Forwarded-For`, `-Proto` and `-Host`.
fn by_custom(headers: &HeaderMap, peer: Peer, trusted: &TrustedProxies, read: ForwardedHeaders) -> Forwarded {
    let values = |wanted: bool, name: &HeaderName| match wanted {
        true => list(headers, name),
        false => Vec::new(),
    };
    let nodes = values(read.address, &X_FORWARDED_FOR);
    let (address, hops) = walk(nodes.iter().rev().map(|node| Some(*node)), peer, trusted);
    // A proxy that replaces a header leaves a single value for all hops.
    let of_hop = |values: Vec<&str>| {
        let at = values.len().saturating_sub(hops);
        values.get(at).map(|value| (*value).to_owned())
    };
    let proto = of_hop(values(read.proto, &X_FORWARDED_PROTO));
    let host = of_hop(values(read.host, &X_FORWARDED_HOST));
    Forwarded { address, is_https: proto.as_deref().and_then(is_https), host, prefix: None }
}

/// Reads `Forwarded`.
fn by_rfc(headers: &HeaderMap, peer: Peer, trusted: &TrustedProxies) -> Forwarded {
    let Some(mut elements) = elements(headers) else { return Forwarded::default() };
    let nodes = elements.iter().rev().map(|element| element.address.as_deref());
    let (address, hops) = walk(nodes, peer, trusted);
    let at = elements.len().checked_sub(hops).filter(|at| *at < elements.len());
    let Element { proto, host, .. } = at.map(|at| elements.swap_remove(at)).unwrap_or_default();
    Forwarded { address, is_https: proto.as_deref().and_then(is_https), host, prefix: None }
}

/// Walks from the nearest node to the first that is not a trusted proxy. Returns its address, and its number from 1. If
/// there are no nodes, it is the peer, which would be the first proxy in the list.
fn walk<'n>(
    nodes: impl Iterator<Item = Option<&'n str>>,
    peer: Peer,
    trusted: &TrustedProxies,
) -> (Option<IpAddr>, usize) {
    let (mut nearest, mut hops) = (peer.ip(), 0);
    for node in nodes {
        hops += 1;
        nearest = node.and_then(address);
        if nearest.is_none_or(|address| !trusted.contains_ip(address)) {
            break;
        }
    }
    (nearest, hops.max(1))
}

fn is_https(proto: &str) -> Option<bool> {
    match proto {
        _ if proto.eq_ignore_ascii_case("https") => Some(true),
        _ if proto.eq_ignore_ascii_case("http") => Some(false),
        _ => None,
    }
}

/// The prefix, if there is exactly one header: a second one may come from the client.
fn prefix(headers: &HeaderMap) -> Option<RootPath> {
    let mut fields = headers.get_all(X_FORWARDED_PREFIX).into_iter();
    let (first, None) = (fields.next()?, fields.next()) else { return None };
    first.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::net::SocketAddr;

    fn read(peer: &str, fields: &[(&'static str, &str)], headers: &str) -> Forwarded {
        let trusted = "10.0.0.0/8,unix".parse().unwrap();
        let peer = match peer {
            "unix" => Peer::Unix,
            text => SocketAddr::new(text.parse().unwrap(), 40_000).into(),
        };
        let pairs = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        Forwarded::read(&pairs.collect(), peer, &trusted, headers.parse().unwrap())
    }

    fn for_of(peer: &str, value: &str) -> String {
        let told = read(peer, &[("x-forwarded-for", value)], "for");
        told.address.map_or("nobody".to_owned(), |address| address.to_string())
    }

    #[test]
    fn the_address_is_the_rightmost_that_is_not_trusted() {
        for (peer, value, expected) in [
            ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "forged, 192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "192.0.2.9, 192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "192.0.2.1, 10.0.0.2, 10.0.0.3", "192.0.2.1"),
            ("10.0.0.1", "10.0.0.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
            ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
            ("::ffff:10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"),
            ("10.0.0.1", "192.0.2.1:5000, [::ffff:10.0.0.2]:80", "192.0.2.1"),
            ("10.0.0.1", "192.0.2.1, unknown", "nobody"),
            ("10.0.0.1", "192.0.2.1, _secret, 10.0.0.2", "nobody"),
            ("10.0.0.1", "192.0.2.1, what?", "nobody"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", " , ", "10.0.0.1"),
            ("unix", "192.0.2.1", "192.0.2.1"),
            ("unix", "", "nobody"),
            ("192.0.2.9", "192.0.2.1", "192.0.2.9"),
            ("2001:db8::1", "192.0.2.1", "2001:db8::1"),
        ] {
            assert_eq!(for_of(peer, value), expected, "{value:?} from {peer}");
        }
    }

    #[test]
    fn scheme_and_host_are_those_of_the_same_hop() {
        for (address, proto, host, expected) in [
            ("192.0.2.1", "https", "a", (Some(true), Some("a"))),
            ("192.0.2.1", "HTTP", "a", (Some(false), Some("a"))),
            ("192.0.2.1", "http, https", "x, a", (Some(true), Some("a"))),
            ("192.0.2.1, 10.0.0.2", "https, http", "a, inner", (Some(true), Some("a"))),
            ("192.0.2.1, 10.0.0.2", "http, https, http", "x, a, inner", (Some(true), Some("a"))),
            ("192.0.2.1, 10.0.0.2", "https", "a", (Some(true), Some("a"))),
            ("192.0.2.1", "gopher", "a", (None, Some("a"))),
            ("", "https", "a", (Some(true), Some("a"))),
            ("192.0.2.1", "", "", (None, None)),
        ] {
            let fields =
                [("x-forwarded-for", address), ("x-forwarded-proto", proto), ("x-forwarded-host", host)];
            let told = read("10.0.0.1", &fields, "for,proto,host");
            assert_eq!((told.is_https, told.host.as_deref()), expected, "{fields:?}");
            let told = read("10.0.0.1", &fields, "for");
            assert_eq!((told.is_https, told.host), (None, None), "what is not asked for is not read");
        }
    }

    #[test]
    fn forwarded_says_all_of_one_hop() {
        for (value, expected) in [
            ("for=192.0.2.1;proto=https;host=a.example", (Some("192.0.2.1"), Some(true), Some("a.example"))),
            ("for=192.0.2.9;host=x, for=192.0.2.1;proto=https", (Some("192.0.2.1"), Some(true), None)),
            ("for=192.0.2.1;proto=https, for=10.0.0.2;proto=http", (Some("192.0.2.1"), Some(true), None)),
            ("for=192.0.2.1, for=_hidden;proto=https", (None, Some(true), None)),
            ("for=192.0.2.1, proto=https", (None, Some(true), None)),
            ("for=\"192.0.2.1", (None, None, None)),
            ("", (Some("10.0.0.1"), None, None)),
        ] {
            let told = read("10.0.0.1", &[("forwarded", value)], "forwarded");
            let address = told.address.map(|address| address.to_string());
            assert_eq!((address.as_deref(), told.is_https, told.host.as_deref()), expected, "{value}");
        }
        let custom = [("x-forwarded-for", "192.0.2.1")];
        assert_eq!(read("10.0.0.1", &custom, "forwarded").address, Some([10, 0, 0, 1].into()));
    }

    #[test]
    fn a_prefix_is_plain_and_stands_once_or_there_is_none() {
        for (value, expected) in
            [("/app", Some("/app")), ("/", Some("/")), ("", None), ("/a, /b", None), ("//evil.example", None)]
        {
            let told = read("10.0.0.1", &[("x-forwarded-prefix", value)], "prefix");
            assert_eq!(told.prefix.map(|prefix| prefix.to_string()).as_deref(), expected, "{value:?}");
        }
        let twice = [("x-forwarded-prefix", "/a"), ("x-forwarded-prefix", "/b")];
        assert_eq!(read("10.0.0.1", &twice, "prefix").prefix, None);
        assert_eq!(read("192.0.2.1", &twice[..1], "prefix").prefix, None);
        assert_eq!(read("10.0.0.1", &twice[..1], "for").prefix, None);
    }
}
