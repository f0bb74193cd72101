//! Session values converted into Flask's.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use waxseal_flask::{Dict, Value, uuid_text};
use waxseal_session::backend::MARKUP;

/// A session value converted into Flask's, or a phrase that says what Flask has no type for.
pub(super) struct Crossed(pub(super) Result<Value, &'static str>);

impl<'de> Deserialize<'de> for Crossed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(MARKUP, Any).map(Self)
    }
}

struct Any;

type Crossing = Result<Value, &'static str>;

macro_rules! visit {
    ($($name:ident($kind:ty) => $value:expr;)*) => {$(
        fn $name<E: serde::de::Error>(self, value: $kind) -> Result<Crossing, E> {
            let convert: fn($kind) -> Crossing = $value;
            Ok(convert(value))
        }
    )*};
}

impl<'de> Visitor<'de> for Any {
    type Value = Crossing;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value for Flask")
    }

    visit! {
        visit_bool(bool) => |value| Ok(Value::Bool(value));
        visit_i64(i64) => |value| Ok(Value::Int(value.into()));
        visit_i128(i128) => |value| Ok(Value::Int(value));
        visit_u64(u64) => |value| Ok(Value::Int(value.into()));
        visit_u128(u128) => |value| i128::try_from(value).map(Value::Int).map_err(|_| "an integer of 128 bits");
        visit_f32(f32) => |value| Ok(Value::Float(value.into()));
        visit_f64(f64) => |value| Ok(Value::Float(value));
        visit_str(&str) => |value| Ok(Value::Str(value.to_owned()));
        visit_bytes(&[u8]) => |value| Ok(Value::Bytes(value.to_vec()));
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Crossing, E> {
        Ok(Ok(Value::None))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Crossing, E> {
        Ok(Ok(Value::None))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Crossing, D::Error> {
        Crossed::deserialize(deserializer).map(|value| value.0)
    }

    /// Called only for markup.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Crossing, D::Error> {
        String::deserialize(deserializer).map(|html| Ok(Value::Markup(html)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Crossing, A::Error> {
        let mut values = Vec::new();
        while let Some(Crossed(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into_iter().collect::<Result<_, _>>().map(Value::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Crossing, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Crossed(key), Crossed(value))) = map.next_entry()? {
            pairs.push((key, value));
        }
        let pairs = pairs.into_iter().map(|(key, value)| match key? {
            Value::Str(key) => Ok((key, value?)),
            _ => Err("a map whose keys are not text"),
        });
        Ok(pairs.collect::<Result<Dict, _>>().map(Value::Dict))
    }
}

/// Returns `true` if `ours` is what `theirs` was converted into here, so that `theirs` can stay as it is.
pub(super) fn is_same(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
        (Value::List(theirs) | Value::Tuple(theirs), Value::List(ours)) => {
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(theirs, ours)| is_same(theirs, ours))
        }
        (Value::Dict(theirs), Value::Dict(ours)) => {
            let same = |((key, theirs), (other, ours))| key == other && is_same(theirs, ours);
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(same)
        }
        (Value::Uuid(bytes), Value::Str(text)) => uuid_text(bytes) == *text,
        (Value::DateTime(time), Value::Str(text)) => time.rfc3339() == *text,
        (theirs, ours) => theirs == ours,
    }
}
