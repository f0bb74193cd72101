//! Extractors of the visitor's session.

use std::fmt;
use std::ops::Deref;
use std::time::{Duration, SystemTime};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::HeaderValue;
use http::header::USER_AGENT;
use http::request::Parts;
#[cfg(feature = "device")]
use waxseal_http::Device;
use waxseal_http::{RequestSession, SessionEnded};
use waxseal_manager::Visit;
use waxseal_store::PublicId;

use crate::error::{Error, Result};
use crate::own_session::OwnSession;

/// The visitor's session. An extractor. It is a [dictionary](waxseal_session::Session), whose methods it has by
/// `Deref`, with methods for sign-in, sign-out and the visitor's other sessions.
///
/// `Option<Session>` is `None` for a visitor without a session. A session begins when something is written to it.
///
/// Write before the response is returned. What a stream, a socket or a task writes after the response's head was sent
/// is lost, and the log says so.
///
/// # Errors
///
/// Extraction fails with [`Error::NoLayer`] (500), or 503 if a store has to be asked and does not answer.
///
/// # Example
///
/// ```
/// use axum::response::Redirect;
/// use waxseal_axum::{Result, Session};
///
/// async fn sign_in(session: Session) -> Result<Redirect> {
///     // … the password is right …
///     session.sign_in("user-7").await?;
///     session.insert("theme", "dark")?;
///     Ok(Redirect::to("/"))
/// }
/// ```
#[derive(Clone)]
pub struct Session {
    session: waxseal_session::Session,
    request: LazySession,
}

/// The session of a request that has not loaded it yet. An extractor that never fails within a session layer.
///
/// It can sign the visitor out even while the store is away.
#[derive(Clone)]
pub struct LazySession {
    request: RequestSession,
    user_agent: Option<HeaderValue>,
}

impl Session {
    /// Signs in `owner`, the app's own name for the user, such as a number in its database. The session gets a new id,
    /// so that an attacker who planted the old one gains nothing, and records the time and the browser's name for
    /// lists. Its entries stay, unless another owner was signed in: then it is emptied first, so write to it after this
    /// call. To drop them in any case, call [`renew_empty`](waxseal_session::Session::renew_empty) before.
    ///
    /// # Errors
    ///
    /// Those of [`Session::sign_in`](waxseal_session::Session::sign_in).
    pub async fn sign_in(&self, owner: &str) -> Result<()> {
        Ok(self.request.request.sign_in(owner, self.request.user_agent.as_ref()).await?)
    }

    /// Signs the visitor out by ending the session. In every state with a store, a copy of its cookie is then useless.
    ///
    /// # Errors
    ///
    /// Those of [`Session::destroy`](waxseal_session::Session::destroy).
    pub async fn sign_out(&self) -> Result<()> {
        self.request.sign_out().await
    }

    /// Returns `true` if the visitor signed in within the last `span`. Check this before a password is changed or money
    /// is sent.
    #[must_use]
    pub fn signed_in_within(&self, span: Duration) -> bool {
        self.session.signed_in_within(span, self.now())
    }

    /// Asks the store whether the session is still as this request loaded it. For requests with unsafe methods this has
    /// already happened.
    ///
    /// # Errors
    ///
    /// 409 if it was ended or changed by another request, 503 if the store does not answer.
    pub async fn revalidate(&self) -> Result<()> {
        Ok(self.request.request.revalidate().await?)
    }

    /// The sessions of the visitor who is signed in, the last used first: at most 1,000, and always including this one.
    /// Empty if nobody is signed in.
    ///
    /// # Errors
    ///
    /// 501 in state `cookie`, which keeps no list of sessions, and with a store that cannot list them; 503 if the store
    /// does not answer.
    pub async fn own_sessions(&self) -> Result<Vec<OwnSession>> {
        const MOST: usize = 1_000;
        let visit = self.visit();
        if visit.owner().is_none() {
            return Ok(Vec::new());
        }
        let listed = self.request.request.sessions().last_used(visit, MOST, self.now()).await?;
        let current = visit.public_id().map(|id| id.to_string());
        let own = |listed| {
            OwnSession::new(
                listed,
                current.as_deref(),
                #[cfg(feature = "device")]
                self.request.request.device_bound_since(),
            )
        };
        Ok(listed.into_iter().map(own).collect())
    }

    /// Ends one of the visitor's own sessions, given its [public session id](OwnSession::public_id). Returns `false` if
    /// none has that id. The session of this request ends as by [`sign_out`](Self::sign_out).
    ///
    /// # Errors
    ///
    /// [`Error::PublicId`] (400), and those of [`own_sessions`](Self::own_sessions).
    pub async fn end_session(&self, public_id: &str) -> Result<bool> {
        let public_id = PublicId::parse(public_id).ok_or(Error::PublicId)?;
        Ok(self.request.request.end_session(public_id).await?)
    }

