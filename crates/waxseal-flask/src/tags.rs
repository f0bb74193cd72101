//! Flask's tagged JSON: types that JSON does not have are written as objects with one key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

use crate::date::DateTime;
use crate::error::{Error, Undecodable};
use crate::json;
use crate::limits::MAX_DEPTH;
use crate::value::{Dict, Value};

const TUPLE: &str = " t";
const BYTES: &str = " b";
const MARKUP: &str = " m";
const UUID: &str = " u";
const DATE_TIME: &str = " d";
/// A dictionary with a single key that looks like a tag; `__` is appended to that key.
const ESCAPED: &str = " di";
const TAGS: [&str; 6] = [ESCAPED, TUPLE, BYTES, MARKUP, UUID, DATE_TIME];

pub(crate) fn parse(text: &str) -> Result<Dict, Undecodable> {
    match json::parse(text, untag)? {
        Value::Dict(dict) => Ok(dict),
        _ => Err(Undecodable::NotADict),
    }
}

pub(crate) fn write(dict: &Dict) -> Result<String, Error> {
    let mut writer = Writer { out: String::new(), depth: 0 };
    writer.dict(dict)?;
    Ok(writer.out)
}

/// The tag of a dictionary, if it has a single key and that is a tag.
fn tag(dict: &Dict) -> Option<&'static str> {
    let key = dict.keys().next().filter(|_| dict.len() == 1)?;
    TAGS.into_iter().find(|tag| tag == key)
}

fn untag(mut dict: Dict) -> Result<Value, Undecodable> {
    let Some(tag) = tag(&dict) else { return Ok(Value::Dict(dict)) };
    let tagged = match (tag, dict.remove(tag)) {
        (TUPLE, Some(Value::List(values))) => Some(Value::Tuple(values)),
        (MARKUP, Some(Value::Str(text))) => Some(Value::Markup(text)),
        (BYTES, Some(Value::Str(text))) => STANDARD.decode(text).ok().map(Value::Bytes),
        (UUID, Some(Value::Str(text))) => uuid(&text).map(Value::Uuid),
        (DATE_TIME, Some(Value::Str(text))) => DateTime::parse(&text).map(Value::DateTime),
        (ESCAPED, Some(Value::Dict(dict))) => unescaped(dict).map(Value::Dict),
        _ => None,
    };
    tagged.ok_or(Undecodable::Tag(tag))
}

/// Parses 32 lower-case hexadecimal digits.
fn uuid(digits: &str) -> Option<[u8; 16]> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != 32 || !digits.bytes().all(is_hex) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

fn unescaped(mut dict: Dict) -> Option<Dict> {
    let (key, value) = dict.pop_first().filter(|_| dict.is_empty())?;
    let tag = key.strip_suffix("__").filter(|tag| TAGS.contains(tag))?;
    Some(Dict::from([(tag.to_owned(), value)]))
}

struct Writer {
    out: String,
    depth: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value {
            Value::None => self.out.push_str("null"),
            Value::Bool(bool) => self.out.push_str(if *bool { "true" } else { "false" }),
            Value::Int(int) => write!(self.out, "{int}").expect("a String takes all text"),
            Value::Float(float) => json::write_float(&mut self.out, *float),
            Value::Str(text) => json::write_str(&mut self.out, text),
            Value::List(values) => return self.list(values),
            Value::Dict(dict) => return self.dict(dict),
            Value::Tuple(values) => return self.object(TUPLE, |writer| writer.list(values)),
            Value::Bytes(bytes) => return self.tagged(BYTES, &STANDARD.encode(bytes)),
            Value::Markup(text) => return self.tagged(MARKUP, text),
            Value::Uuid(bytes) => return self.tagged(UUID, &format!("{:032x}", u128::from_be_bytes(*bytes))),
            Value::DateTime(date) => return self.tagged(DATE_TIME, &date.to_string()),
        }
        Ok(())
    }

    fn dict(&mut self, dict: &Dict) -> Result<(), Error> {
        if let Some(tag) = tag(dict) {
            let key = format!("{tag}__");
            return self.object(ESCAPED, |writer| {
                writer.object(&key, |writer| dict.values().try_for_each(|value| writer.value(value)))
            });
        }
        self.nested('{', '}', dict.iter(), |writer, (key, value)| {
            json::write_str(&mut writer.out, key);
            writer.out.push(':');
            writer.value(value)
        })
    }

    fn list(&mut self, values: &[Value]) -> Result<(), Error> {
        self.nested('[', ']', values.iter(), Self::value)
    }

    fn tagged(&mut self, tag: &str, text: &str) -> Result<(), Error> {
        self.object(tag, |writer| {
            json::write_str(&mut writer.out, text);
            Ok(())
        })
    }

    /// Writes an object with one key.
    fn object(&mut self, key: &str, value: impl Fn(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.nested('{', '}', [key].into_iter(), |writer, key| {
            json::write_str(&mut writer.out, key);
            writer.out.push(':');
            value(writer)
        })
    }

    fn nested<T>(
        &mut self,
        begin: char,
        end: char,
        members: impl Iterator<Item = T>,
        mut member: impl FnMut(&mut Self, T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        self.depth += 1;
        self.out.push(begin);
        for (index, item) in members.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            member(self, item)?;
        }
        self.out.push(end);
        self.depth -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_do_not_fit_their_tag_are_refused() {
        for (tag, json) in [
            (" t", r#"{" t":{}}"#),
            (" t", r#"{" t":{" t":[]}}"#),
            (" b", r#"{" b":1}"#),
            (" b", r#"{" b":"AA"}"#),
            (" b", r#"{" b":"AB=="}"#),
            (" b", r#"{" b":"_-8="}"#),
            (" m", r#"{" m":null}"#),
            (" u", r#"{" u":"1234"}"#),
            (" u", r#"{" u":"ABCDEF00000000000000000000000000"}"#),
            (" u", r#"{" u":"+0000000000000000000000000000000"}"#),
            (" d", r#"{" d":"yesterday"}"#),
            (" di", r#"{" di":[]}"#),
            (" di", r#"{" di":{}}"#),
            (" di", r#"{" di":{" x__":1}}"#),
            (" di", r#"{" di":{" t_":1}}"#),
            (" di", r#"{" di":{" t__":1,"b":2}}"#),
        ] {
            let why = Undecodable::Tag(tag).in_entry("key");
            assert_eq!(parse(&format!("{{\"key\":{json}}}")), Err(why), "{json}");
        }
    }

    #[test]
    fn only_a_dictionary_is_a_session() {
        for json in ["1", "[]", "null", r#"{" t":[]}"#, r#"{" m":"a"}"#] {
            assert_eq!(parse(json), Err(Undecodable::NotADict), "{json}");
        }
    }

    #[test]
    fn the_depth_of_what_is_written_is_that_of_what_is_read() {
        let nested = |tuples: usize| {
            let value = (0..tuples).fold(Value::None, |value, _| Value::Tuple(vec![value]));
            Dict::from([("key".to_owned(), value)])
        };
        // Two levels for each tuple, and one for the session.
        let deepest = nested((MAX_DEPTH - 1) / 2);
        let json = write(&deepest).expect("not too deep");
        assert_eq!(parse(&json), Ok(deepest));
        assert_eq!(write(&nested(MAX_DEPTH / 2)), Err(Error::TooDeep));
    }
}
