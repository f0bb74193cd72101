//! The check that keeps a development server local.

use std::net::Ipv4Addr;

use http::HeaderMap;

use crate::error::Error;
use crate::excerpt::excerpt;
use crate::host_name::Host;

/// Returns `true` if `host` is one of this machine's own names: `localhost`, `*.localhost`, `[::1]` or an address that
/// begins with `127.`, with any port.
#[must_use]
pub fn is_local(host: &Host<'_>) -> bool {
    let name = host.name();
    matches!(name, "localhost" | "[::1]")
        || name.ends_with(".localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Refuses requests that show that a development server can be reached from elsewhere.
///
/// Such a request names a host that is not this machine (through a tunnel, or from a page that re-binds its name to
/// 127.0.0.1), or has fields of a proxy. In development mode a server may generate its own secret and shows errors in
/// full, so nobody else may see it.
///
/// # Errors
///
/// [`Error::ForeignHost`] (421: this server does not speak for that name) and [`Error::Proxied`] (403).
pub fn check(headers: &HeaderMap, host: &Host<'_>) -> Result<(), Error> {
    if !is_local(host) {
        return Err(Error::ForeignHost(excerpt(host.name().as_bytes())));
    }
    let of_a_proxy = |name: &str| matches!(name, "forwarded" | "via") || name.starts_with("x-forwarded-");
    match headers.keys().find(|name| of_a_proxy(name.as_str())) {
        Some(name) => Err(Error::Proxied(excerpt(name.as_str().as_bytes()))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HOST;
    use http::{HeaderName, HeaderValue, StatusCode};

    fn hosts(fields: &[&str]) -> HeaderMap {
        fields.iter().map(|field| (HOST, HeaderValue::from_str(field).expect("a field's text"))).collect()
    }

    #[test]
    fn only_the_machines_own_names_are_local() {
        for (text, local) in [
            ("localhost", true),
            ("LOCALHOST:5000", true),
            ("app.localhost", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("localhost.", false),
            ("localhost.example", false),
            ("notlocalhost", false),
            ("127.0.0.2", true),
            ("128.0.0.1", false),
            ("0127.0.0.1", false),
            ("127.1", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("[::ffff:127.0.0.1]", false),
            ("127.0.0.1.nip.io", false),
        ] {
            assert_eq!(is_local(&text.parse().unwrap()), local, "{text}");
        }
    }

    #[test]
    fn development_refuses_foreign_names_and_proxies() {
        let local: Host = "localhost:5000".parse().unwrap();
        assert_eq!(check(&hosts(&["localhost:5000"]), &local), Ok(()));

        let foreign = check(&HeaderMap::new(), &"evil.example".parse().unwrap()).unwrap_err();
        assert_eq!(foreign.status(), StatusCode::MISDIRECTED_REQUEST);
        assert!(foreign.to_string().contains("`evil.example`; open it as localhost"), "{foreign}");

        for (name, refused) in [
            ("Forwarded", true),
            ("Via", true),
            ("X-Forwarded-For", true),
            ("X-Forwarded-Host", true),
            ("x-forwarded-anything", true),
            ("X-Forwarded", false),
            ("Viable", false),
        ] {
            let mut headers = hosts(&["localhost"]);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(""));
            let error = check(&headers, &local).err();
            assert_eq!(error.map(|error| error.status()), refused.then_some(StatusCode::FORBIDDEN), "{name}");
        }
    }
}
