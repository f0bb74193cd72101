//! The MessagePack extensions that values use: integers of 128 bits, and marked HTML (the format's section "What is
//! sealed").

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The name of the newtype struct by which rmp-serde recognizes an extension: a struct of its type and its bytes.
const EXTENSION: &str = rmp_serde::MSGPACK_EXT_STRUCT_NAME;
/// The first byte of an extension of 16 bytes. The type follows, then the integer in big-endian order.
pub(crate) const MARKER: u8 = 0xd8;
pub(crate) const POSITIVE: u8 = 1;
pub(crate) const NEGATIVE: u8 = 2;
/// The type of an extension that holds HTML, in UTF-8.
pub(crate) const HTML: u8 = 3;

/// The bytes of an extension.
struct Bytes<T>(T);

impl<T: AsRef<[u8]>> Serialize for Bytes<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_ref())
    }
}

impl<'de> Deserialize<'de> for Bytes<Vec<u8>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Bytes<Vec<u8>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of an extension")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Any)
    }
}

/// Writes an extension of this type.
pub(crate) fn extension<S: Serializer>(
    serializer: S,
    kind: u8,
    bytes: impl AsRef<[u8]>,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(EXTENSION, &(kind.cast_signed(), Bytes(bytes)))
}

/// A value of an extension.
pub(crate) enum Extension {
    Positive(u128),
    Negative(i128),
    Html(String),
}

impl Extension {
    /// Reads an extension of one of the known types. rmp-serde presents an extension as a newtype struct.
    pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, Bytes(bytes)) = <(i8, Bytes<Vec<u8>>)>::deserialize(deserializer)?;
        let sixteen = || {
            let length = bytes.len();
            <[u8; 16]>::try_from(&*bytes).map_err(|_| de::Error::invalid_length(length, &"16 bytes"))
        };
        match kind.cast_unsigned() {
            POSITIVE => sixteen().map(|bytes| Self::Positive(u128::from_be_bytes(bytes))),
            NEGATIVE => sixteen().map(|bytes| Self::Negative(i128::from_be_bytes(bytes))),
            HTML => match String::from_utf8(bytes) {
                Ok(text) => Ok(Self::Html(text)),
                Err(_) => Err(de::Error::invalid_value(de::Unexpected::Other("bytes"), &"UTF-8")),
            },
            _ => Err(de::Error::invalid_value(de::Unexpected::Signed(kind.into()), &"a known extension")),
        }
    }
}
