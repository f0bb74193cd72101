//! An old app that runs beside this one and shares its sign-in, within one request.
//!
//! Once a session with an owner has been in step with a cookie of the old app, it is valid only while requests also
//! bring a valid old cookie of the same owner. The session keeps the [mark](waxseal_session::backend::CookieMark) of
//! the old cookie that it was last in step with. By it changes to shared entries are ordered: an older cookie, from a
//! request that was sent earlier, changes nothing.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderValue;
use waxseal_manager::{Foreign, Visit};
use waxseal_session::backend::{Content, Phase, ReadOnly};
use waxseal_session::{Error, Session};

use crate::cookie_mark::mark;
use crate::error_chain::chain;
use crate::foreign_cookies::{ForeignCookies, Good};
use crate::foreign_sessions::ForeignSessions;

/// The request's session as it was loaded, and what the old app's cookies say about it.
pub(crate) struct Beside {
    /// The session before the handler changed it.
    before: Arc<Content>,
    /// `true` if the session of the request's token is over, but the token is valid until the browser forgets it.
    pub(crate) token_outlives: bool,
    /// `true` if the old app's cookie in the request is not accepted anywhere any more.
    pub(crate) old_is_over: bool,
}

/// The `Set-Cookie` line for the old app's cookie.
pub(crate) struct Line {
    pub(crate) field: HeaderValue,
    /// `true` if the cookie is only renewed because it is old or was missing, and there is no change for the request's
    /// commit to write.
    pub(crate) only_renews: bool,
}

/// What the old app's cookies mean for a session of this app.
#[derive(Debug)]
pub(crate) enum Verdict<'a> {
    Holds,
    /// The session's owner has signed out in the old app, or somebody else has signed in there.
    Over,
    /// It is unknown: the owner's cookie may be among those that were not tried, or be one that cannot be read.
    Unclear,
    /// The visitor, who is anonymous here, has signed in in the old app.
    SignedInThere(&'a Foreign),
}

impl Beside {
    pub(crate) fn of(visit: &Visit, token_outlives: bool, old_is_over: bool) -> Self {
        Self { before: visit.session().content(), token_outlives, old_is_over }
    }

    /// The owner of the session as it was loaded.
    pub(crate) fn owner_before(&self) -> Option<String> {
        self.before.owner()
    }

    /// The `Set-Cookie` line that writes the old app's cookie after the request, if one is due: the sign-in or a shared
    /// entry has changed, the old app does not know the owner or all shared entries yet, or the cookie is old. It is
    /// Secure if `is_secure`, or if the old app's cookie is.
    ///
    /// # Errors
    ///
    /// Those of the reader, if the request has changed something, and those of writing to the session. If the reader
    /// fails for a request that has changed nothing, there is no line.
    pub(crate) fn line(
        &self,
        reader: &dyn ForeignSessions,
        old: &ForeignCookies,
        session: &Session,
        is_secure: bool,
        now: SystemTime,
    ) -> Result<Option<Line>, Error> {
        let (content, keys) = (session.content(), reader.shares().unwrap_or_default());
        let (owner, owner_before) = (content.owner(), self.owner_before());
        let is_shared = owner.is_some() || keys.iter().any(|key| content.entries.contains(key));
        if session.phase() != Phase::Open || session.is_to_end() && !is_shared {
            return Ok(None);
        }
        let came = old.of(owner_before.as_deref());
        // A cookie that cannot be read is not overwritten. Neither is one of several, if the visitor is anonymous.
        if came.is_none() && (old.is_unclear() || owner.is_none() && old.has_several()) {
            return Ok(None);
        }
        let is_changed = owner != owner_before
            || session.has_signed_in()
            || content.permanent != self.before.permanent && came.is_some()
            || keys.iter().any(|key| !has_same(&content, &self.before, key));
        let is_old = |came: &Good| {
            now.duration_since(came.foreign.began()).is_ok_and(|age| age >= reader.write_anew_after())
        };
        let is_first = owner.is_some() && content.beside().is_none();
        let is_due = is_changed || is_first || owner.is_some() && came.is_none_or(is_old);
        if !is_due {
            return Ok(None);
        }
        // Entries of one user are not carried into the cookie of another user or of an anonymous visitor. Neither are
        // entries from before the session was emptied.
        let is_kept = !session.has_ended()
            && !session.has_been_emptied()
            && (owner_before.is_none() || owner == owner_before);
        let base = came.filter(|_| is_kept).map(|came| &*came.value);
        let written = match reader.write(base, session, now) {
            Ok(Some(written)) => written,
            Ok(None) => {
                let remove = |_| Line { field: reader.cookie().remove(), only_renews: false };
                return Ok(came.map(remove));
            }
            Err(error) if is_changed => return Err(error),
            Err(error) => {
                tracing::warn!(error = chain(&error), "the old app cannot be told of a session");
                return Ok(None);
            }
        };
        // A sign-in sends a new token together with this cookie, so its session is in step. Any other session of an
        // owner is in step only if the request brought the cookie, because parallel requests were sent without it.
        let is_in_step =
            (is_changed || is_first) && (session.has_signed_in() || came.is_some() || owner.is_none());
        if is_in_step {
            session.set_beside(mark(&written.replay_id, now))?;
        }
        let expires = written.lasts.and_then(|lasts| now.checked_add(lasts));
        let cookie = match is_secure && !reader.cookie().is_secure() {
            true => &reader.cookie().secured(),
            false => reader.cookie(),
        };
        let field = cookie.set(&written.value, expires, now);
        Ok(Some(Line { field, only_renews: !is_changed && !is_in_step }))
    }
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("token_outlives", &self.token_outlives).finish_non_exhaustive()
    }
}

