//! The strict syntax of forms and queries.

use http::HeaderValue;
use percent_encoding::percent_decode;

use crate::error::Error;
use crate::excerpt::excerpt;
use crate::percent;

/// Fields that a form or a query may have unless another limit is given: what a person fills in, far from what makes a parser sweat.
pub const MAX_FIELDS: usize = 1000;

/// The type to send, in the text of an error.
const EXPECTED: &str = "a form as `application/x-www-form-urlencoded`";

/// Refuses another content type, and charsets other than UTF-8.
pub(super) fn check_content_type(content_type: Option<&HeaderValue>) -> Result<(), Error> {
    let Some(content_type) = content_type else {
        return Err(Error::ContentType { found: "nothing".to_owned(), expected: EXPECTED });
    };
    let mut parts = content_type.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    if !parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")) {
        return Err(Error::ContentType { found: excerpt(content_type.as_bytes()), expected: EXPECTED });
    }
    for parameter in parts {
        let Some((name, value)) = parameter.split_at_checked(b"charset=".len()) else { continue };
        let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        if name.eq_ignore_ascii_case(b"charset=") && !unquoted.eq_ignore_ascii_case(b"utf-8") {
            return Err(Error::Charset(excerpt(value)));
        }
    }
    Ok(())
}

/// Refuses all that the parser would mend or swallow, and counts the fields, of which there may be `limit`. Linear in the
/// text's length.
pub(super) fn check_fields(text: &[u8], limit: usize) -> Result<usize, Error> {
    if let Some(offset) = percent::first_malformed(text) {
        return Err(Error::FormEscape { offset });
    }
    // Text without escapes is as good as all its parts, which end at ASCII characters.
    let plain = !text.contains(&b'%') && str::from_utf8(text).is_ok();
    let mut count = 0;
    let mut offset = 0;
    for field in text.split(|&byte| byte == b'&') {
        count += usize::from(!field.is_empty());
        if count > limit {
            return Err(Error::TooManyFields { limit });
        }
        // Name and value are decoded apart, so a character cannot be in both.
        let mut halves = field.splitn(2, |&byte| byte == b'=');
        if !plain && !halves.all(|half| percent_decode(half).decode_utf8().is_ok()) {
            return Err(Error::FormNotUtf8 { offset });
        }
        offset += field.len() + 1;
    }
    Ok(count)
}
