//! Readers of another framework's cookies.

use std::error::Error;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use waxseal_manager::Foreign;
use waxseal_session::Session;

use crate::session_cookie::SessionCookie;

/// A reader of the cookies in which another framework keeps its sessions: for
/// [`SessionLayer::migrate_from`](crate::SessionLayer::migrate_from).
///
/// What it may rely on: the cookie's value has at most the length of a head, and the rules of the migration (once each,
/// none from after the switch, none of an owner who signed out) are the session manager's. What it must do: check the
/// signature before anything else, bound what it decodes, and never panic.
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
    /// The cookie as the old app sets it. A browser forgets a cookie only by the same name, path and domain.
    fn cookie(&self) -> &SessionCookie;

    /// Reads the value of a cookie of that name.
    ///
    /// # Errors
    ///
    /// The reason, for the log: it must show nothing of the content. The visitor is then anonymous.
    fn read(&self, value: &[u8], now: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>>;

    /// Returns `true` if a cookie only names its session, which is in the old app's store: [`load`](Self::load) is then
    /// called in place of [`read`](Self::read). `false` unless overridden.
    fn has_store(&self) -> bool {
        false
    }

    /// Loads the session that a cookie of this value names.
    fn load<'a>(&'a self, value: &'a [u8], now: SystemTime) -> LoadingForeign<'a> {
        let read = self.read(value, now);
        Box::pin(ready(read.map_or_else(LoadedForeign::Refused, LoadedForeign::Found)))
    }

    /// Returns `true` if a cookie says who has signed in, and holds no session: it counts if no other foreign cookie is
    /// good, and otherwise makes a session of the same owner [permanent](Session::set_permanent). `false` unless
    /// overridden.
    fn remembers(&self) -> bool {
        false
    }

    /// Returns `true` if the browser is to keep the old cookie when its session is taken over, so that the old app can be
    /// gone back to. A sign-out makes the browser forget it all the same. `false` unless overridden.
    fn keeps_cookie(&self) -> bool {
        false
    }

    /// The keys of the entries that both apps share, if the old app runs beside this one and shares its sign-in: then
    /// [`write`](Self::write) is called, too, until the switch. `None` unless overridden. One reader of a layer may share.
    fn shares(&self) -> Option<&[String]> {
        None
    }

    /// Writes the old app's cookie as `session` is at the end of a request: its owner and the entries that are shared. All
    /// else stays as it is in the value that `came`, which [`read`](Self::read) has found good. `None` if nothing is left
    /// to keep, so that the browser may forget the cookie.
    ///
    /// # Errors
    ///
    /// [`waxseal_session::Error::Value`] for an entry that the old app cannot have.
    fn write(
        &self,
        came: Option<&[u8]>,
        session: &Session,
        now: SystemTime,
    ) -> Result<Option<WrittenCookie>, waxseal_session::Error> {
        let _ = (came, session, now);
        Ok(None)
    }

    /// The age from which a cookie that is shared is written anew although nothing in it has changed, so that it does not
    /// expire under a visitor who comes here alone. A week unless overridden.
    fn write_anew_after(&self) -> Duration {
        Duration::from_secs(7 * 86_400)
    }
}

/// A cookie of the old app, as this app writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers")]
pub struct WrittenCookie {
    /// The value.
    pub value: String,
    /// The name of this one cookie, as [`Foreign::new`] has it when it is read.
    pub replay_id: [u8; Foreign::REPLAY_ID_BYTES],
    /// The time for which browsers keep it. `None`: until they are closed.
    pub lasts: Option<Duration>,
}

/// A foreign session that is being loaded.
pub type LoadingForeign<'a> = Pin<Box<dyn Future<Output = LoadedForeign> + Send + 'a>>;

/// The outcome of [`ForeignSessions::load`].
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadedForeign {
    /// The session.
    Found(Foreign),
    /// There is no such session, or it cannot be read. The visitor is anonymous.
    Refused(Box<dyn Error + Send + Sync>),
    /// The old app's store does not answer. The request fails with 503, and nothing is lost.
    Away(Box<dyn Error + Send + Sync>),
}
