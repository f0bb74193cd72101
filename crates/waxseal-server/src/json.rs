//! JSON bodies into serde types.

use http::HeaderValue;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::excerpt::excerpt;

/// The content type to send, for the text of an error.
const EXPECTED: &str = "JSON as `application/json`";

/// Reads a JSON body into any type that serde can read. The content type must be `application/json` or end in `+json`.
///
/// The body must be UTF-8 and exactly one value, nested at most 128 levels deep. Fields that the type does not name are
/// ignored.
///
/// # Errors
///
/// [`Error::ContentType`] (415), [`Error::JsonSyntax`] (400), and [`Error::JsonValue`] (422) for JSON that is not a
/// `T`.
///
/// # Example
///
/// ```
/// use http::HeaderValue;
/// use waxseal_server::json;
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Wizard {
///     name: String,
///     age: u16,
/// }
///
/// let kind = HeaderValue::from_static("application/json");
/// let wizard: Wizard = json::parse(Some(&kind), br#"{"name": "Merlin", "age": 1500}"#)?;
/// assert_eq!((wizard.name.as_str(), wizard.age), ("Merlin", 1500));
///
/// let error = json::parse::<Wizard>(Some(&kind), br#"{"name": "Merlin", "age": "old"}"#).unwrap_err();
/// assert_eq!(error.status(), 422);
/// # Ok::<(), waxseal_server::Error>(())
/// ```
pub fn parse<T: DeserializeOwned>(content_type: Option<&HeaderValue>, body: &[u8]) -> Result<T, Error> {
    let found = content_type.map_or(&b"nothing"[..], HeaderValue::as_bytes);
    if !is_json(found) {
        return Err(Error::ContentType { found: excerpt(found), expected: EXPECTED });
    }
    let mut source = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let place = error.path().to_string();
        let error = error.into_inner();
        // serde_json appends the position, which is reported separately.
        let (line, column, problem) = (error.line(), error.column(), error.to_string());
        let problem = problem.rsplit_once(" at line ").map_or(&*problem, |(problem, _)| problem);
        match error.is_data() {
            true => {
                Error::JsonValue { place: excerpt(place.as_bytes()), problem: excerpt(problem.as_bytes()) }
            }
            false => Error::JsonSyntax { line, column, problem: excerpt(problem.as_bytes()) },
        }
    })?;
    source.end().map_err(|error| Error::JsonSyntax {
        line: error.line(),
        column: error.column(),
        problem: "something stands behind the value".to_owned(),
    })?;
    Ok(value)
}

fn is_json(content_type: &[u8]) -> bool {
    let kind = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let kind = kind.to_ascii_lowercase();
    kind == b"application/json" || kind.ends_with(b"+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Wizard {
        name: String,
        pets: Vec<u8>,
    }

    fn read(kind: Option<&'static str>, body: &str) -> Result<Wizard, String> {
        parse(kind.map(HeaderValue::from_static).as_ref(), body.as_bytes())
            .map_err(|error: Error| format!("{} {error}", error.status().as_u16()))
    }

    #[test]
    fn json_is_known_by_its_type() {
        let body = r#"{"name": "Merlin", "pets": [1], "hat": null}"#;
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.owl+json ; a=b"]
        {
            assert_eq!(read(Some(kind), body).unwrap().name, "Merlin", "{kind}");
        }
        for kind in
            [None, Some("text/plain"), Some("application/x-json"), Some("application/jsonp"), Some("")]
        {
            assert!(read(kind, body).unwrap_err().starts_with("415 "), "{kind:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said_in_words() {
        for (body, said) in [
            ("", "400 the body is no JSON at line 1, column 0: EOF while parsing a value"),
            ("{", "400 the body is no JSON at line 1, column 1: EOF while parsing an object"),
            ("{\"name\":\n nil}", "400 the body is no JSON at line 2, column 3: expected ident"),
            (
                r#"{"name": "a", "pets": []} x"#,
                "400 the body is no JSON at line 1, column 27: something stands behind the value",
            ),
            (r#"{"name": "a"}"#, "422 the JSON does not fit at `.`: missing field `pets`"),
            (
                r#"{"name": "a", "pets": [1, 300]}"#,
                "422 the JSON does not fit at `pets[1]`: invalid value: integer `300`, expected u8",
            ),
            (
                "[]",
                "422 the JSON does not fit at `.`: invalid length 0, expected struct Wizard with 2 elements",
            ),
        ] {
            assert_eq!(read(Some("application/json"), body).unwrap_err(), said, "{body}");
        }
    }

    #[test]
    fn depth_and_bytes_that_are_no_text_are_refused() {
        let kind = HeaderValue::from_static("application/json");
        let deep = "[".repeat(100_000);
        for body in [deep.as_bytes(), b"\"\xff\"", b"\"\\ud800\"", b"\xef\xbb\xbf{}"] {
            let error = parse::<serde_json::Value>(Some(&kind), body).unwrap_err();
            assert_eq!(error.status(), 400, "{error}");
        }
    }
}
