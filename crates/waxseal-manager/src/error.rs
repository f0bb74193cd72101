//! Errors of opening, saving and ending sessions.

use std::io;

use waxseal_session::Error as SessionError;
use waxseal_store::{Fault, Promise};

use crate::store_error::StoreError;

/// A session that could not be opened, saved or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the session itself: a value, its size, or a conflict with another request.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The store cannot be reached or used at the moment, or the outcome of a call is unknown.
    #[error("the session store does not answer; try again in some seconds")]
    Unavailable(#[source] StoreError),
    /// The store refused the call, and would refuse it again.
    #[error("the session store failed")]
    Store(#[source] StoreError),
    /// At each attempt to save the session, another request had changed it.
    #[error("too many requests change this session at once; repeat this one")]
    Contended,
    /// The sessions are kept only in cookies, so they cannot be listed or ended.
    #[error(
        "sessions in state `cookie` are kept nowhere; use state `store` or `mirrored`, \
         or, to end all of an owner's, a list of ended sessions"
    )]
    NoStore,
    /// The state or the call needs a promise that the store does not make.
    #[error("this store does not make the promise `{0}`, so it is not fit for {uses}", uses = .0.uses())]
    NotPromised(Promise),
    /// A lifetime is zero, or longer than 136 years.
    #[error("a session's {0} lifetime must be between 1 and 4294967294 seconds")]
    Lifetime(&'static str),
    /// An idle lifetime is longer than the absolute one, which would end a session in the midst of activity.
    #[error(
        "the {idle_name} lifetime of {idle} seconds is longer than the {absolute_name} one of {absolute} seconds; \
         raise the latter, or lower the former"
    )]
    IdleBeyondAbsolute {
        /// "idle" or "permanent idle".
        idle_name: &'static str,
        /// The idle lifetime in seconds.
        idle: u32,
        /// "absolute" or "permanent absolute".
        absolute_name: &'static str,
        /// The absolute lifetime in seconds.
        absolute: u32,
    },
    /// The text is not a date in the form `2027-03-01`.
    #[error("`{0}` is no day; write it as in 2027-03-01")]
    Day(String),
    /// The migration ends before the switch to this app, so no session could be taken over.
    #[error("the migration ends before the switch; the switch comes first")]
    AdoptionEndsFirst,
    /// A migration in state `cookie` without a list cannot refuse a foreign cookie after a sign-out.
    #[error(
        "in state `cookie` without a list, a cookie of the old app signs in again after a sign-out; keep a list, use state \
         `store` or `mirrored`, or say that the migration is `replayable`"
    )]
    Replayable,
    /// Sessions of a former state were to be taken over into state `cookie`, which is not possible.
    #[error("sessions of a former state can be taken over in states `store` and `mirrored` alone")]
    FormerState,
    /// The session could not be sealed.
    #[error("the session could not be sealed")]
    Seal(#[from] waxseal_crypto::Error),
    /// The operating system had no randomness for a session id.
    #[error("no randomness for a session id")]
    Random(#[from] io::Error),
}

impl Error {
    /// The error of another store that does not answer, such as one from which sessions are taken over.
    #[must_use]
    pub fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(StoreError::new(Fault::Outage, error))
    }

    /// The session was ended meanwhile.
    pub(crate) const GONE: Self = Self::Session(SessionError::Gone);
    /// The session got another id meanwhile.
    pub(crate) const RENEWED: Self = Self::Session(SessionError::Renewed);
}

/// Separates failures of a store that pass from those that do not.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if error.fault().passes() { Self::Unavailable(error) } else { Self::Store(error) }
    }
}
