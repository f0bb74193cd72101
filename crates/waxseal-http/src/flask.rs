//! Sessions of a Flask app, read from its cookies and written to them.

pub(crate) mod remember;
pub(crate) mod server_side;
mod value;
mod writing;

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_flask::login::{FRESH, IDENTIFIER, REMEMBER, REMEMBER_SECONDS, USER_ID};
use waxseal_flask::{Dict, FLASHES, FlaskCookie, FlaskKey, LIFETIME_SECONDS, PERMANENT, Signing, Value};
use waxseal_manager::Foreign;
use waxseal_session::{Markup, Session};

use crate::foreign_owner::set_owner;
use crate::foreign_sessions::{ForeignSessions, WrittenCookie};
use crate::foreign_value::fill_with;
use crate::session_cookie::SessionCookie;
use crate::session_cookie_builder::SessionCookieBuilder;
use crate::setup_error::SetupError;

/// A Flask app whose sessions are taken over.
///
/// Entries, `session.permanent` and messages of `flash` are taken over. The owner is Flask-Login's user, or the value
/// under [`owner_key`](Self::owner_key). The own keys of Flask and Flask-Login (`_permanent`, `_flashes`, `_user_id`,
/// `_fresh`, `_id`, `_remember`, `_remember_seconds`) do not become entries.
///
/// | in Flask | here |
/// |---|---|
/// | `None`, `bool`, `int`, `float`, `str`, `list`, `dict`, `bytes` | the same |
/// | `tuple` | a list |
/// | `Markup` | [`Markup`] |
/// | `UUID` | text with hyphens, as the crate `uuid` reads it |
/// | `datetime` | text as in `2015-10-21T07:28:00Z`, as `jiff` and `chrono` read it |
///
/// A session is refused if it has a value that cannot be kept: one that is nested deeper than 64 levels, an `int` of
/// more than 128 bits, a `str` with half a surrogate pair, or a `datetime` of the years 1 to 99, which Flask itself
/// reads as another century. The log then names the value's key. A message of `flash` that is neither `str` nor
/// `Markup` is left out, with a line in the log.
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
    owner_type: OwnerType,
    keeps_cookie: bool,
    /// The keys of the entries that both apps share, if the Flask app runs beside this one.
    shared: Option<Vec<String>>,
}

/// The type of the user's id in Python.
#[derive(Debug, Clone, Copy)]
enum OwnerType {
    Text,
    Integer,
    Uuid,
}

/// The own keys of Flask and Flask-Login, which do not become entries.
const FLASKS: [&str; 7] = [PERMANENT, FLASHES, USER_ID, FRESH, IDENTIFIER, REMEMBER, REMEMBER_SECONDS];

impl Flask {
    /// Creates a reader for the app with this `SECRET_KEY`, with Flask's defaults: a cookie named `session` with the
    /// path `/` and without `Domain`, valid for 31 days.
    #[must_use]
    pub fn new(key: FlaskKey) -> Self {
        let cookie = SessionCookie::builder().name("session").secure(false).build();
        Self {
            reader: FlaskCookie::new(key),
            cookie: cookie.expect("these attributes are allowed together"),
            lifetime: Duration::from_secs(LIFETIME_SECONDS),
            owner_key: None,
            owner_type: OwnerType::Text,
            keeps_cookie: false,
            shared: None,
        }
    }

    /// Adds one key of `SECRET_KEY_FALLBACKS`.
    #[must_use]
    pub fn fallback(self, key: FlaskKey) -> Self {
        Self { reader: self.reader.fallback(key), ..self }
    }

    /// Sets the salt, key derivation and digest, for an app that changed them.
    #[must_use]
    pub fn signing(self, signing: Signing) -> Self {
        Self { reader: self.reader.signing(signing), ..self }
    }

    /// Limits the decompressed size of a cookie, in bytes; 256 KiB unless set.
    #[must_use]
    pub fn max_inflated_bytes(self, bytes: usize) -> Self {
        Self { reader: self.reader.max_inflated_bytes(bytes), ..self }
    }

    /// Sets the app's `PERMANENT_SESSION_LIFETIME`. The terms of the migration have a
    /// [lifetime](waxseal_manager::Adoption::lifetime), too; the shorter of the two is used.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets the key under which the app keeps its user, as in `session["user_id"]`. The value is a string, an integer
    /// or a UUID, and also stays an entry. If it has any other type except `None`, the session is refused, with a line
    /// in the log. Without an owner, a sign-out cannot refuse the other cookies of the same session.
    #[must_use]
    pub fn owner_key(self, key: &str) -> Self {
        Self { owner_key: Some(key.to_owned()), ..self }
    }

    /// Sets the old app's cookie: `SESSION_COOKIE_NAME`, `_DOMAIN`, `_PATH`, `_SECURE`, `_PARTITIONED`.
    ///
    /// # Errors
    ///
    /// [`SetupError`] for attributes that contradict each other.
    pub fn cookie(self, cookie: SessionCookieBuilder) -> Result<Self, SetupError> {
        Ok(Self { cookie: cookie.build()?, ..self })
    }

