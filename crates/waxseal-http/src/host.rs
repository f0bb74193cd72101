//! The host that a request is for.

use http::header::HOST;
use http::{HeaderMap, Uri, Version};

use crate::error::Error;
use crate::host_name::Host;

/// Finds the host that a request is for.
///
/// HTTP/1 requires exactly one valid `Host` field, even HTTP/1.0 here. If the target names a host itself
/// (`GET http://a/ HTTP/1.1`), it must be the same one. In later versions the target alone may name it. RFC 9110 §7.2,
/// RFC 9112 §3.2.
///
/// # Errors
///
/// All of these are a 400: [`Error::MissingHost`], [`Error::RepeatedHost`], [`Error::MalformedHost`],
/// [`Error::ContradictedHost`].
///
/// # Example
///
/// ```
/// use waxseal_http::host::host;
///
/// let request = http::Request::get("/").header("host", "hogwarts.example").body(())?;
/// let host = host(request.version(), request.uri(), request.headers())?;
/// assert_eq!(host.name(), "hogwarts.example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn host<'a>(version: Version, target: &'a Uri, headers: &'a HeaderMap) -> Result<Host<'a>, Error> {
    let named = target.authority().map(|authority| Host::parse(authority.as_str().as_bytes())).transpose()?;
    let mut fields = headers.get_all(HOST).into_iter();
    let sent = fields.next().map(|field| Host::parse(field.as_bytes())).transpose()?;
    if fields.next().is_some() {
        return Err(Error::RepeatedHost);
    }
    let default = match target.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    match (sent, named) {
        (Some(sent), None) => Ok(sent),
        (Some(sent), Some(named))
            if sent.name() == named.name() && sent.port().or(default) == named.port().or(default) =>
        {
            Ok(sent)
        }
        (Some(sent), Some(named)) => {
            Err(Error::ContradictedHost { sent: sent.to_string(), named: named.to_string() })
        }
        (None, Some(named)) if version > Version::HTTP_11 => Ok(named),
        (None, _) => Err(Error::MissingHost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, StatusCode};

    fn hosts(fields: &[&str]) -> HeaderMap {
        fields.iter().map(|field| (HOST, HeaderValue::from_str(field).expect("a field's text"))).collect()
    }

    #[test]
    fn http_1_needs_exactly_one_valid_field() {
        for version in [Version::HTTP_10, Version::HTTP_11] {
            for (case, target, fields, expected) in [
                ("one", "/", &["a.example"][..], Ok("a.example")),
                ("none", "/", &[], Err(Error::MissingHost)),
                ("two", "/", &["a.example", "a.example"], Err(Error::RepeatedHost)),
                ("empty", "/", &[""], Err(Error::MalformedHost(String::new()))),
                ("a list", "/", &["a, b"], Err(Error::MalformedHost("a, b".into()))),
                ("the same in the target", "http://A.example/", &["a.example"], Ok("a.example")),
                ("the usual port spelt out", "http://a.example/", &["a.example:80"], Ok("a.example:80")),
                ("the target alone", "http://a.example/", &[], Err(Error::MissingHost)),
            ] {
                let (target, fields) = (target.parse().unwrap(), hosts(fields));
                let found = host(version, &target, &fields);
                assert_eq!(found.map(|host| host.to_string()), expected.map(str::to_owned), "{case}");
            }
        }
    }

    #[test]
    fn a_target_that_names_another_host_is_refused() {
        for (case, target) in [
            ("name", "http://b.example/"),
            ("port", "http://a.example:81/"),
            ("the usual port of another scheme", "https://a.example:80/"),
            ("user", "http://user@a.example/"),
            ("authority form", "b.example:80"),
        ] {
            let error = host(Version::HTTP_11, &target.parse().unwrap(), &hosts(&["a.example"])).unwrap_err();
            assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{case}");
        }
    }

    #[test]
    fn http_2_may_name_the_host_in_the_target_alone() {
        let target = "https://a.example/".parse().unwrap();
        assert_eq!(host(Version::HTTP_2, &target, &hosts(&[])).unwrap().name(), "a.example");
        assert!(host(Version::HTTP_2, &target, &hosts(&["b.example"])).is_err());
        assert_eq!(host(Version::HTTP_2, &Uri::from_static("/"), &hosts(&[])), Err(Error::MissingHost));
    }
}
