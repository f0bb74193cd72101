//! The terms of a migration.

use std::time::{Duration, SystemTime};

use waxseal_store::Timestamp;

use super::day;
use super::former::{FormerState, FormerStates};
use crate::error::Error;

/// The terms on which sessions of another framework, or of another state, are taken over: from when until when, and how
/// long such a session may live.
///
/// Each session is taken over once. Its claim is kept in the sessions' store until it can no longer be read, so a
/// copy of its cookie is worthless afterwards. In state `cookie` without a list no claim can be kept;
/// [`replayable`](Self::replayable) must then say that this is acceptable.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_manager::Adoption;
///
/// // The old app made its last session on the last day of January; nobody reads one from the first of March on.
/// let terms = Adoption::between("2027-02-01", "2027-03-01")?.lifetime(Duration::from_secs(31 * 86_400));
/// # Ok::<(), waxseal_manager::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoption {
    pub(crate) switched: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) lifetime: Duration,
    pub(crate) replayable: bool,
    pub(crate) former: FormerStates,
}

/// Flask's `PERMANENT_SESSION_LIFETIME`.
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

impl Adoption {
    /// Takes over sessions that were made before `switched`, until the time `until`. From then on, foreign cookies are
    /// not read.
    ///
    /// If the old app still runs beside this one, `switched` is the time at which it is going to stop.
    #[must_use]
    pub fn new(switched: SystemTime, until: SystemTime) -> Self {
        Self {
            switched: switched.into(),
            until: until.into(),
            lifetime: MONTH,
            replayable: false,
            former: FormerStates::default(),
        }
    }

    /// Like [`new`](Self::new), with days such as `2027-03-01`, which begin at midnight UTC.
    ///
    /// # Errors
    ///
    /// [`Error::Day`] if a text is not such a day.
    pub fn between(switched: &str, until: &str) -> Result<Self, Error> {
        let day = |text: &str| day::parse(text).ok_or_else(|| Error::Day(text.to_owned()));
        Ok(Self::new(day(switched)?.into(), day(until)?.into()))
    }

    /// The time at which the old app has stopped, or is going to stop.
    #[must_use]
    pub fn switched(&self) -> SystemTime {
        self.switched.into()
    }

    /// Sets the longest lifetime of a foreign session, counted from its beginning. 31 days by default. If a session
    /// says that it lives longer, this is its lifetime. The store remembers for as long that an owner signed out.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Takes over sessions of another state of this app: from any state to `store` and `mirrored`. From these two to
    /// state `cookie` it is not possible, because a cookie that was copied could not be revoked.
    ///
    /// A session of state `cookie` is taken over once, if it began before the switch. Between `store` and `mirrored`
    /// the record stays where it is and only the token changes, so the switch does not matter.
    #[must_use]
    pub fn from_state(mut self, state: FormerState) -> Self {
        self.former.add(state);
        self
    }

    /// Accepts that in state `cookie` without a list, a copy of a foreign cookie signs in again even after a sign-out,
    /// until its lifetime ends. In other states, claims are kept nevertheless.
    #[must_use]
    pub fn replayable(mut self) -> Self {
        self.replayable = true;
        self
    }
}
