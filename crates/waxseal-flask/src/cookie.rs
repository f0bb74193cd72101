use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Undecodable};
use crate::inflate::{deflate, inflate};
use crate::key::FlaskKey;
use crate::limits::{DEFAULT_MAX_INFLATED_BYTES, MAX_CLOCK_SKEW_SECONDS};
use crate::replay::ReplayId;
use crate::session::FlaskSession;
use crate::signing::Signing;
use crate::tags;
use crate::value::Dict;

/// The session cookie of a Flask app: its keys and how it is signed.
///
/// ```
/// use waxseal_flask::{Dict, FlaskCookie, FlaskKey, Value};
///
/// let cookie = FlaskCookie::new(FlaskKey::from_text("today's")?).fallback(FlaskKey::from_text("last month's")?);
/// let text = cookie.write(&Dict::from([("user".to_owned(), Value::Int(7))]), 1_700_000_000)?;
/// assert_eq!(cookie.read(&text, 1_700_000_060, 3_600)?.entries["user"], Value::Int(7));
/// # Ok::<(), waxseal_flask::Error>(())
/// ```
#[derive(Debug)]
pub struct FlaskCookie {
    key: FlaskKey,
    fallbacks: Vec<FlaskKey>,
    signing: Signing,
    max_inflated_bytes: usize,
}

impl FlaskCookie {
    /// The cookie of an app with this `SECRET_KEY`, signed as Flask does by default.
    pub fn new(key: FlaskKey) -> Self {
        let signing = Signing::default();
        Self { key, fallbacks: Vec::new(), signing, max_inflated_bytes: DEFAULT_MAX_INFLATED_BYTES }
    }

    /// Adds one key of `SECRET_KEY_FALLBACKS`. It is used to read, never to write.
    pub fn fallback(mut self, key: FlaskKey) -> Self {
        self.fallbacks.push(key);
        self
    }

    /// Sets another salt, derivation or digest, for apps that changed Flask's defaults.
    pub fn signing(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    /// Limits the size to which a compressed payload may inflate, in bytes; 256 KiB by default.
    pub fn max_inflated_bytes(mut self, bytes: usize) -> Self {
        self.max_inflated_bytes = bytes;
        self
    }

    /// Reads the value of a cookie at `now`, in seconds since 1970, if it is not older than `lifetime`, in seconds.
    ///
    /// Flask applies `PERMANENT_SESSION_LIFETIME` to every cookie, permanent or not:
    /// [`LIFETIME_SECONDS`](crate::LIFETIME_SECONDS) unless the app sets it. The signature is checked before anything
    /// else is decoded. Flask's clock may be up to 60 seconds ahead.
    ///
    /// # Errors
    ///
    /// Every variant except [`Error::KeyEmpty`] and [`Error::TooDeep`]. The value is refused.
    pub fn read(&self, value: &str, now: u64, lifetime: u64) -> Result<FlaskSession, Error> {
        let (signed, signature) = value.rsplit_once('.').ok_or(Error::Form)?;
        let (payload, timestamp) = signed.rsplit_once('.').ok_or(Error::Form)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Error::Form)?;
        let is_fallback = self.signer_is_fallback(signed, &signature)?;
        let signed_at = parse_timestamp(timestamp)?;
        check_age(signed_at, now, lifetime)?;
        let entries = decode(payload, self.max_inflated_bytes)?;
        Ok(FlaskSession { entries, signed_at, replay_id: ReplayId::of(&signature), is_fallback })
    }

    /// Writes a session as Flask does, signed at `now`, in seconds since 1970.
    ///
    /// Keys are sorted, text is ASCII, and the result is compressed if that makes it shorter. Browsers store at most
    /// [`MAX_COOKIE_BYTES`](crate::MAX_COOKIE_BYTES) of name and value together; the length is not checked here.
    ///
    /// # Errors
    ///
    /// [`Error::TooDeep`] if the entries are nested too deeply.
    pub fn write(&self, entries: &Dict, now: u64) -> Result<String, Error> {
        let json = tags::write(entries)?;
        let mut value = match deflate(json.as_bytes()) {
            Some(compressed) => format!(".{}", URL_SAFE_NO_PAD.encode(compressed)),
            None => URL_SAFE_NO_PAD.encode(json),
        };
        value.push('.');
        value.push_str(&format_timestamp(now));
        let signature = URL_SAFE_NO_PAD.encode(&*self.signing.sign(&self.key, &value));
        value.push('.');
        value.push_str(&signature);
        Ok(value)
    }

    fn signer_is_fallback(&self, signed: &str, signature: &[u8]) -> Result<bool, Error> {
        let verifies = |key: &FlaskKey| self.signing.verifies(key, signed, signature);
        if verifies(&self.key) {
            return Ok(false);
        }
        if self.fallbacks.iter().any(verifies) { Ok(true) } else { Err(Error::Signature) }
    }
}

/// The content of a payload.
pub(crate) fn decode(payload: &str, max_inflated_bytes: usize) -> Result<Dict, Undecodable> {
    let (encoded, is_compressed) = payload.strip_prefix('.').map_or((payload, false), |rest| (rest, true));
    let mut bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Undecodable::Base64)?;
    if is_compressed {
        bytes = inflate(&bytes, max_inflated_bytes)?;
    }
    let json = str::from_utf8(&bytes).map_err(|_| Undecodable::Utf8)?;
    tags::parse(json)
}

/// The big-endian bytes without leading zeros.
fn format_timestamp(seconds: u64) -> String {
    let zeros = seconds.leading_zeros() as usize / 8;
    URL_SAFE_NO_PAD.encode(&seconds.to_be_bytes()[zeros..])
}

pub(crate) fn parse_timestamp(text: &str) -> Result<u64, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Timestamp)?;
    if bytes.len() > 8 || bytes.first() == Some(&0) {
        return Err(Error::Timestamp);
    }
    Ok(bytes.iter().fold(0, |seconds, &byte| seconds << 8 | u64::from(byte)))
}

fn check_age(signed_at: u64, now: u64, lifetime: u64) -> Result<(), Error> {
    if signed_at > now.saturating_add(MAX_CLOCK_SKEW_SECONDS) {
        return Err(Error::Future { ahead: signed_at - now });
    }
    let age = now.saturating_sub(signed_at);
    if age > lifetime { Err(Error::Expired { age }) } else { Ok(()) }
}
