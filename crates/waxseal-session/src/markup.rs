//! HTML that a handler marks as such.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The name of the newtype struct that represents a [`Markup`]. A `Deserialize` that asks for a newtype struct of this
/// name gets one if the session's value is markup; any other value it gets as it is.
pub const MARKUP: &str = "$waxseal::Markup";

/// HTML in a session or a message, which templates write without escaping: Flask's `Markup`.
///
/// A visitor's text must be escaped before it becomes part of it. In a session it is a type of its own, so neither a
/// text nor JSON can pass for it. It can also be read as a `String`. In other formats, such as JSON, it is a string, and
/// so it is, and is escaped, if a handler passes it to a template itself: pass minijinja's `Value::from_safe_string(html)`.
///
/// # Example
///
/// ```
/// use waxseal_session::{Markup, Session};
///
/// let session = Session::new();
/// session.insert("notice", Markup::from_html("Read the <a href=\"/rules\">rules</a>."))?;
/// assert_eq!(session.get::<Markup>("notice")?.unwrap().as_str(), "Read the <a href=\"/rules\">rules</a>.");
/// # Ok::<(), waxseal_session::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// Marks a text as HTML.
    #[must_use]
    pub fn from_html(html: impl Into<String>) -> Self {
        Self(html.into())
    }

    /// The marked text, which templates print without escaping.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes the HTML.
impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Markup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(MARKUP, &self.0)
    }
}

impl<'de> Deserialize<'de> for Markup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Marked;

        impl<'de> Visitor<'de> for Marked {
            type Value = Markup;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("marked HTML")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Markup, D::Error> {
                String::deserialize(deserializer).map(Markup)
            }
        }
        deserializer.deserialize_newtype_struct(MARKUP, Marked)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::value::{decode, encode, shape};

    #[test]
    fn markup_is_told_from_text_and_read_as_text_too() {
        let markup = Markup::from_html("<b>owl</b>");
        let bytes = encode(&markup).unwrap();
        assert_eq!(bytes[..3], [0xc7, 10, 3], "an extension of type 3");
        assert_eq!(shape(&bytes), "marked HTML");
        assert_eq!(decode::<Markup>(&bytes).unwrap(), markup);
        assert_eq!(decode::<String>(&bytes).unwrap(), "<b>owl</b>");
        let error = decode::<Markup>(&encode("<b>owl</b>").unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("what is stored is text"), "{error}");
    }

    #[test]
    fn markup_of_any_length_and_at_any_depth_comes_back() {
        for length in [0, 1, 2, 4, 8, 15, 16, 17, 255, 256, 70_000] {
            let markup = Markup::from_html("x".repeat(length));
            let nested = BTreeMap::from([("list", vec![Some(markup)])]);
            let bytes = encode(&nested).unwrap();
            let read: BTreeMap<String, Vec<Option<Markup>>> = decode(&bytes).unwrap();
            assert_eq!(read["list"], nested["list"], "{length}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        assert!(decode::<Markup>(&[0xd4, 3, 0xff]).is_err());
        assert!(decode::<String>(&[0xd4, 3, 0xff]).is_err());
    }
}
