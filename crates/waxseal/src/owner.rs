//! Sign-in and sign-out, and the sessions of one owner.

use std::time::{Duration, SystemTime};

use http::header::USER_AGENT;
use serde::Serialize;
use waxseal_keys::format_time::{self, unix_seconds};
use waxseal_manager::Visit;
use waxseal_store::{Listed, PublicId};

use crate::{Error, Request, Result};

/// One of the visitor's own sessions, for a list. Templates can read all fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnSession {
    /// The public session id, for [`Request::end_session`]. It cannot be used to sign in.
    pub public_id: String,
    /// The browser and its system, such as "Firefox on Linux".
    pub device: String,
    /// When the session was created, such as `2026-11-24 08:15:00 UTC`.
    pub created: String,
    /// When the session was last used, in the same form. It may be late by a twentieth of the idle lifetime.
    pub last_seen: String,
    /// The time since its last use, such as `3 minutes`.
    pub seen_ago: String,
    /// `true` for the session of this request.
    pub current: bool,
    /// When the session of this request was bound to its device, in the same form. `None` if it is not bound, and for
    /// every other session, because their records keep this sealed.
    pub bound_since: Option<String>,
}

/// Signing in and out. State `cookie` keeps no list of sessions: for a visitor who is signed in, listing or ending
/// others is a 501 there. With a list of revoked sessions, [`end_other_sessions`](Self::end_other_sessions)
/// and [`end_all_sessions`](Self::end_all_sessions) work.
impl Request {
    /// Signs in `owner`, the app's own name for the user. The session gets a new id, so that an attacker who planted
    /// the old one gains nothing, and records the time and the browser's name for lists. Its entries stay, unless
    /// another owner was signed in: then it is emptied first, so write to it after this call. To drop them in any case,
    /// call [`Session::renew_empty`](crate::Session::renew_empty) before.
    ///
    /// # Errors
    ///
    /// Those of [`session`](Self::session) and of [`Session::sign_in`](crate::Session::sign_in).
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Request, Response, Result, redirect};
    ///
    /// async fn sign_in(request: Request) -> Result<Response> {
    ///     // … the password is right …
    ///     request.sign_in("user-7").await?;
    ///     Ok(redirect("/"))
    /// }
    /// ```
    pub async fn sign_in(&self, owner: &str) -> Result<()> {
        Ok(self.request_session().sign_in(owner, self.headers().get(USER_AGENT)).await?)
    }

    /// Signs the visitor out by ending the session. This works even while the store does not answer: this process then
    /// refuses the session at once, and tells the store later.
    ///
    /// It needs the store if a hook or the check of a [form token](crate::App::csrf_tokens) asks for the session first. Add the
    /// route with [`without_csrf_token`](crate::Route::without_csrf_token), outside groups whose hooks ask for it.
    ///
    /// # Errors
    ///
    /// Those of [`Session::destroy`](crate::Session::destroy).
    pub async fn sign_out(&self) -> Result<()> {
        Ok(self.request_session().destroy().await?)
    }

    /// Returns `true` if the visitor signed in within the last `span`.
    ///
    /// Check this before a password is changed or money is sent. If it is `false`, let the visitor sign in again.
    ///
    /// # Errors
    ///
    /// Those of [`session`](Self::session).
    pub async fn signed_in_within(&self, span: Duration) -> Result<bool> {
        Ok(self.session().await?.signed_in_within(span, self.now()))
    }

    /// Asks the store whether the session is still as this request loaded it. For requests with unsafe methods this has
    /// already happened.
    ///
    /// # Errors
    ///
    /// 409 if it was ended or changed by another request, 503 if the store does not answer.
    pub async fn confirm_session(&self) -> Result<()> {
        Ok(self.request_session().revalidate().await?)
    }

    /// Returns `true` if sessions are kept on the server, where they can be listed and ended: in states `store` and
    /// `mirrored`.
    #[must_use]
    pub fn keeps_sessions(&self) -> bool {
        self.session_layer().sessions().has_store()
    }

    /// The sessions of the visitor who is signed in, the last used first: at most 1,000, and always including this one.
    /// Empty if nobody is signed in.
    ///
    /// # Errors
    ///
    /// 503 if the store does not answer; 501 in state `cookie`.
    pub async fn own_sessions(&self) -> Result<Vec<OwnSession>> {
        const MOST: usize = 1_000;
        let visit = self.visit().await?;
        if visit.owner().is_none() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let listed = self.session_layer().sessions().last_used(visit, MOST, now).await?;
        let bound_since = self.bound_since().map(|since| format_time::date(unix_seconds(since)));
        let own = |listed: &Listed| OwnSession::new(listed, visit.public_id(), bound_since.as_deref(), now);
        Ok(listed.iter().map(own).collect())
    }

    /// Ends one of the visitor's own sessions, given its public session id. Returns `false` if none has that id. The
    /// session of this request ends as by [`sign_out`](Self::sign_out).
    ///
    /// # Errors
    ///
    /// 400 if `public_id` is not a public session id; and those of [`own_sessions`](Self::own_sessions).
    pub async fn end_session(&self, public_id: &str) -> Result<bool> {
        let invalid = || Error::status(400).message("a public session id is 16 hexadecimal digits");
        let public_id = PublicId::parse(public_id).ok_or_else(invalid)?;
        Ok(self.request_session().end_session(public_id).await?)
    }

    /// Ends all of the visitor's sessions but this one, once the request has succeeded: for example after a change of
    /// password. This session gets a new id, so that a stolen copy of its cookie ends with the others.
    ///
    /// # Errors
    ///
    /// 401 if nobody is signed in; 503 if the store does not answer; 501 in state `cookie` without a list of revoked
    /// sessions.
    pub async fn end_other_sessions(&self) -> Result<()> {
        let visit = self.visit().await?;
        if visit.owner().is_none() {
            return Err(Error::status(401).message("nobody is signed in, so there are no sessions to end"));
        }
        Ok(self.session_layer().sessions().end_others(visit)?)
    }

    /// Ends all sessions of `owner`, whoever the visitor is: for example from an admin page, to lock a stolen account.
    /// It happens at once, and also if the request fails. The handler has to check that the visitor may do this, and to
    /// refuse the owner's next sign-in. The visitor's own session ends, too, if it is the owner's: a sign-in of the
    /// visitor comes after this call and not before.
    ///
    /// # Errors
    ///
    /// 503 if the store does not answer; 501 in state `cookie` without a list of revoked sessions.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Error, Request, Response, Result, redirect};
    ///
    /// async fn lock_user(request: Request) -> Result<Response> {
    ///     if request.session().await?.owner().as_deref() != Some("admin") {
    ///         return Err(Error::status(403));
    ///     }
    ///     // … the user is marked as locked, so that no sign-in follows …
    ///     request.end_all_sessions(request.param("user")?).await?;
    ///     Ok(redirect("/users"))
    /// }
    /// ```
    pub async fn end_all_sessions(&self, owner: &str) -> Result<()> {
        Ok(self.request_session().end_all_sessions(owner).await?)
    }

    /// The visit of this request, for calls to the session manager.
    async fn visit(&self) -> Result<&Visit> {
        let session = self.request_session();
        session.load().await?;
        Ok(session.visit().expect("it was loaded above"))
    }

    /// When the loaded session was bound to a device; `None` if it is not bound.
    #[cfg(feature = "device")]
    pub(crate) fn bound_since(&self) -> Option<SystemTime> {
        self.request_session().device_bound_since()
    }

    /// Always `None`: without the feature `device` no session is bound.
    #[cfg(not(feature = "device"))]
    pub(crate) fn bound_since(&self) -> Option<SystemTime> {
        None
    }

    /// The time by the app's clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.session_layer().now()
    }
}

impl OwnSession {
    fn new(listed: &Listed, current: Option<PublicId>, bound_since: Option<&str>, now: SystemTime) -> Self {
        let current = Some(listed.public_id) == current;
        let (now, seen) = (unix_seconds(now), unix_seconds(listed.life.last_seen.into()));
        Self {
            public_id: listed.public_id.to_string(),
            device: listed.device.clone(),
            created: format_time::date(unix_seconds(listed.life.created.into())),
            last_seen: format_time::date(seen),
            seen_ago: format_time::span(now.saturating_sub(seen)),
            current,
            bound_since: bound_since.filter(|_| current).map(str::to_owned),
        }
    }
}
