//! Sessions of a Django app, read from its cookies.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_django::DjangoCookie;
use waxseal_flask::{Dict, Value, read_json};
use waxseal_manager::Foreign;

use crate::foreign_owner::set_owner;
use crate::foreign_sessions::ForeignSessions;
use crate::foreign_value::fill_with;
use crate::session_cookie::SessionCookie;
use crate::session_cookie_builder::SessionCookieBuilder;
use crate::setup_error::SetupError;

/// A Django app whose sessions are taken over: those of `SESSION_ENGINE =
/// "django.contrib.sessions.backends.signed_cookies"` with its `JSONSerializer`.
///
/// The owner is the user of `django.contrib.auth`, and entries are taken over. Django's own keys (`_auth_user_id`,
/// `_auth_user_backend`, `_csrftoken`, `_messages`, `_session_expiry`) do not become entries. **`_auth_user_hash`
/// does**: Django compares it with the user's password for each request, so that a changed password ends other
/// sessions. An app that wants the same for a session that was taken over calls [`DjangoCookie::is_auth_hash`].
///
/// Values are those of JSON. A session with an integer of more than 128 bits, or nested deeper than 64 levels, is refused.
///
/// # Example
///
/// ```
/// use waxseal_http::{Django, SessionCookie};
///
/// let django = Django::new("SECRET_KEY")?.cookie(SessionCookie::builder().name("shop_session").secure(true))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Django {
    reader: DjangoCookie,
    cookie: SessionCookie,
    cookie_age: Duration,
    ends_with_browser: bool,
    keeps_cookie: bool,
}

const USER_ID: &str = "_auth_user_id";
const EXPIRY: &str = "_session_expiry";
/// Django's own keys, which do not become entries.
const DJANGOS: [&str; 5] = [USER_ID, "_auth_user_backend", "_csrftoken", "_messages", EXPIRY];

/// Django's `SESSION_COOKIE_AGE`.
const COOKIE_AGE: Duration = Duration::from_secs(14 * 86_400);

impl Django {
    /// Creates a reader for the app with this `SECRET_KEY`, with Django's defaults: a cookie named `sessionid` with the
    /// path `/` and without `Domain`, valid for two weeks.
    ///
    /// # Errors
    ///
    /// [`waxseal_django::Error::KeyEmpty`] if the key is empty.
    pub fn new(secret_key: &str) -> Result<Self, waxseal_django::Error> {
        let cookie = SessionCookie::builder().name("sessionid").secure(false).build();
        Ok(Self {
            reader: DjangoCookie::new(secret_key)?,
            cookie: cookie.expect("these attributes are allowed together"),
            cookie_age: COOKIE_AGE,
            ends_with_browser: false,
            keeps_cookie: false,
        })
    }

    /// Adds one key of `SECRET_KEY_FALLBACKS`.
    ///
    /// # Errors
    ///
    /// [`waxseal_django::Error::KeyEmpty`] if the key is empty.
    pub fn fallback(self, secret_key: &str) -> Result<Self, waxseal_django::Error> {
        Ok(Self { reader: self.reader.fallback(secret_key)?, ..self })
    }

    /// Sets the app's `SESSION_COOKIE_AGE`. The terms of the migration have a
    /// [lifetime](waxseal_manager::Adoption::lifetime), too; the shorter of the two is used.
    #[must_use]
    pub fn cookie_age(self, cookie_age: Duration) -> Self {
        Self { cookie_age, ..self }
    }

    /// Declares that the app has `SESSION_EXPIRE_AT_BROWSER_CLOSE`. A session that does not set its own expiry is then
    /// not permanent here.
    #[must_use]
    pub fn ends_with_browser(self) -> Self {
        Self { ends_with_browser: true, ..self }
    }

    /// Sets the old app's cookie: `SESSION_COOKIE_NAME`, `_DOMAIN`, `_PATH`, `_SECURE`.
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

    /// The time for which the browser keeps the cookie, by `set_expiry` or the settings, and `true` if it is permanent.
    /// Django's own check of the signature does not consider this time.
    fn lifetime(&self, entries: &Dict) -> (Duration, bool) {
        match entries.get(EXPIRY) {
            Some(Value::Int(0)) => (self.cookie_age, false),
            Some(Value::Int(seconds)) => {
                let own = Duration::from_secs(u64::try_from(*seconds).unwrap_or_default());
                (own.min(self.cookie_age), true)
            }
            Some(Value::Str(_)) => (self.cookie_age, true),
            _ => (self.cookie_age, !self.ends_with_browser),
        }
    }
}

impl ForeignSessions for Django {
    fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }

    fn read(&self, value: &[u8], now: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let read = self.reader.read(str::from_utf8(value)?, now, self.cookie_age.as_secs())?;
        let entries = read_json(&read.json)?;
        let signed_at =
            UNIX_EPOCH.checked_add(Duration::from_secs(read.signed_at)).ok_or("signed in no time")?;
        let (lifetime, is_permanent) = self.lifetime(&entries);
        let ends = signed_at.checked_add(lifetime).ok_or("its lifetime has no end")?;
        let foreign = Foreign::new(read.replay_id, signed_at, ends);
        let session = foreign.session();
        set_owner(session, USER_ID, entries.get(USER_ID))?;
        session.set_permanent(is_permanent)?;
        fill_with(session, &entries, |key| !DJANGOS.contains(&key))?;
        Ok(foreign)
    }

    fn keeps_cookie(&self) -> bool {
        self.keeps_cookie
    }
}
