//! How long a session lives.

use std::time::Duration;

use waxseal_crypto::Limits;

use crate::Error;

/// How long sessions live: without activity (*idle*), and at all (*absolute*); permanent ones apart.
///
/// Both ends are sealed into the token and checked by the server, whatever the browser does with Max-Age.
///
/// | | idle | absolute |
/// |---|---|---|
/// | ordinary: ends with the browser, or | 30 minutes | 12 hours |
/// | permanent: [`Session::set_permanent`](crate::Session::set_permanent) | 31 days | 180 days |
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// let lifetimes = waxseal_store::Lifetimes::new().idle(Duration::from_secs(60 * 60))?;
/// # Ok::<(), waxseal_store::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    ordinary: Limits,
    permanent: Limits,
    refresh_each_request: bool,
}

impl Default for Lifetimes {
    fn default() -> Self {
        const DAY: u32 = 24 * 60 * 60;
        Self {
            ordinary: Limits { idle: 30 * 60, absolute: 12 * 60 * 60 },
            permanent: Limits { idle: 31 * DAY, absolute: 180 * DAY },
            refresh_each_request: false,
        }
    }
}

impl Lifetimes {
    /// The defaults of the table above.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long an ordinary session lives without activity, in whole seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Lifetime`] if that is none, or beyond 136 years; so for the other three.
    pub fn idle(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.ordinary.idle = seconds("idle", lifetime)?;
        Ok(self)
    }

    /// How long an ordinary session lives at most.
    ///
    /// # Errors
    ///
    /// As for [`idle`](Self::idle).
    pub fn absolute(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.ordinary.absolute = seconds("absolute", lifetime)?;
        Ok(self)
    }

    /// How long a permanent session lives without activity: Flask's `PERMANENT_SESSION_LIFETIME`.
    ///
    /// # Errors
    ///
    /// As for [`idle`](Self::idle).
    pub fn permanent_idle(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.permanent.idle = seconds("permanent idle", lifetime)?;
        Ok(self)
    }

    /// How long a permanent session lives at most.
    ///
    /// # Errors
    ///
    /// As for [`idle`](Self::idle).
    pub fn permanent_absolute(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.permanent.absolute = seconds("permanent absolute", lifetime)?;
        Ok(self)
    }

    /// Whether activity is noted with every request that looks at its session, in place of now and then: Flask's
    /// `SESSION_REFRESH_EACH_REQUEST`. In state `cookie` alone, where each note is a new cookie, and may overtake what a
    /// request beside it wrote; on a server it would be a write for every read.
    #[must_use]
    pub fn refresh_each_request(mut self, refresh: bool) -> Self {
        self.refresh_each_request = refresh;
        self
    }

    pub(crate) fn refreshes_each_request(&self) -> bool {
        self.refresh_each_request
    }

    pub(crate) fn of(&self, permanent: bool) -> Limits {
        if permanent { self.permanent } else { self.ordinary }
    }

    /// What any session may have: the class is known only once the seal is open.
    pub(crate) fn widest(&self) -> Limits {
        Limits {
            idle: self.ordinary.idle.max(self.permanent.idle),
            absolute: self.ordinary.absolute.max(self.permanent.absolute),
        }
    }
}

fn seconds(which: &'static str, lifetime: Duration) -> Result<u32, Error> {
    match u32::try_from(lifetime.as_secs()) {
        // u32::MAX is how the sealed format says "no idle end of its own".
        Ok(0 | u32::MAX) | Err(_) => Err(Error::Lifetime(which)),
        Ok(seconds) => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_that_are_none_or_too_long_are_refused() {
        for (case, seconds) in
            [("none", 0), ("the format's own mark", u64::from(u32::MAX)), ("too long", u64::MAX)]
        {
            let lifetime = Duration::from_secs(seconds);
            assert!(Lifetimes::new().idle(lifetime).is_err(), "{case}");
            assert!(Lifetimes::new().absolute(lifetime).is_err(), "{case}");
            assert!(Lifetimes::new().permanent_idle(lifetime).is_err(), "{case}");
            assert!(Lifetimes::new().permanent_absolute(lifetime).is_err(), "{case}");
        }
    }
}