    /// Leaves the old cookie in the browser until a sign-out, so that you can go back to the old app.
    #[must_use]
    pub fn keep_cookie(self) -> Self {
        Self { keeps_cookie: true, ..self }
    }

    /// Shares the sign-in, and the entries under `keys`, with a Flask app that runs beside this one. This is for a site
    /// that moves route by route. It lasts until the switch in the migration's terms.
    ///
    /// Responses also set Flask's cookie. **Whoever holds it can read its content**, so name no key whose value is a
    /// secret. Everything else in that cookie stays as Flask has it, such as `csrf_token`.
    ///
    /// - A sign-in in one app is a sign-in in the other. A session with an owner is valid only while requests also
    ///   bring a valid Flask cookie of the same owner. So a sign-out in Flask ends it with the next request here. A
    ///   sign-out here makes the browser forget both cookies.
    /// - A shared value that Flask has changed is taken over. One that is changed here is written to Flask's cookie
    ///   with the response. One that was not changed keeps its type in Python (a `tuple`, a `UUID`, a `datetime`). If a
    ///   request changes an entry to a value that Flask cannot represent, or that makes the cookie larger than browsers
    ///   accept, it fails with an error that names the key.
    /// - Requests to both apps at the same time affect Flask's cookie as they do in Flask: the last response wins.
    ///
    /// Browsers must send both cookies to both apps, and the apps' clocks must agree. After a sign-in here,
    /// Flask-Login's `_fresh` is true. With `session_protection = "strict"`, Flask-Login then signs the visitor out,
    /// because it compares a hash that only Flask-Login makes.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal_http::{Flask, FlaskKey};
    ///
    /// let flask = Flask::new(FlaskKey::from_text("SECRET_KEY")?).owner_key("user_id").integer_owner();
    /// let flask = flask.side_by_side(["cart"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn side_by_side<K: AsRef<str>>(self, keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter().map(|key| key.as_ref().to_owned());
        Self { shared: Some(keys.filter(|key| !FLASKS.contains(&key.as_str())).collect()), ..self }
    }

    /// For [`side_by_side`](Self::side_by_side): writes the owner as an integer under the [owner's
    /// key](Self::owner_key), as Flask's tutorial does. By default it is a string. An owner that is not an integer
    /// stays a string.
    #[must_use]
    pub fn integer_owner(self) -> Self {
        Self { owner_type: OwnerType::Integer, ..self }
    }

    /// The same with UUIDs: the owner is written as a Python `UUID`. One that is not a UUID with hyphens stays a string.
    #[must_use]
    pub fn uuid_owner(self) -> Self {
        Self { owner_type: OwnerType::Uuid, ..self }
    }

    /// The key of the entry that names the user.
    fn user_key(&self) -> &str {
        self.owner_key.as_deref().unwrap_or(USER_ID)
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
        set_owner(session, self.user_key(), read.entries.get(self.user_key()))?;
        match &self.shared {
            // All other entries stay with the app that runs beside this one.
            Some(keys) => {
                fill_entries(session, &read.entries, |key| keys.iter().any(|shared| shared == key))?
            }
            None => fill(session, &read.entries)?,
        }
        Ok(foreign)
    }

    fn is_unreadable(&self, value: &[u8], now: SystemTime) -> bool {
        use waxseal_flask::Error::{Expired, Form, Signature};
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Ok(value) = str::from_utf8(value) else { return false };
        let read = self.reader.read(value, now, self.lifetime.as_secs());
        !matches!(read, Err(Form | Signature | Expired { .. }))
    }

    fn keeps_cookie(&self) -> bool {
        self.keeps_cookie
    }

    fn shares(&self) -> Option<&[String]> {
        self.shared.as_deref()
    }

    fn write(
        &self,
        came: Option<&[u8]>,
        session: &Session,
        now: SystemTime,
    ) -> Result<Option<WrittenCookie>, waxseal_session::Error> {
        self.written(came, session, now)
    }

    /// A quarter of the lifetime: early enough for a visitor who comes rarely, and seldom compared with Flask's own writes.
    fn write_anew_after(&self) -> Duration {
        self.lifetime / 4
    }
}

/// Fills a session with everything that Flask keeps in one.
fn fill(session: &Session, entries: &Dict) -> Result<(), waxseal_session::Error> {
    let flashes = waxseal_flask::flashes(entries);
    let count = match entries.get(FLASHES) {
        Some(Value::List(all)) => all.len(),
        other => other.iter().len(),
    };
    if flashes.len() < count {
        let left_out = count - flashes.len();
        tracing::info!(left_out, "messages of `flash` that are neither text nor markup are left behind");
    }
    for flash in flashes {
        let html = Markup::from_html(flash.message);
        // HTML that is too long becomes plain text, which is cut and escaped.
        if !flash.is_markup || session.flash_markup(flash.category, &html).is_err() {
            session.flash(flash.category, flash.message)?;
        }
    }
    fill_entries(session, entries, |key| !FLASKS.contains(&key))
}

/// Fills a session with the entries whose keys are `wanted`, and sets its lifetime.
fn fill_entries(
    session: &Session,
    entries: &Dict,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), waxseal_session::Error> {
    session.set_permanent(waxseal_flask::is_permanent(entries))?;
    fill_with(session, entries, wanted)
}
