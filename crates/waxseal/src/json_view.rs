//! Session values as JSON that people can read.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A session value that serializes into JSON that people can read.
///
/// A value of a type that JSON lacks becomes an object with one key that begins with `$`: `{"$bytes": "c0ffee"}`,
/// `{"$number": "NaN"}`, `{"$map": [[1, "one"]]}`.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "a value is what its name says")]
#[expect(clippy::exhaustive_enums, reason = "the kinds of values that serde knows")]
pub enum Readable {
    Null,
    Bool(bool),
    Unsigned(u128),
    Signed(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Readable>),
    Map(Vec<(Readable, Readable)>),
}

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Readable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Readable, E> {
        Ok(Readable::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Readable, E> {
        Ok(Readable::Signed(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Readable, E> {
        Ok(Readable::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Readable, E> {
        Ok(Readable::Unsigned(value.into()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Readable, E> {
        Ok(Readable::Unsigned(value))
    }

    fn visit_f32<E>(self, value: f32) -> Result<Readable, E> {
        // Converted through its text: cast to f64, the f32 0.1 would read 0.10000000149.
        Ok(Readable::Float(value.to_string().parse().unwrap_or(f64::from(value))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Readable, E> {
        Ok(Readable::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Readable, E> {
        Ok(Readable::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Readable, E> {
        Ok(Readable::Bytes(value.to_owned()))
    }

    fn visit_none<E>(self) -> Result<Readable, E> {
        Ok(Readable::Null)
    }

    fn visit_unit<E>(self) -> Result<Readable, E> {
        Ok(Readable::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Readable, D::Error> {
        Readable::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Readable, D::Error> {
        Readable::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Readable, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Readable::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Readable, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Readable::Map(entries))
    }
}

impl Serialize for Readable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u128(*value),
            Self::Signed(value) => serializer.serialize_i128(*value),
            Self::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Float(value) => special(serializer, "$number", &value.to_string()),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                special(serializer, "$bytes", &hex)
            }
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) if entries.iter().all(|(key, _)| matches!(key, Self::Text(_))) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
            Self::Map(entries) => special(serializer, "$map", entries),
        }
    }
}

fn special<S: Serializer>(
    serializer: S,
    name: &str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use waxseal_crypto::{Keyring, SecretKey};
    use waxseal_manager::SessionManager;

    use super::*;

    struct Sixteen;

    impl Serialize for Sixteen {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&[0xff; 16])
        }
    }

    #[test]
    fn every_value_has_a_readable_form() {
        let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
        let session = SessionManager::cookie(&keyring, "session", "demo").unwrap().create();
        let mut expected = Vec::new();
        let mut put = |key: &'static str, json: &'static str| expected.push((key, json));
        session.insert("text", "a \"quoted\" 🦀").unwrap();
        put("text", r#""a \"quoted\" 🦀""#);
        session.insert("numbers", (u64::MAX, i64::MIN, 0.1_f32, 1.5)).unwrap();
        put("numbers", "[18446744073709551615,-9223372036854775808,0.1,1.5]");
        session.insert("no numbers", [f64::NAN, f64::INFINITY]).unwrap();
        put("no numbers", r#"[{"$number":"NaN"},{"$number":"inf"}]"#);
        session.insert("huge", (u128::MAX, i128::MIN)).unwrap();
        put("huge", "[340282366920938463463374607431768211455,-170141183460469231731687303715884105728]");
        session.insert("bytes", Sixteen).unwrap();
        put("bytes", r#"{"$bytes":"ffffffffffffffffffffffffffffffff"}"#);
        session.insert("integer keys", BTreeMap::from([(7, "seven")])).unwrap();
        put("integer keys", r#"{"$map":[[7,"seven"]]}"#);
        session.insert("nothing", None::<u8>).unwrap();
        put("nothing", "null");
        session.insert("map", BTreeMap::from([("b", true), ("a", false)])).unwrap();
        put("map", r#"{"a":false,"b":true}"#);
        for ((key, value), (expected_key, json)) in session.iter().zip(expected) {
            let readable: Readable = value.decode().unwrap();
            assert_eq!((&*key, &*serde_json::to_string(&readable).unwrap()), (expected_key, json));
        }
    }
}
