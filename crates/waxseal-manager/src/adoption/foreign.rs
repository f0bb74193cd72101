//! A session that another framework, or another state, has made.

use std::sync::Arc;
use std::time::SystemTime;

use waxseal_session::Session;
use waxseal_session::backend::Content;
use waxseal_store::Timestamp;

use super::terms::Adoption;
use crate::revocations::question::Question;

/// A session of another framework, as a reader of its cookies found it.
///
/// The reader fills the [`session`](Self::session) with entries and messages, and calls
/// [`set_permanent`](Session::set_permanent) and [`set_owner`](Session::set_owner). It never calls
/// [`sign_in`](Session::sign_in): an old cookie is no proof of who the visitor is, so
/// [`signed_in_within`](Session::signed_in_within) stays false until the next sign-in.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use waxseal_manager::Foreign;
///
/// let (signed_at, lifetime) = (SystemTime::now(), Duration::from_secs(31 * 86_400));
/// let foreign = Foreign::new([7; 32], signed_at, signed_at + lifetime);
/// foreign.session().insert("cart", [1, 2])?;
/// foreign.session().set_owner(Some("user-7"))?;
/// # Ok::<(), waxseal_manager::session::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Foreign {
    replay_id: [u8; Self::REPLAY_ID_BYTES],
    began: Timestamp,
    ends: Timestamp,
    lives_on: bool,
    is_recurring: bool,
    is_unique: bool,
    session: Session,
}

/// What the claim of a foreign session is about.
#[derive(Debug, Clone)]
pub(crate) struct ForeignRef {
    pub(crate) replay_id: [u8; Foreign::REPLAY_ID_BYTES],
    pub(crate) began: Timestamp,
    /// The time from which the session can no longer be read.
    pub(crate) end: Timestamp,
    /// It may be taken over again, because the old app runs beside this one and also serves the session, or because its
    /// cookie is in other browsers, too.
    pub(crate) lives_on: bool,
    pub(crate) owner: Option<String>,
    /// No other browser can have the same cookie, except as a copy of this one.
    pub(crate) is_unique: bool,
    /// The question to the list of revoked sessions, if it is a session of this app's state `cookie`.
    pub(crate) former: Option<Question>,
}

impl Foreign {
    /// Length of a replay id in bytes.
    pub const REPLAY_ID_BYTES: usize = 32;

    /// An empty foreign session that began at `began` and can be read until `ends`. If its beginning is not known,
    /// `began` is the time at which its cookie was signed.
    ///
    /// `replay_id` identifies this one cookie, for example as a hash of its signature, so that a second use is refused.
    #[must_use]
    pub fn new(replay_id: [u8; Self::REPLAY_ID_BYTES], began: SystemTime, ends: SystemTime) -> Self {
        let (began, ends) = (began.into(), ends.into());
        Self {
            replay_id,
            began,
            ends,
            lives_on: false,
            is_recurring: false,
            is_unique: false,
            session: Session::new(),
        }
    }

    /// Says that the old app runs beside this one and also serves this session. The session may then be taken over
    /// again, a minute after the last time, until it is signed out, because its cookie stays in the browser whatever
    /// happens to the session here.
    ///
    /// A sign-out refuses the owner's cookies that were signed up to that second. The clocks of both apps must agree,
    /// because a cookie that was signed a moment later may belong to a new sign-in. Only for an app that has stopped is
    /// a lead of a minute allowed.
    #[must_use]
    pub fn living_on(self) -> Self {
        Self { lives_on: true, ..self }
    }

    /// Says that all browsers of the owner have this same cookie, because it does not identify a session: it is a token
    /// by which an app remembers who signed in. The session may be taken over again, by another browser, a minute after
    /// the last time, until its owner signs out here.
    ///
    /// Whoever has a copy of the cookie can take the session over, too, as with the old app. Browsers that come within
    /// one minute get the same session.
    #[must_use]
    pub fn recurring(self) -> Self {
        Self { is_recurring: true, ..self }
    }

    /// Says that its cookie names a session by a random id, and that the app's store has one content for that id.
    ///
    /// A cookie that holds the content itself may be the same for all anonymous visitors with the same content. So without
    /// this, and without an owner, requests that bring the session at the same time do not share what is made of it: each
    /// gets a session of its own.
    #[must_use]
    pub fn unique(self) -> Self {
        Self { is_unique: true, ..self }
    }

    /// Returns `true` if it is [recurring](Self::recurring).
    #[must_use]
    pub fn is_recurring(&self) -> bool {
        self.is_recurring
    }

    /// The id of its cookie.
    #[must_use]
    pub fn replay_id(&self) -> &[u8; Self::REPLAY_ID_BYTES] {
        &self.replay_id
    }

    /// The time at which it began.
    #[must_use]
    pub fn began(&self) -> SystemTime {
        self.began.into()
    }

    /// The session, for the reader to fill.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn content(&self) -> Arc<Content> {
        self.session.content()
    }

    /// What its claim is about, under the terms of the migration.
    pub(crate) fn reference(&self, terms: &Adoption) -> ForeignRef {
        let end = self.ends.min(self.began.after(terms.lifetime));
        ForeignRef {
            replay_id: self.replay_id,
            began: self.began,
            end,
            lives_on: self.lives_on || self.is_recurring,
            owner: self.content().owner(),
            is_unique: self.is_unique,
            former: None,
        }
    }
}

impl ForeignRef {
    /// Returns `true` if several visitors may have this session, because nothing in its cookie has to be one visitor's
    /// alone. Two of them must not get one session.
    pub(crate) fn is_anybodys(&self) -> bool {
        self.owner.is_none() && !self.is_unique
    }
}
