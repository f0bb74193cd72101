//! The strict syntax of forms and queries.

use http::HeaderValue;
use percent_encoding::percent_decode;

use super::fields::Fields;
use crate::error::Error;
use crate::excerpt::excerpt;
use crate::percent;

/// How many fields a form or a query may have by default: more than a person fills in, and few enough to parse quickly.
pub const MAX_FIELDS: usize = 1000;

const KIND: &[u8] = b"application/x-www-form-urlencoded";
/// The content type to send, for the text of an error.
const EXPECTED: &str = "a form as `application/x-www-form-urlencoded`";

/// Refuses other content types, and charsets other than UTF-8.
pub(super) fn check_content_type(content_type: Option<&HeaderValue>) -> Result<(), Error> {
    let Some(content_type) = content_type else {
        return Err(Error::ContentType { found: "nothing".to_owned(), expected: EXPECTED });
    };
    // The usual case: exactly as browsers send it.
    if content_type.as_bytes() == KIND {
        return Ok(());
    }
    let mut parts = content_type.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    if !parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(KIND)) {
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

/// A text that was checked, and the number of its fields.
pub(super) struct Checked<'a> {
    text: &'a [u8],
    /// The text, if it has no escapes. Its parts then need no decoding.
    plain: Option<&'a str>,
    count: usize,
}

/// Refuses everything that the parser would repair or drop, and counts the fields, at most `limit`. Takes time linear
/// in the length of the text.
pub(super) fn check_fields(text: &[u8], limit: usize) -> Result<Checked<'_>, Error> {
    if let Some(offset) = percent::first_malformed(text) {
        return Err(Error::FormEscape { offset });
    }
    // A text without escapes is valid UTF-8 if and only if all its parts are, because they end at ASCII characters.
    let plain = if text.contains(&b'%') { None } else { str::from_utf8(text).ok() };
    let mut count = 0;
    let mut offset = 0;
    for field in text.split(|&byte| byte == b'&') {
        count += usize::from(!field.is_empty());
        if count > limit {
            return Err(Error::TooManyFields { limit });
        }
        // Name and value are decoded separately, so a character cannot be split between them.
        let mut halves = field.splitn(2, |&byte| byte == b'=');
        if plain.is_none() && !halves.all(|half| percent_decode(half).decode_utf8().is_ok()) {
            return Err(Error::FormNotUtf8 { offset });
        }
        offset += field.len() + 1;
    }
    Ok(Checked { text, plain: plain.filter(|text| !text.contains('+')), count })
}

impl Checked<'_> {
    /// The fields, decoded.
    pub(super) fn into_fields(self) -> Fields {
        let Self { text, plain, count } = self;
        match plain {
            Some(plain) => {
                let fields = plain.split('&').filter(|field| !field.is_empty());
                let pairs = fields.map(|field| field.split_once('=').unwrap_or((field, "")));
                Fields::new(pairs.map(|(name, value)| (name.into(), value.into())), count, text.len())
            }
            None => Fields::new(form_urlencoded::parse(text), count, text.len()),
        }
    }
}
