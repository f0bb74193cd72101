//! Values of foreign sessions converted into session values.

use serde::ser::{Serialize, SerializeMap, Serializer};
use waxseal_flask::{Dict, Value, uuid_text};
use waxseal_session::{Error, Markup, Session};

/// Fills a session with the entries whose keys are `wanted`.
///
/// # Errors
///
/// [`Error::Value`] for an entry that cannot be kept.
pub(crate) fn fill_with(
    session: &Session,
    entries: &Dict,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    entries
        .iter()
        .filter(|(key, _)| wanted(key))
        .try_for_each(|(key, value)| session.insert(key, Plain(value)))
}

/// A foreign value that serializes as a session value.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::None => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i128(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Str(text) => serializer.serialize_str(text),
            Value::Markup(html) => Markup::from_html(html.as_str()).serialize(serializer),
            Value::List(items) | Value::Tuple(items) => serializer.collect_seq(items.iter().map(Plain)),
            Value::Dict(dict) => {
                let mut map = serializer.serialize_map(Some(dict.len()))?;
                for (key, value) in dict {
                    map.serialize_entry(key, &Plain(value))?;
                }
                map.end()
            }
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::Uuid(bytes) => serializer.collect_str(&uuid_text(bytes)),
            Value::DateTime(time) => serializer.collect_str(&time.rfc3339()),
            _ => Err(serde::ser::Error::custom("a value of a later release of waxseal-flask")),
        }
    }
}
