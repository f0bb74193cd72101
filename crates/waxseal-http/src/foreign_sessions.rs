//! Readers of another framework's cookies.

use std::error::Error;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use waxseal_manager::Foreign;
use waxseal_session::Session;

use crate::session_cookie::SessionCookie;

/// A reader of another framework's sessions, from its cookies; for
/// [`SessionLayer::migrate_from`](crate::SessionLayer::migrate_from).
///
/// A reader can rely on two things: a cookie's value is no longer than the limit on request heads, and the session
/// manager enforces the rules of the migration (each session once, none from after the switch, none of an owner who
/// signed out). A reader must check the signature before anything else, bound what it decodes, and never panic.
///
/// # Example
///
/// ```
/// use std::error::Error;
/// use std::time::{Duration, SystemTime};
/// use waxseal_http::{ForeignSessions, SessionCookie};
/// use waxseal_manager::Foreign;
///
/// #[derive(Debug)]
/// struct Old(SessionCookie);
///
/// # fn verify(_: &[u8]) -> Result<(&str, [u8; 32], SystemTime), &'static str> { Err("forged") }
/// impl ForeignSessions for Old {
///     fn cookie(&self) -> &SessionCookie {
///         &self.0
///     }
///
///     fn read(&self, value: &[u8], _now: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>> {
///         let (user, hash_of_signature, signed_at) = verify(value)?;
///         let foreign = Foreign::new(hash_of_signature, signed_at, signed_at + Duration::from_secs(86_400));
///         foreign.session().set_owner(Some(user))?;
///         Ok(foreign)
///     }
/// }
/// ```
pub trait ForeignSessions: fmt::Debug + Send + Sync + 'static {
    /// The old app's cookie. A browser deletes a cookie only by the same name, path and domain.
    fn cookie(&self) -> &SessionCookie;

    /// Reads the value of a cookie of that name.
    ///
    /// # Errors
    ///
    /// The reason, for the log. It must not show any of the content. The visitor is then anonymous. [`NotYet`] is not
    /// logged.
    fn read(&self, value: &[u8], now: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>>;

    /// Returns `true` if the cookie only names its session, which is in the old app's store. [`load`](Self::load) is
    /// then called instead of [`read`](Self::read). `false` unless overridden.
    fn has_store(&self) -> bool {
        false
    }

    /// Loads the session that a cookie of this value names.
    fn load<'a>(&'a self, value: &'a [u8], now: SystemTime) -> LoadingForeign<'a> {
        let read = self.read(value, now);
        Box::pin(ready(read.map_or_else(LoadedForeign::Refused, LoadedForeign::Found)))
    }

    /// Returns `true` if the cookie says who signed in, and holds no session. It is used if no other foreign cookie is
    /// valid. Otherwise it makes a session of the same owner [permanent](Session::set_permanent). A sign-out makes the
    /// browser forget it, whether it is valid or not, since the old app would sign the visitor in with it again.
    /// `false` unless overridden.
    fn remembers(&self) -> bool {
        false
    }

    /// Returns `true` if the browser should keep the old cookie when its session is taken over, so that you can go back
    /// to the old app. A sign-out makes the browser forget it nevertheless. `false` unless overridden.
    fn keeps_cookie(&self) -> bool {
        false
    }

    /// The keys of the entries that both apps share, if the old app runs beside this one and shares its sign-in. Until the
    /// switch, [`write`](Self::write) is then called, too. `None` unless overridden. Only one reader of a layer may share.
    fn shares(&self) -> Option<&[String]> {
        None
    }

    /// Returns `true` if the old app made this value and still accepts it as a session, although [`read`](Self::read)
    /// fails, for example because of an entry that a session here cannot have. The owner of that cookie is then
    /// unknown. A session that needs a cookie of its owner is not shown but stays valid, and the cookie is not
    /// overwritten. `false` unless overridden.
    fn is_unreadable(&self, value: &[u8], now: SystemTime) -> bool {
        let _ = (value, now);
        false
    }

    /// Writes the old app's cookie from `session` at the end of a request: its owner and the shared entries. Everything
    /// else stays as it is in the value that `came`, which [`read`](Self::read) has accepted. Returns `None` if the
    /// cookie would be empty, so that the browser can forget it.
    ///
    /// # Errors
    ///
    /// [`waxseal_session::Error::Value`] for an entry that the old app cannot represent.
    fn write(
        &self,
        came: Option<&[u8]>,
        session: &Session,
        now: SystemTime,
    ) -> Result<Option<WrittenCookie>, waxseal_session::Error> {
        let _ = (came, session, now);
        Ok(None)
    }

    /// The age from which a shared cookie is written again although nothing in it has changed. Otherwise it would
    /// expire for a visitor who uses only this app. A week unless overridden.
    fn write_anew_after(&self) -> Duration {
        Duration::from_secs(7 * 86_400)
    }
}

/// The error of a reader for a cookie that it reads only from the switch on. This is not a fault, so it is neither
/// logged nor counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cookie that does not say when it was made is read from the switch on")]
#[expect(clippy::exhaustive_structs, reason = "made by readers, and says all there is to say")]
pub struct NotYet;

/// A cookie of the old app, written by this app.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers")]
pub struct WrittenCookie {
    /// The value.
    pub value: String,
    /// The id of this one cookie, which [`Foreign::new`] gets when it is read.
    pub replay_id: [u8; Foreign::REPLAY_ID_BYTES],
    /// The time for which browsers keep it; `None` if it lasts until they are closed.
    pub lasts: Option<Duration>,
}

/// Shows no value, which signs in at the old app.
impl fmt::Debug for WrittenCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrittenCookie").field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

/// A foreign session that is being loaded.
pub type LoadingForeign<'a> = Pin<Box<dyn Future<Output = LoadedForeign> + Send + 'a>>;

/// The outcome of [`ForeignSessions::load`].
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadedForeign {
    /// The session was found.
    Found(Foreign),
    /// There is no such session, or it cannot be read. The visitor is anonymous.
    Refused(Box<dyn Error + Send + Sync>),
    /// The old app's store does not answer. The request fails with 503, and can be repeated.
    Away(Box<dyn Error + Send + Sync>),
}
