//! The boundary, escaped names, and the parser's errors.

use http::HeaderValue;

use crate::error::Error;
use crate::excerpt::excerpt;

/// RFC 2046 §5.1.1.
const MAX_BOUNDARY_BYTES: usize = 70;
/// The content type to send, for the text of an error.
const EXPECTED: &str = "the form as `multipart/form-data` with a boundary";

/// A name as it was before the browser escaped it for the part's head. Only line ends and quotes are escaped.
///
/// <https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data>
pub(super) fn unescaped(name: &str) -> String {
    // In a single pass, because the result of one escape cannot be part of the next.
    let mut pieces = name.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escape = piece.get(..2).and_then(|digits| match digits {
            "0A" => Some('\n'),
            "0D" => Some('\r'),
            "22" => Some('"'),
            _ => None,
        });
        text.push(escape.unwrap_or('%'));
        text.push_str(if escape.is_some() { &piece[2..] } else { piece });
    }
    text
}

/// The boundary between parts, from the content type.
pub(super) fn boundary(content_type: Option<&HeaderValue>) -> Result<String, Error> {
    let found = content_type.map_or(&b"nothing"[..], HeaderValue::as_bytes);
    let wrong = || Error::ContentType { found: excerpt(found), expected: EXPECTED };
    let boundary = multer::parse_boundary(std::str::from_utf8(found).map_err(|_| wrong())?);
    let boundary = boundary.map_err(|_| wrong())?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES || boundary.ends_with(' ') {
        return Err(wrong());
    }
    Ok(boundary)
}

/// Converts the parser's error. An [`Error`] of the stream is passed through the parser and comes back as it is.
pub(super) fn from_multer(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(inner) => Error::Multipart(multer::Error::StreamReadFailed(inner).into()),
        },
        error => Error::Multipart(error.into()),
    }
}
