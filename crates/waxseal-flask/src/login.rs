//! Flask-Login: its keys in the session, and its cookie `remember_token`.

use crate::digest::Digest;
use crate::error::Error;
use crate::key::FlaskKey;
use crate::value::{Dict, Value, uuid_text};

/// The key of the user's id, as the app's `get_id` returned it.
pub const USER_ID: &str = "_user_id";
/// The key of a `bool`: true after a sign-in with credentials, false after one with [`REMEMBER_COOKIE`].
pub const FRESH: &str = "_fresh";
/// The key of the hash of address and browser that Flask-Login's session protection compares.
pub const IDENTIFIER: &str = "_id";
/// The key by which Flask-Login notes that it has to set or clear [`REMEMBER_COOKIE`] with the next response.
pub const REMEMBER: &str = "_remember";
/// The key of the lifetime with which [`REMEMBER_COOKIE`] is set, in seconds.
pub const REMEMBER_SECONDS: &str = "_remember_seconds";
/// The default name of the cookie that signs in without a session: Flask-Login's `REMEMBER_COOKIE_NAME`.
pub const REMEMBER_COOKIE: &str = "remember_token";

const SEPARATOR: char = '|';
const HEX_DIGITS: usize = 128;

/// The sign-in that Flask-Login noted in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The user's id as text. An integer is written in decimal, a UUID with hyphens.
    pub user_id: String,
    /// `true` after a sign-in with credentials.
    pub is_fresh: bool,
}

impl Login {
    /// The sign-in in this session. `None` if nobody is signed in, or if the id is neither text, nor an integer, nor a
    /// UUID.
    pub fn of(entries: &Dict) -> Option<Self> {
        let user_id = match entries.get(USER_ID)? {
            Value::Str(text) => text.clone(),
            Value::Int(int) => int.to_string(),
            Value::Uuid(bytes) => uuid_text(bytes),
            _ => return None,
        };
        Some(Self { user_id, is_fresh: matches!(entries.get(FRESH), Some(Value::Bool(true))) })
    }
}

/// Reads the user's id from the value of a `remember_token` cookie, with the app's `SECRET_KEY`.
///
/// Werkzeug puts a value in double quotes if it has characters that a cookie may not have. Remove the quotes first.
/// Like Flask-Login, this tries no fallback keys.
///
/// The token has no date and no id: it is the same for every sign-in of a user, and valid until the key changes. It
/// cannot be distinguished from a copy, and refusing it after one use would lock the user out.
///
/// # Errors
///
/// [`Error::Form`] or [`Error::Signature`]. The latter also if the key is a text with characters that Latin-1 does not
/// have; with such a key Flask-Login itself fails.
pub fn read_remember_token<'a>(value: &'a str, key: &FlaskKey) -> Result<&'a str, Error> {
    let (user_id, digits) = value.rsplit_once(SEPARATOR).ok_or(Error::Form)?;
    let mac = decode_hex(digits).ok_or(Error::Form)?;
    let key = key.latin1().ok_or(Error::Signature)?;
    if Digest::Sha512.verifies(&key, user_id.as_bytes(), &mac) { Ok(user_id) } else { Err(Error::Signature) }
}

/// The bytes of 128 lower-case hexadecimal digits.
fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if digits.len() != HEX_DIGITS {
        return None;
    }
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}
