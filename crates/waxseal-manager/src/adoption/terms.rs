//! The terms of a migration.

use std::time::{Duration, SystemTime};

use waxseal_store::Timestamp;

use super::day;
use super::former::{FormerState, FormerStates};
use crate::error::Error;

/// The terms on which sessions of another framework, or of another state, are taken over: from when to when, and how
/// long such a session may live.
///
/// Each is taken over once. Its claim is kept in the store of the sessions until its lifetime ends, so a copy of its
/// cookie is worth nothing after. In state `cookie` without a list nothing can be kept, and [`replayable`](Self::replayable)
/// has to say that this is acceptable.
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
    /// Takes over, before `until`, sessions that were made before `switched`. From `until` on, foreign cookies are not
    /// read.
    ///
    /// If the old app still runs beside this one, `switched` is the time at which it will have stopped.
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

    /// [`new`](Self::new) with days, such as `2027-03-01`, that begin at midnight in UTC.
    ///
    /// # Errors
    ///
    /// [`Error::Day`] for any other text.
    pub fn between(switched: &str, until: &str) -> Result<Self, Error> {
        let day = |text: &str| day::parse(text).ok_or_else(|| Error::Day(text.to_owned()));
        Ok(Self::new(day(switched)?.into(), day(until)?.into()))
    }

    /// The time at which the old app has stopped.
    #[must_use]
    pub fn switched(&self) -> SystemTime {
        self.switched.into()
    }

    /// Sets the longest lifetime of a foreign session, counted from its beginning: 31 days unless set. A session that
    /// says that it lives longer is cut to it. For so long the store remembers that an owner signed out.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Takes over the sessions of a state of ours, in which they were kept before: to `store` and `mirrored` from every
    /// other state. From these two to `cookie` there is no way, because a cookie that was copied could not be taken back.
    ///
    /// A session of state `cookie` is taken over once, if it began before the switch. Between `store` and `mirrored` the
    /// record stays where it is and only the token changes, so there the switch does not matter.
    #[must_use]
    pub fn from_state(mut self, state: FormerState) -> Self {
        self.former.add(state);
        self
    }

    /// Accepts that in state `cookie` without a list a foreign cookie signs in again after a sign-out, for whoever has a
    /// copy of it, until its lifetime ends. Other states remember all the same.
    #[must_use]
    pub fn replayable(mut self) -> Self {
        self.replayable = true;
        self
    }
}
