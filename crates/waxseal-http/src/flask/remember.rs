//! The user who signed in, read from Flask-Login's cookies.

use std::error::Error;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use waxseal_flask::FlaskKey;
use waxseal_flask::login::read_remember_token;
use waxseal_manager::{Adoption, Foreign};

use crate::foreign_sessions::ForeignSessions;
use crate::session_cookie::SessionCookie;
use crate::session_cookie_builder::SessionCookieBuilder;
use crate::setup_error::SetupError;
use crate::undated::Undated;

/// The `remember_token` of an app with Flask-Login, read in addition to [`Flask`](super::Flask). If a visitor's session
/// is over in Flask and Flask would have remembered the user, the visitor is signed in here, too. The session is
/// permanent, and does not count as just signed in.
///
/// **The token never expires and is the same in each browser of a user.** It may be taken over in each browser, until the
/// user signs out here. From then on none is accepted, in any browser, and the user has to enter the password. In state
/// `cookie` without a list the sign-out is not recorded, so a copy of the token is accepted until the migration's end.
///
/// The token has no date either, so it is read only from the switch on, when Flask has stopped. Add this reader from
/// the beginning all the same: a sign-out here then makes the browser forget the token, with which Flask would sign the
/// visitor in again.
///
/// # Example
///
/// ```
/// use waxseal_http::{Flask, FlaskKey, FlaskRemember, ForeignSessions};
/// use waxseal_manager::Adoption;
///
/// let terms = Adoption::between("2027-02-01", "2027-03-01")?;
/// let key = FlaskKey::from_text("SECRET_KEY")?;
/// let remembered = FlaskRemember::new(key.clone(), &terms);
/// let readers: Vec<Box<dyn ForeignSessions>> = vec![Box::new(Flask::new(key)), Box::new(remembered)];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FlaskRemember {
    key: FlaskKey,
    cookie: SessionCookie,
    undated: Undated,
}

impl FlaskRemember {
    /// Creates a reader for the app with this `SECRET_KEY`, which stops at the switch of these terms. Flask-Login tries
    /// no fallback keys.
    #[must_use]
    pub fn new(key: FlaskKey, terms: &Adoption) -> Self {
        let cookie = SessionCookie::builder().name("remember_token").secure(false).build();
        let cookie = cookie.expect("these attributes are allowed together");
        Self { key, cookie, undated: Undated::new(terms) }
    }

    /// Sets the old app's cookie: `REMEMBER_COOKIE_NAME`, `_DOMAIN`, `_PATH`, `_SECURE`.
    ///
    /// # Errors
    ///
    /// [`SetupError`] for attributes that contradict each other.
    pub fn cookie(self, cookie: SessionCookieBuilder) -> Result<Self, SetupError> {
        Ok(Self { cookie: cookie.build()?, ..self })
    }
}

impl ForeignSessions for FlaskRemember {
    fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }

    fn read(&self, value: &[u8], now: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>> {
        let user_id = read_remember_token(str::from_utf8(value)?, &self.key)?;
        let name = Sha256::new().chain_update(b"waxseal Flask-Login\0").chain_update(value).finalize().into();
        let foreign = self.undated.foreign(name, None, now)?.recurring();
        foreign.session().set_owner(Some(user_id))?;
        foreign.session().set_permanent(true)?;
        Ok(foreign)
    }

    fn remembers(&self) -> bool {
        true
    }
}
