//! Sessions of a Flask app, read from its cookies.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::{Serialize, SerializeMap, Serializer};
use waxseal_flask::login::{FRESH, IDENTIFIER, Login, REMEMBER, REMEMBER_SECONDS, USER_ID};
use waxseal_flask::{Dict, FLASHES, FlaskCookie, FlaskKey, FlaskSession, PERMANENT, Signing, Value};
use waxseal_manager::Foreign;
use waxseal_session::Session;

use crate::foreign_sessions::ForeignSessions;
use crate::session_cookie::SessionCookie;
use crate::session_cookie_builder::SessionCookieBuilder;
use crate::setup_error::SetupError;

/// A Flask app whose sessions are taken over.
///
/// Entries, `session.permanent` and the messages of `flash` come along. The owner is Flask-Login's user, or the value
/// under [`owner_key`](Self::owner_key). Flask's own keys and Flask-Login's (`_permanent`, `_flashes`, `_user_id`, `_fresh`,
/// `_id`, `_remember`, `_remember_seconds`) are not entries here.
///
/// | in Flask | here |
/// |---|---|
/// | `None`, `bool`, `int`, `float`, `str`, `list`, `dict`, `bytes` | the same |
/// | `tuple` | a list |
/// | `Markup` | text |
/// | `UUID` | text with hyphens, as the crate `uuid` reads it |
/// | `datetime` | text as in `2015-10-21T07:28:00Z`, as `jiff` and `chrono` read it |
///
/// A session with a value that cannot be kept, nested deeper than 64 levels, is refused with a line in the log that names
/// the key.
///
/// # Example
///
/// ```
/// use waxseal_http::{Flask, SessionCookie, SessionLayer};
/// # use waxseal_crypto::{Keyring, SecretKey};
/// use waxseal_flask::FlaskKey;
/// use waxseal_manager::{Adoption, SessionManager};
/// use waxseal_store::MemoryStore;
///
/// # let keyring = Keyring::new(SecretKey::generate()?);
/// let flask = Flask::new(FlaskKey::from_text("the old app's SECRET_KEY")?).owner_key("user_id");
/// let terms = Adoption::between("2027-02-01", "2027-03-01")?;
/// let cookie = SessionCookie::builder().build()?;
/// let sessions = SessionManager::mirrored(&keyring, cookie.name(), "demo", MemoryStore::new())?.adopting(terms)?;
/// let layer = SessionLayer::new(sessions, cookie).migrate_from(vec![Box::new(flask)])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Flask {
    reader: FlaskCookie,
    cookie: SessionCookie,
    lifetime: Duration,
    owner_key: Option<String>,
    keeps_cookie: bool,
}

/// Flask's `PERMANENT_SESSION_LIFETIME`, which it applies to every cookie.
const LIFETIME: Duration = Duration::from_secs(31 * 86_400);

impl Flask {
    /// The app with this `SECRET_KEY`, all else as Flask has it by default: a cookie called `session` without `Domain` and
    /// with the path `/`, good for 31 days.
    #[must_use]
    pub fn new(key: FlaskKey) -> Self {
        let cookie = SessionCookie::builder().name("session").secure(false).build();
        Self {
            reader: FlaskCookie::new(key),
            cookie: cookie.expect("these attributes are allowed together"),
            lifetime: LIFETIME,
            owner_key: None,
            keeps_cookie: false,
        }
    }

    /// Adds one key of `SECRET_KEY_FALLBACKS`.
    #[must_use]
    pub fn fallback(self, key: FlaskKey) -> Self {
        Self { reader: self.reader.fallback(key), ..self }
    }

    /// Sets salt, derivation and digest, for an app that changed them.
    #[must_use]
    pub fn signing(self, signing: Signing) -> Self {
        Self { reader: self.reader.signing(signing), ..self }
    }

    /// Sets the app's `PERMANENT_SESSION_LIFETIME`. The terms of the migration have a
    /// [lifetime](waxseal_manager::Adoption::lifetime), too, and the shorter one counts.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets the key under which the app keeps its user, as in `session["user_id"]`: text or an integer. It stays an entry,
    /// too. Without the owner, a sign-out cannot refuse the other cookies of the same session.
    #[must_use]
    pub fn owner_key(self, key: &str) -> Self {
        Self { owner_key: Some(key.to_owned()), ..self }
    }

    /// Sets the cookie as the app sets it: `SESSION_COOKIE_NAME`, `_DOMAIN`, `_PATH`, `_SECURE`, `_PARTITIONED`.
    ///
    /// # Errors
    ///
    /// [`SetupError`] for attributes that contradict each other.
    pub fn cookie(self, cookie: SessionCookieBuilder) -> Result<Self, SetupError> {
        Ok(Self { cookie: cookie.build()?, ..self })
    }

    /// Leaves the old cookie in the browser until a sign-out, so that the old app can be gone back to.
    #[must_use]
    pub fn keep_cookie(self) -> Self {
        Self { keeps_cookie: true, ..self }
    }

    /// The user's name: an integer is written in decimal.
    fn owner(&self, entries: &Dict) -> Option<String> {
        match &self.owner_key {
            None => Login::of(entries).map(|login| login.user_id),
            Some(key) => match entries.get(key)? {
                Value::Str(text) => Some(text.clone()),
                Value::Int(number) => Some(number.to_string()),
                _ => None,
            },
        }
    }
}

impl ForeignSessions for Flask {
    fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }

    fn read(&self, value: &[u8], now: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let read = self.reader.read(str::from_utf8(value)?, now, self.lifetime.as_secs())?;
        let signed_at =
            UNIX_EPOCH.checked_add(Duration::from_secs(read.signed_at)).ok_or("signed in no time")?;
        let ends = signed_at.checked_add(self.lifetime).ok_or("its lifetime has no end")?;
        let foreign = Foreign::new(*read.replay_id.as_bytes(), signed_at, ends);
        let session = foreign.session();
        session.set_owner(self.owner(&read.entries).as_deref())?;
        fill(session, &read)?;
        Ok(foreign)
    }

    fn keeps_cookie(&self) -> bool {
        self.keeps_cookie
    }
}

fn fill(session: &Session, read: &FlaskSession) -> Result<(), waxseal_session::Error> {
    const FLASKS: [&str; 7] = [PERMANENT, FLASHES, USER_ID, FRESH, IDENTIFIER, REMEMBER, REMEMBER_SECONDS];
    session.set_permanent(read.is_permanent())?;
    for (category, message) in read.flashes() {
        session.flash(category, message)?;
    }
    for (key, value) in read.entries.iter().filter(|(key, _)| !FLASKS.contains(&key.as_str())) {
        session.insert(key, Plain(value))?;
    }
    Ok(())
}

/// A value of Flask's as a session of ours has it.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::None => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i128(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Str(text) | Value::Markup(text) => serializer.serialize_str(text),
            Value::List(items) | Value::Tuple(items) => serializer.collect_seq(items.iter().map(Plain)),
            Value::Dict(dict) => {
                let mut map = serializer.serialize_map(Some(dict.len()))?;
                for (key, value) in dict {
                    map.serialize_entry(key, &Plain(value))?;
                }
                map.end()
            }
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::Uuid(bytes) => serializer.collect_str(&hyphenated(bytes)),
            Value::DateTime(time) => serializer.collect_str(&time.rfc3339()),
            _ => Err(serde::ser::Error::custom("a value of a later release of Flask's cookies")),
        }
    }
}

/// The usual text of a UUID.
fn hyphenated(bytes: &[u8; 16]) -> String {
    let number = u128::from_be_bytes(*bytes);
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
