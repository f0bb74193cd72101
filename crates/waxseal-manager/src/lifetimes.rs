//! Lifetimes of sessions.

use std::time::Duration;

use waxseal_crypto::{Limits, Times};
use waxseal_session::backend::Content;
use waxseal_store::Timestamp;

use crate::error::Error;
use crate::refresh::refresh_after;

/// Idle and absolute lifetimes of ordinary and permanent sessions.
///
/// The *idle* lifetime counts from the last noted activity, the *absolute* one from the session's beginning. Both are
/// sealed into the token and checked by the server, whatever the browser does with `Max-Age`.
///
/// | | idle | absolute |
/// |---|---|---|
/// | ordinary: ends with the browser, or | 30 minutes | 12 hours |
/// | permanent: [`Session::set_permanent`](waxseal_session::Session::set_permanent) | 31 days | 180 days |
///
/// An idle lifetime is never longer than the absolute one, which would end a session in the midst of activity. If only
/// one of the two is set, the other is adjusted: an idle lifetime of a day raises the absolute one from 12 hours to a
/// day. If both are set, the idle one must not be longer.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// let lifetimes = waxseal_manager::Lifetimes::new().idle(Duration::from_secs(60 * 60))?;
/// # Ok::<(), waxseal_manager::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetimes {
    ordinary: Chosen,
    permanent: Chosen,
    refresh_each_request: bool,
    all_permanent: bool,
}

/// The lifetimes of one class, if they were set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Chosen {
    idle: Option<u32>,
    absolute: Option<u32>,
}

const DAY: u32 = 24 * 60 * 60;
const ORDINARY: Limits = Limits { idle: 30 * 60, absolute: 12 * 60 * 60 };
const PERMANENT: Limits = Limits { idle: 31 * DAY, absolute: 180 * DAY };

impl Lifetimes {
    /// The defaults of the table above.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the idle lifetime of ordinary sessions, in whole seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Lifetime`] if it is zero or longer than 136 years. [`Error::IdleBeyondAbsolute`] if it is longer than
    /// the absolute lifetime that was set. The other three setters return the same errors.
    pub fn idle(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.ordinary.idle = Some(seconds("idle", lifetime)?);
        self.ordinary.checked("idle", "absolute").map(|()| self)
    }

    /// Sets the absolute lifetime of ordinary sessions.
    ///
    /// # Errors
    ///
    /// As for [`idle`](Self::idle).
    pub fn absolute(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.ordinary.absolute = Some(seconds("absolute", lifetime)?);
        self.ordinary.checked("idle", "absolute").map(|()| self)
    }

    /// Sets the idle lifetime of permanent sessions: Flask's `PERMANENT_SESSION_LIFETIME`.
    ///
    /// # Errors
    ///
    /// As for [`idle`](Self::idle).
    pub fn permanent_idle(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.permanent.idle = Some(seconds("permanent idle", lifetime)?);
        self.permanent.checked("permanent idle", "permanent absolute").map(|()| self)
    }

    /// Sets the absolute lifetime of permanent sessions.
    ///
    /// # Errors
    ///
    /// As for [`idle`](Self::idle).
    pub fn permanent_absolute(mut self, lifetime: Duration) -> Result<Self, Error> {
        self.permanent.absolute = Some(seconds("permanent absolute", lifetime)?);
        self.permanent.checked("permanent idle", "permanent absolute").map(|()| self)
    }

    /// Sets whether every request that accesses its session notes activity, instead of only now and then: Flask's
    /// `SESSION_REFRESH_EACH_REQUEST`.
    ///
    /// Unlike in Flask, this also applies to ordinary sessions, because they have an idle time as well. Requests that
    /// do not access the session, such as those for static files, note nothing.
    ///
    /// It has an effect only in state `cookie`, where each note is a new cookie, which may overwrite what a parallel
    /// request wrote. In the other states it would cost a write for every read.
    #[must_use]
    pub fn refresh_each_request(mut self, refresh: bool) -> Self {
        self.refresh_each_request = refresh;
        self
    }

    /// Sets whether sessions that begin or are renewed from now on, for example at a sign-in, are permanent unless a
    /// handler says otherwise.
    ///
    /// This is decided when the session is saved; a call of [`set_permanent`](waxseal_session::Session::set_permanent)
    /// in the same request takes precedence. A session that holds only the seed of its page's form tokens stays
    /// ordinary.
    #[must_use]
    pub fn all_permanent(mut self, permanent: bool) -> Self {
        self.all_permanent = permanent;
        self
    }

    pub(crate) fn permanent_by_default(&self) -> bool {
        self.all_permanent
    }