/// Judges a session by the old app's cookies in the request.
pub(crate) fn verdict<'a>(visit: &Visit, old: &'a ForeignCookies) -> Verdict<'a> {
    let (phase, content) = (visit.session().phase(), visit.session().content());
    let is_open = phase == Phase::Open;
    if visit.is_adopted() || visit.is_unproven() || !is_open && phase != Phase::ReadOnly(ReadOnly::Outage) {
        return Verdict::Holds;
    }
    match content.owner() {
        Some(owner) if content.beside().is_some() && old.of(Some(&owner)).is_none() => match old.is_unclear()
        {
            true => Verdict::Unclear,
            false => Verdict::Over,
        },
        Some(_) => Verdict::Holds,
        None => match old.only().filter(|foreign| is_open && foreign.session().content().is_owned()) {
            Some(foreign) => Verdict::SignedInThere(foreign),
            None => Verdict::Holds,
        },
    }
}

/// Takes over the shared entries that the old app has changed, into a session that stays valid.
///
/// # Errors
///
/// Those of writing to the session.
pub(crate) fn meet(visit: &Visit, old: &ForeignCookies, keys: &[String]) -> Result<(), Error> {
    let session = visit.session();
    if session.began_here() || visit.is_adopted() || session.phase() != Phase::Open {
        return Ok(());
    }
    let (content, owner) = (session.content(), session.content().owner());
    let Some(came) = old.of(owner.as_deref()) else { return Ok(()) };
    let (theirs, mark) =
        (came.foreign.session().content(), mark(came.foreign.replay_id(), came.foreign.began()));
    let known = content.beside();
    if known.is_some_and(|known| mark == known || mark.signed_at < known.signed_at) {
        return Ok(());
    }
    // An entry that the old app has never had cannot have been removed by it.
    let is_theirs = |key: &&String| known.is_some() || theirs.entries.contains(key);
    let changed: Vec<_> =
        keys.iter().filter(|key| !has_same(&content, &theirs, key)).filter(is_theirs).collect();
    for key in &changed {
        session.take_entry(key, &theirs)?;
    }
    // Otherwise the old app must first get the entries that it has never had.
    let is_in_step = keys.iter().all(|key| has_same(&session.content(), &theirs, key));
    if is_in_step && (!changed.is_empty() || known.is_none() && owner.is_some()) {
        session.set_beside(mark)?;
    }
    Ok(())
}

fn has_same(one: &Content, other: &Content, key: &str) -> bool {
    match (one.entries.get(key), other.entries.get(key)) {
        (Some(one), Some(other)) => one.bytes() == other.bytes(),
        (one, other) => one.is_none() && other.is_none(),
    }
}
