//! Flask-Session 0.7 and 0.8: a session id is in the cookie, and the session in a store such as Redis.
//!
//! The caller fetches the bytes from the store under [`store_key`]. Records of versions before 0.7 are pickled. A
//! pickle can run code when it is read, so pickled records are refused, whoever wrote them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Undecodable};
use crate::json;
use crate::key::FlaskKey;
use crate::limits::MAX_ID_BYTES;
use crate::msgpack;
use crate::signing::Signing;
use crate::value::{Dict, Value};

/// The default of `SESSION_KEY_PREFIX`.
pub const KEY_PREFIX: &str = "session:";

/// The key under which the store has the session with this id: the prefix, then the id.
///
/// # Errors
///
/// [`Error::Form`] if `id` contains anything but letters, digits, `-` and `_`, which Flask-Session uses, or is longer
/// than 128 characters.
pub fn store_key(prefix: &str, id: &str) -> Result<String, Error> {
    let is_drawn = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(is_drawn) {
        return Err(Error::Form);
    }
    Ok(format!("{prefix}{id}"))
}

/// Reads the id from the cookie of an app with `SESSION_USE_SIGNER`. In other apps, the cookie's value is the id
/// itself.
///
/// # Errors
///
/// [`Error::Form`] or [`Error::Signature`].
pub fn read_signed_id<'a>(value: &'a str, key: &FlaskKey) -> Result<&'a str, Error> {
    let (id, signature) = value.rsplit_once('.').ok_or(Error::Form)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Error::Form)?;
    let signing = Signing { salt: b"flask-session".to_vec(), ..Signing::default() };
    if signing.verifies(key, id, &signature) { Ok(id) } else { Err(Error::Signature) }
}

/// Reads a record in MessagePack or in JSON; the format is detected.
///
/// In MessagePack, a `datetime` with a time zone is read as [`Value::DateTime`], with its microseconds. Everything that
/// msgspec writes as text or as a list is read as such: UUIDs, dates, tuples, and bytes in JSON.
///
/// # Errors
///
/// [`Error::Undecodable`].
pub fn read(record: &[u8]) -> Result<Dict, Error> {
    // In MessagePack, a brace at the beginning would be just a number.
    let value = if record.first() == Some(&b'{') { parse_json(record)? } else { msgpack::parse(record)? };
    match value {
        Value::Dict(dict) => Ok(dict),
        _ => Err(Undecodable::NotADict.into()),
    }
}

fn parse_json(record: &[u8]) -> Result<Value, Undecodable> {
    let text = str::from_utf8(record).map_err(|_| Undecodable::Utf8)?;
    json::parse(text, |dict| Ok(Value::Dict(dict)))
}
