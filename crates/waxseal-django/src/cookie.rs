use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
use sha2::{Digest, Sha256};

use crate::error::{Error, Undecodable};
use crate::secret::Secret;
use crate::timestamp::{check_age, parse};

/// The salt of `django.contrib.sessions.backends.signed_cookies`, with the suffix that its signer appends.
const SALT: &str = "django.contrib.sessions.backends.signed_cookiessigner";
/// The salt of `AbstractBaseUser.get_session_auth_hash`.
const AUTH_SALT: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";

/// The largest size to which a payload may inflate, in bytes. A session that fits into a cookie is far smaller.
const MAX_INFLATED_BYTES: usize = 256 * 1024;

/// The session cookie of a Django app whose `SESSION_ENGINE` is `django.contrib.sessions.backends.signed_cookies`.
pub struct DjangoCookie {
    secrets: Vec<Secret>,
}

/// The session in a cookie that was read. `Debug` shows none of its content.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DjangoSession {
    /// The content: JSON as Python writes it, so also with `NaN`, infinities, and integers of any size.
    pub json: String,
    /// The time at which Django signed it, in seconds since 1970. It is also the time at which Django last sent it.
    pub signed_at: u64,
    /// Identifies this one cookie, as a hash of its signature, so that it can be refused later: the cookie has no id,
    /// and would be valid again after a sign-out.
    pub replay_id: [u8; 32],
}

impl DjangoCookie {
    /// The cookie of an app with this `SECRET_KEY`.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`].
    pub fn new(secret_key: &str) -> Result<Self, Error> {
        Ok(Self { secrets: vec![Secret::new(secret_key)?] })
    }

    /// Adds one key of `SECRET_KEY_FALLBACKS`.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`].
    pub fn fallback(mut self, secret_key: &str) -> Result<Self, Error> {
        self.secrets.push(Secret::new(secret_key)?);
        Ok(self)
    }

    /// Reads the value of a cookie at `now`, in seconds since 1970, if it is not older than `max_age`, in seconds.
    /// `max_age` is the app's `SESSION_COOKIE_AGE`, by default two weeks, which is 1,209,600 seconds.
    ///
    /// The signature is checked before anything else is decoded. The JSON is not parsed.
    ///
    /// # Errors
    ///
    /// Every variant except [`Error::KeyEmpty`]. The value is refused.
    pub fn read(&self, value: &str, now: u64, max_age: u64) -> Result<DjangoSession, Error> {
        let (signed, signature) = value.rsplit_once(':').ok_or(Error::Form)?;
        let (payload, timestamp) = signed.rsplit_once(':').ok_or(Error::Form)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Error::Form)?;
        if !self.secrets.iter().any(|secret| secret.verifies(SALT, signed.as_bytes(), &signature)) {
            return Err(Error::Signature);
        }
        let signed_at = parse(timestamp)?;
        check_age(signed_at, now, max_age)?;
        let hash = Sha256::new().chain_update(b"waxseal-django replay").chain_update(&signature);
        Ok(DjangoSession { json: decode(payload)?, signed_at, replay_id: hash.finalize().into() })
    }

    /// Returns `true` if `hash`, which Django keeps in a session under `_auth_user_hash`, matches this user's
    /// `password`, as it is in the table of users.
    ///
    /// Django checks this at each request, so that a changed password ends the user's other sessions.
    pub fn is_auth_hash(&self, hash: &str, password: &str) -> bool {
        let Some(mac) = decode_hex(hash) else { return false };
        self.secrets.iter().any(|secret| secret.verifies(AUTH_SALT, password.as_bytes(), &mac))
    }
}

fn decode(payload: &str) -> Result<String, Undecodable> {
    let (encoded, is_compressed) = payload.strip_prefix('.').map_or((payload, false), |rest| (rest, true));
    let mut bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Undecodable::Base64)?;
    if is_compressed {
        bytes = decompress_to_vec_zlib_with_limit(&bytes, MAX_INFLATED_BYTES).map_err(|error| match error
            .status
        {
            TINFLStatus::HasMoreOutput => Undecodable::TooLarge,
            _ => Undecodable::Zlib,
        })?;
    }
    String::from_utf8(bytes).map_err(|_| Undecodable::Utf8)
}

/// The bytes of lower-case hexadecimal digits.
fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let is_hex = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
    if digits.len() % 2 == 1 || !digits.as_bytes().iter().all(is_hex) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

impl fmt::Debug for DjangoCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoCookie").field("secrets", &self.secrets.len()).finish()
    }
}

impl fmt::Debug for DjangoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoSession").field("signed_at", &self.signed_at).finish_non_exhaustive()
    }
}
