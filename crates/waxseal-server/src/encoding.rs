//! The rule that refuses compressed bodies where their content has to be read.

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::error::Error;
use crate::excerpt::excerpt;

/// Accepts a request unless its body is encoded (`Content-Encoding`), for example with `gzip`. Nothing here decodes
/// bodies, because a small body may become a large one.
///
/// # Errors
///
/// [`Error::Encoded`], answered with 415. The response says `Accept-Encoding: identity`.
///
/// # Example
///
/// ```
/// use waxseal_server::encoding;
///
/// let request = http::Request::post("/").header("content-encoding", "gzip").body(())?;
/// assert_eq!(encoding::check(request.headers()).unwrap_err().status(), 415);
/// # Ok::<(), http::Error>(())
/// ```
///
/// RFC 9110 §8.4 and §15.5.16.
pub fn check(headers: &HeaderMap) -> Result<(), Error> {
    let fields = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    let plain = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    match codings.find(|coding| !plain(coding.trim_ascii())) {
        Some(coding) => Err(Error::Encoded(excerpt(coding.trim_ascii()))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_as_it_is_passes() {
        for (fields, refused) in [
            (&[][..], None),
            (&[""], None),
            (&["identity"], None),
            (&["Identity , identity"], None),
            (&[", ,"], None),
            (&["gzip"], Some("gzip")),
            (&["x-gzip"], Some("x-gzip")),
            (&["br"], Some("br")),
            (&["identity, GZip"], Some("GZip")),
            (&["identity", "\tdeflate "], Some("deflate")),
            (&["gzip;q=1"], Some("gzip;q=1")),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(CONTENT_ENCODING, field.parse().unwrap());
            }
            let found = match check(&headers) {
                Ok(()) => None,
                Err(Error::Encoded(coding)) => Some(coding),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found.as_deref(), refused, "{fields:?}");
        }
    }
}