    /// Ends all of the visitor's sessions but this one, once the request has succeeded: for example after a change of
    /// password. This session gets a new id.
    ///
    /// # Errors
    ///
    /// [`Error::SignedOut`] (401) if nobody is signed in; 501 in state `cookie` without a list of revoked sessions.
    pub fn end_other_sessions(&self) -> Result<()> {
        let visit = self.visit();
        if visit.owner().is_none() {
            return Err(Error::SignedOut { redirect: None });
        }
        Ok(self.request.request.sessions().end_others(visit)?)
    }

    /// Ends all sessions of any owner at once, for example of a user whose account an administrator locks. Check before
    /// that the visitor may do so. The visitor's own session ends, too, if it is the owner's: sign in after this call
    /// and not before. To keep it, there is [`end_other_sessions`](Self::end_other_sessions). Outside a handler, use a
    /// clone of the layer: `layer.sessions().end_all(owner, layer.now())`.
    ///
    /// # Errors
    ///
    /// 501 in state `cookie` without a list of revoked sessions; 503 if the store does not answer.
    ///
    /// # Example
    ///
    /// ```
    /// use axum::extract::Path;
    /// use waxseal_axum::{Result, Session};
    ///
    /// async fn lock(session: Session, Path(user): Path<String>) -> Result<()> {
    ///     // … the visitor may do so, and the user can no longer sign in …
    ///     session.end_all_sessions(&user).await
    /// }
    /// ```
    pub async fn end_all_sessions(&self, owner: &str) -> Result<()> {
        Ok(self.request.request.end_all_sessions(owner).await?)
    }

    /// The end of the session, as a future, for a response that stays open, such as events or a socket. It resolves
    /// when the session is signed out (here or on another server), is ended by its owner, expires, or is renewed as by
    /// a sign-in; when the store is away for longer than the stale-if-error limit; and when the device proof that the
    /// request brought expires. Details: [`RequestSession::ended`].
    ///
    /// # Errors
    ///
    /// None, because the session was loaded when it was extracted.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// use axum::response::sse::{Event, Sse};
    /// use futures_util::stream::{self, Stream, StreamExt};
    /// use waxseal_axum::{Result, Session};
    ///
    /// async fn news(session: Session) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    ///     let ended = session.ended().await?;
    ///     let news = stream::repeat_with(|| Ok(Event::default().data("news")));
    ///     Ok(Sse::new(news.take_until(ended)))
    /// }
    /// ```
    pub async fn ended(&self) -> Result<SessionEnded> {
        Ok(self.request.request.ended().await?)
    }

    /// What the request has proven about the device that its session is bound to. It is [`Device::Unbound`] if the
    /// layer does not [bind sessions](crate::Waxseal::device_bound).
    ///
    /// # Errors
    ///
    /// None, because the session was loaded when it was extracted.
    #[cfg(feature = "device")]
    pub async fn device(&self) -> Result<Device> {
        Ok(self.request.request.device().await?)
    }

    fn visit(&self) -> &Visit {
        self.request.request.visit().expect("it was loaded when it was extracted")
    }

    fn now(&self) -> SystemTime {
        self.request.request.now()
    }
}

impl LazySession {
    /// Loads the session.
    ///
    /// # Errors
    ///
    /// 503 if a store has to be asked and does not answer.
    pub async fn load(&self) -> Result<Session> {
        self.clone().into_session().await
    }

    async fn into_session(self) -> Result<Session> {
        Ok(Session { session: self.request.load().await?, request: self })
    }

    /// Signs the visitor out, even while the store is away: this process then refuses the session at once, and tells
    /// the store when it answers again.
    ///
    /// # Errors
    ///
    /// Those of [`Session::destroy`](waxseal_session::Session::destroy).
    pub async fn sign_out(&self) -> Result<()> {
        Ok(self.request.destroy().await?)
    }

    pub(crate) fn of(parts: &Parts) -> Result<Self> {
        let request = parts.extensions.get::<RequestSession>().ok_or(Error::NoLayer)?.clone();
        // It is for lists of an owner's sessions, which take a store.
        let has_store = request.sessions().has_store();
        let user_agent = has_store.then(|| parts.headers.get(USER_AGENT).cloned()).flatten();
        Ok(Self { request, user_agent })
    }
}

impl<S: Sync> FromRequestParts<S> for LazySession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::of(parts)
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        LazySession::of(parts)?.into_session().await
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        let session = LazySession::of(parts)?.into_session().await?;
        Ok(Some(session).filter(|session| !session.is_new()))
    }
}

impl Deref for Session {
    type Target = waxseal_session::Session;

    fn deref(&self) -> &Self::Target {
        &self.session
    }
}

/// Shows nothing of the session.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}

impl fmt::Debug for LazySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazySession(..)")
    }
}
