use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::envelope::{self, Letter};
use crate::error::{Error, Undecodable};
use crate::expiry;
use crate::key::RailsKey;

/// The session cookie of a Rails app with the `session_store` `:cookie_store`.
#[derive(Debug)]
pub struct RailsCookie {
    purpose: String,
    keys: Vec<RailsKey>,
    has_metadata: bool,
}

/// The session in a cookie that was opened. `Debug` shows none of its content.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RailsSession {
    /// The content: JSON.
    pub json: String,
    /// The time from which Rails no longer reads it, in seconds since 1970, if the app sets `expire_after`. The cookie
    /// does not say when it was made.
    pub expires: Option<u64>,
}

impl RailsCookie {
    /// The cookie with the name `name`, such as `_shop_session`, of an app with this key.
    pub fn new(name: &str, key: RailsKey) -> Self {
        Self { purpose: format!("cookie.{name}"), keys: vec![key], has_metadata: true }
    }

    /// Adds a key from the app's `cookies_rotations`, or from its earlier settings.
    pub fn fallback(mut self, key: RailsKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Also reads cookies of an app with `use_cookies_with_metadata = false`, as before Rails 6.0. They do not contain
    /// the name of their cookie, so an encrypted cookie with another name is taken for a session.
    pub fn without_metadata(self) -> Self {
        Self { has_metadata: false, ..self }
    }

    /// Reads the value of a cookie, as a browser sends it, at `now`, in seconds since 1970.
    ///
    /// Nothing is decoded before the key has authenticated it. The JSON of the session is not parsed.
    ///
    /// # Errors
    ///
    /// Every variant except [`Error::KeyEmpty`]. The value is refused.
    pub fn read(&self, value: &str, now: u64) -> Result<RailsSession, Error> {
        let value = unescaped(value).ok_or(Error::Form)?;
        let mut parts = value.split("--").map(|part| STANDARD.decode(part));
        let (Some(Ok(mut sealed)), Some(Ok(nonce)), Some(Ok(tag)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::Form);
        };
        let (Ok(nonce), 16) = (<[u8; 12]>::try_from(nonce), tag.len()) else { return Err(Error::Form) };
        sealed.extend(tag);
        let opened = self.keys.iter().find_map(|key| key.open(&nonce, &sealed)).ok_or(Error::Key)?;
        match envelope::parse(&opened)? {
            Some(letter) => self.read_letter(&letter, now),
            None if self.has_metadata => Err(Error::Purpose),
            None => Ok(RailsSession { json: text(&opened)?, expires: None }),
        }
    }

    fn read_letter(&self, letter: &Letter, now: u64) -> Result<RailsSession, Error> {
        // Without metadata, Rails writes the envelope for an expiry alone.
        let is_meant = match &letter.pur {
            Some(purpose) => *purpose == self.purpose,
            None => !self.has_metadata,
        };
        if !is_meant {
            return Err(Error::Purpose);
        }
        let expires = match &letter.exp {
            Some(time) => Some(expiry::parse(time).ok_or(Undecodable::Expiry)?),
            None => None,
        };
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Error::Expired);
        }
        let message = STANDARD.decode(&letter.message).map_err(|_| Undecodable::Envelope)?;
        Ok(RailsSession { json: text(&message)?, expires })
    }
}

/// The value without the three escapes that Rack writes. Other spellings are refused, because Rack does not write them.
fn unescaped(value: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'%';
    let is_plain = value.bytes().all(is_plain);
    is_plain.then(|| value.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="))
}

fn text(message: &[u8]) -> Result<String, Undecodable> {
    // The version bytes of Ruby's Marshal.
    if message.starts_with(&[4, 8]) {
        return Err(Undecodable::Marshal);
    }
    str::from_utf8(message).map(str::to_owned).map_err(|_| Undecodable::Utf8)
}

impl fmt::Debug for RailsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RailsSession").field("expires", &self.expires).finish_non_exhaustive()
    }
}