    /// The age from which activity is noted in a token that holds the whole session, in seconds. A token that was sealed
    /// while the idle lifetime was shorter still lives no longer than it was sealed for.
    pub(crate) fn refresh_after(&self, limits: Limits, times: Times) -> u64 {
        if self.refresh_each_request { 0 } else { refresh_after(limits.idle.min(times.idle())) }
    }

    fn of(&self, permanent: bool) -> Limits {
        if permanent { self.permanent.limits(PERMANENT) } else { self.ordinary.limits(ORDINARY) }
    }

    /// The times of a token of a session that begins at `now`.
    pub(crate) fn times(&self, content: &Content, now: Timestamp) -> Times {
        let (limits, now) = (self.of_session(content), now.as_secs());
        Times::new(now, now, limits.idle, limits.absolute)
    }

    /// The limits of a session. A session's own idle lifetime can only shorten the app's, because how long an ended
    /// session is remembered, and how long the token of a copy lives, depend on the app's.
    pub(crate) fn of_session(&self, content: &Content) -> Limits {
        let limits = self.of(content.permanent);
        match content.own_lifetime().filter(|_| content.permanent) {
            Some(own) => Limits { idle: limits.idle.min(own), ..limits },
            None => limits,
        }
    }

    /// The limits of any session, because its class is known only after its token was opened.
    pub(crate) fn widest(&self) -> Limits {
        let (ordinary, permanent) = (self.of(false), self.of(true));
        Limits {
            idle: ordinary.idle.max(permanent.idle),
            absolute: ordinary.absolute.max(permanent.absolute),
        }
    }
}

impl Chosen {
    /// The limits, with defaults for what was not set.
    fn limits(self, default: Limits) -> Limits {
        let absolute = self.absolute.unwrap_or(default.absolute);
        let idle = self.idle.unwrap_or(default.idle.min(absolute));
        Limits { idle, absolute: absolute.max(idle) }
    }

    fn checked(self, idle_name: &'static str, absolute_name: &'static str) -> Result<(), Error> {
        match (self.idle, self.absolute) {
            (Some(idle), Some(absolute)) if idle > absolute => {
                Err(Error::IdleBeyondAbsolute { idle_name, idle, absolute_name, absolute })
            }
            _ => Ok(()),
        }
    }
}

fn seconds(which: &'static str, lifetime: Duration) -> Result<u32, Error> {
    match u32::try_from(lifetime.as_secs()) {
        // In the sealed format, `u32::MAX` means "no idle end of its own".
        Ok(0 | u32::MAX) | Err(_) => Err(Error::Lifetime(which)),
        Ok(seconds) => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(seconds: u32) -> Duration {
        Duration::from_secs(seconds.into())
    }

    #[test]
    fn the_lifetime_that_was_not_set_follows_the_one_that_was() {
        let new = Lifetimes::new;
        for (case, lifetimes, permanent, idle, absolute) in [
            ("none is set", Ok(new()), false, 1_800, 43_200),
            ("a longer idle one", new().idle(span(DAY)), false, DAY, DAY),
            ("a shorter idle one", new().idle(span(60)), false, 60, 43_200),
            (
                "a longer one, then a shorter",
                new().idle(span(DAY)).and_then(|all| all.idle(span(60))),
                false,
                60,
                43_200,
            ),
            ("a shorter absolute one", new().absolute(span(60)), false, 60, 60),
            ("a longer absolute one", new().absolute(span(DAY)), false, 1_800, DAY),
            ("both", new().absolute(span(DAY)).and_then(|all| all.idle(span(DAY))), false, DAY, DAY),
            ("the other class", new().idle(span(DAY)), true, 31 * DAY, 180 * DAY),
            (
                "a year of permanent idleness",
                new().permanent_idle(span(365 * DAY)),
                true,
                365 * DAY,
                365 * DAY,
            ),
            ("a permanent day in all", new().permanent_absolute(span(DAY)), true, DAY, DAY),
        ] {
            let limits = lifetimes.expect(case).of(permanent);
            assert_eq!((limits.idle, limits.absolute), (idle, absolute), "{case}");
        }
    }

    #[test]
    fn an_idle_lifetime_beyond_the_absolute_one_is_refused_in_either_order() {
        let new = Lifetimes::new;
        for refused in [
            new().idle(span(DAY)).and_then(|all| all.absolute(span(60))),
            new().absolute(span(60)).and_then(|all| all.idle(span(DAY))),
            new().permanent_idle(span(DAY)).and_then(|all| all.permanent_absolute(span(60))),
            new().permanent_absolute(span(60)).and_then(|all| all.permanent_idle(span(DAY))),
        ] {
            let error = refused.unwrap_err().to_string();
            assert!(
                error.contains("idle lifetime of 86400 seconds") && error.contains("60 seconds"),
                "{error}"
            );
        }
    }

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
