//! What proxies say of a request's client.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use waxseal_server::{Forwarded, ForwardedHeaders, Peer, RootPath, TrustedProxies};

use crate::target::Target;

/// Header lines, read from a trusted proxy in every way that can be set.
pub(crate) struct Proxies {
    trusted: TrustedProxies,
    ways: Vec<ForwardedHeaders>,
}

impl Proxies {
    pub(crate) fn new() -> Self {
        let ways = ["for,proto", "for,proto,host,prefix", "forwarded", "forwarded,prefix"];
        Self {
            trusted: "10.0.0.0/8,::1".parse().expect("networks"),
            ways: ways.iter().map(|way| way.parse().expect("names of headers")).collect(),
        }
    }
}

impl Target for Proxies {
    fn seeds(&self) -> Vec<Vec<u8>> {
        [
            "x-forwarded-for: forged, 192.0.2.7, 10.0.0.2\nx-forwarded-proto: https\nx-forwarded-host: a.example:8443",
            "x-forwarded-for: ::ffff:192.0.2.7, [2001:db8::1]:4711\nx-forwarded-proto: http, https\nx-forwarded-prefix: /app",
            "x-forwarded-for: unknown\nx-forwarded-for: 10.1.1.1:80\nx-forwarded-prefix: /a/b-c_d.e",
            "forwarded: for=192.0.2.43;proto=https;host=a.example, for=\"[2001:db8::1]:4711\";by=10.0.0.1",
            "forwarded: for=_hidden, For=\"10.0.0.3\" ; Proto=http\nforwarded: for=unknown;host=\"a\\\"b\"",
            "forwarded: for=\"open, for=10.0.0.2\nx-forwarded-prefix: //evil.example",
        ]
        .map(|lines| lines.as_bytes().to_vec())
        .to_vec()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        for line in input.split(|&byte| byte == b'\n') {
            let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            let value = HeaderValue::from_bytes(value.get(1..).unwrap_or_default().trim_ascii());
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
                let _ = headers.try_append(name, value);
            }
        }
        let proxy = Peer::from(SocketAddr::from(([10, 0, 0, 1], 40_000)));
        let mut said = String::new();
        for way in &self.ways {
            let told = Forwarded::read(&headers, proxy, &self.trusted, *way);
            if let Some(prefix) = &told.prefix {
                let prefix: &RootPath = prefix;
                // It is put before paths in links and redirects.
                assert!(!prefix.as_str().starts_with("//"), "a prefix {prefix:?}");
                assert!(
                    prefix.as_str().is_empty() || prefix.as_str().parse::<RootPath>().is_ok(),
                    "{prefix:?}"
                );
            }
            let Forwarded { address, is_https, host, prefix, .. } = told;
            said += &format!(
                "{:?}{is_https:?}{}{} ",
                address.map(|it| it.is_ipv4()),
                host.is_some(),
                prefix.is_some()
            );
        }
        let stranger = Peer::from(SocketAddr::from(([192, 0, 2, 9], 40_000)));
        for way in &self.ways {
            let told = Forwarded::read(&headers, stranger, &self.trusted, *way);
            assert_eq!((told.address, told.is_https), (stranger.ip(), None), "a stranger was believed");
            assert!(told.host.is_none() && told.prefix.is_none(), "a stranger was believed");
        }
        said
    }
}
