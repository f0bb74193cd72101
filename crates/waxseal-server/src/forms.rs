//! URL-encoded forms and query strings into serde types.

mod fields;
mod fit;
mod form;
mod misfit;
mod reading;
mod syntax;
mod value;

use http::HeaderValue;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::excerpt::excerpt;
use fields::Fields;
use syntax::{check_content_type, check_fields};

pub use syntax::MAX_FIELDS;

/// In flattened structs and in enums, how many repeated fields are reduced to their first value. Each costs one more
/// search.
const MAX_REPEATED: usize = 8;

/// Reads the body of a form, `application/x-www-form-urlencoded`, into a struct, a map, or a list of pairs.
///
/// If a field comes more than once, a list gets all its values, and any other type the first. Fields that the type does
/// not name are ignored. An empty value is an empty text, or `None` for an optional number or `bool`. To read an empty
/// text as `None`, use `serde_html_form::de::empty_as_none`.
///
/// Structs may be flattened (`#[serde(flatten)]`), and enums tagged or untagged; for an untagged enum, the first
/// variant that fits is used. In these, only one field with room for a single value may come more than once; it gets
/// its first value, and with several such fields the form is refused. serde does not support 128-bit numbers there.
///
/// This is stricter than the URL standard, which keeps malformed escapes as they are and replaces bytes that are not
/// UTF-8. Both are refused here.
///
/// # Errors
///
/// [`Error::ContentType`] or [`Error::Charset`], answered with 415. All others are answered with 400.
///
/// # Example
///
/// ```
/// use http::HeaderValue;
/// use waxseal_server::forms;
///
/// #[derive(serde::Deserialize)]
/// struct Wizard {
///     name: String,
///     age: u16,
/// }
///
/// let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
/// let wizard: Wizard = forms::parse(Some(&content_type), b"name=Tom+Riddle&age=17")?;
/// assert_eq!((wizard.name.as_str(), wizard.age), ("Tom Riddle", 17));
/// # Ok::<(), waxseal_server::Error>(())
/// ```
pub fn parse<T: DeserializeOwned>(content_type: Option<&HeaderValue>, body: &[u8]) -> Result<T, Error> {
    parse_within(content_type, body, MAX_FIELDS)
}

/// Reads a form as [`parse`] does, with at most `fields` fields instead of [`MAX_FIELDS`].
///
/// # Errors
///
/// As for [`parse`].
pub fn parse_within<T: DeserializeOwned>(
    content_type: Option<&HeaderValue>,
    body: &[u8],
    fields: usize,
) -> Result<T, Error> {
    check_content_type(content_type)?;
    parse_fields(body, fields)
}

/// Reads a URL's query, without the question mark, as strictly as [`parse`] reads a form.
///
/// # Errors
///
/// Those of [`parse`], all answered with 400.
///
/// # Example
///
/// ```
/// let uri = http::Uri::from_static("/search?q=felix&q=felicis");
/// let words: Vec<(String, String)> = waxseal_server::forms::parse_query(uri.query().unwrap_or_default())?;
/// assert_eq!(words[1].1, "felicis");
/// # Ok::<(), waxseal_server::Error>(())
/// ```
pub fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, Error> {
    parse_query_within(query, MAX_FIELDS)
}

/// Reads a URL's query as [`parse_query`] does, with at most `fields` fields instead of [`MAX_FIELDS`].
///
/// # Errors
///
/// Those of [`parse`], all answered with 400.
pub fn parse_query_within<T: DeserializeOwned>(query: &str, fields: usize) -> Result<T, Error> {
    parse_fields(query.as_bytes(), fields)
}

/// Reads names and values from another source, such as a form with files, into the types that [`parse`] supports.
#[cfg(feature = "multipart")]
pub(crate) fn from_pairs<T: DeserializeOwned>(pairs: &[(String, String)]) -> Result<T, Error> {
    let bytes = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    fit(&Fields::new(pairs.iter().map(|(name, value)| (name.into(), value.into())), pairs.len(), bytes))
}

fn parse_fields<T: DeserializeOwned>(text: &[u8], limit: usize) -> Result<T, Error> {
    fit(&check_fields(text, limit)?.into_fields())
}

fn fit<T: DeserializeOwned>(fields: &Fields) -> Result<T, Error> {
    fit_within(fields, MAX_REPEATED)
}

/// Fits the fields into a `T`. serde copies some fields before it knows their types. If a list of such a field does not
/// fit, and the field can be identified, this tries again with its first value, for up to `repeated` fields.
fn fit_within<T: DeserializeOwned>(fields: &Fields, repeated: usize) -> Result<T, Error> {
    let misfit = match fit::fit(fields) {
        Ok(value) => return Ok(value),
        Err(misfit) => misfit,
    };
    if let Some(name) = misfit.field(fields).filter(|_| misfit.list && repeated > 0) {
        return fit_within(&fields.with_first_of(name), repeated - 1);
    }
    Err({
        let problem = excerpt(misfit.problem().as_bytes());
        match misfit.field(fields) {
            Some(name) if misfit.list => Error::RepeatedField(excerpt(name.as_bytes())),
            Some(name) => Error::Field { name: excerpt(name.as_bytes()), problem },
            None => Error::Fields(problem),
        }
    })
}
