//! Bodies that came compressed, which are refused where their contents are to be read.

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};

use crate::excerpt::excerpt;

/// Lets a request through unless its body is encoded (`Content-Encoding`), as `gzip` would be. Nothing here decodes one:
/// a small body may become a large one.
///
/// # Errors
///
/// [`EncodingError`], answered 415; the answer says `Accept-Encoding: identity`.
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
pub fn check(headers: &HeaderMap) -> Result<(), EncodingError> {
    let fields = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    let plain = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    match codings.find(|coding| !plain(coding.trim_ascii())) {
        Some(coding) => Err(EncodingError(excerpt(coding.trim_ascii()))),
        None => Ok(()),
    }
}

/// A body is encoded. Quotes at most 60 printable ASCII characters of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is encoded as `{0}`; send it without Content-Encoding")]
pub struct EncodingError(String);

impl EncodingError {
    /// Always 415.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::UNSUPPORTED_MEDIA_TYPE
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
            let expected = refused.map_or(Ok(()), |coding| Err(EncodingError(coding.to_owned())));
            assert_eq!(check(&headers), expected, "{fields:?}");
        }
    }
}
