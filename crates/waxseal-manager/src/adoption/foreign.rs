//! A session that another framework, or another state, has made.

use std::sync::Arc;
use std::time::SystemTime;

use waxseal_session::Session;
use waxseal_session::backend::Content;
use waxseal_store::Timestamp;

use super::terms::Adoption;
use crate::revocations::question::Question;

/// A session that another framework has made, as a reader of its cookies found it.
///
/// The reader fills [`session`](Self::session): entries, messages, [`set_permanent`](Session::set_permanent), and the
/// owner by [`set_owner`](Session::set_owner). It never calls [`sign_in`](Session::sign_in): nobody proves who they are
/// by an old cookie, so [`signed_in_within`](Session::signed_in_within) stays false until the next sign-in.
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
    session: Session,
}

/// The part of a foreign session that its claim is about.
#[derive(Debug, Clone)]
pub(crate) struct ForeignRef {
    pub(crate) replay_id: [u8; Foreign::REPLAY_ID_BYTES],
    pub(crate) began: Timestamp,
    /// The time from which the session can no longer be read.
    pub(crate) end: Timestamp,
    /// The old app runs beside this one and serves the session, too, or its cookie is in other browsers: it may be taken
    /// over again.
    pub(crate) lives_on: bool,
    pub(crate) owner: Option<String>,
    /// The question to the list of revoked sessions, if it is a session of our state `cookie`.
    pub(crate) former: Option<Question>,
}

impl Foreign {
    /// Length of a replay id in bytes.
    pub const REPLAY_ID_BYTES: usize = 32;

    /// A foreign session, empty yet, that began at `began` (at which its cookie was signed, if nothing earlier is known)
    /// and can be read until `ends`.
    ///
    /// `replay_id` names this cookie and no other one, such as a hash of its signature: by it a second use is refused.
    #[must_use]
    pub fn new(replay_id: [u8; Self::REPLAY_ID_BYTES], began: SystemTime, ends: SystemTime) -> Self {
        let (began, ends) = (began.into(), ends.into());
        Self { replay_id, began, ends, lives_on: false, is_recurring: false, session: Session::new() }
    }

    /// Says that the old app runs beside this one and serves this session, too. It may then be taken over again, a minute
    /// after the last time, until it is signed out: its cookie stays in the browser, whatever becomes of the session
    /// here.
    ///
    /// A sign-out refuses the cookies of its owner that were signed until then, by the second. The clocks of both apps
    /// must agree: unlike that of an app that has stopped, a cookie from a moment after may be of a new sign-in.
    #[must_use]
    pub fn living_on(self) -> Self {
        Self { lives_on: true, ..self }
    }

    /// Says that each browser of its owner has this same cookie, which names no session: a token by which an app remembers
    /// who signed in. It may be taken over again, by another browser, a minute after the last time, until its owner
    /// signs out here.
    ///
    /// Whoever has a copy can take it over, too, as at the old app. Browsers that come within one minute are given the
    /// same session.
    #[must_use]
    pub fn recurring(self) -> Self {
        Self { is_recurring: true, ..self }
    }

    /// Returns `true` if it is [recurring](Self::recurring).
    #[must_use]
    pub fn is_recurring(&self) -> bool {
        self.is_recurring
    }

    /// The name of its cookie.
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

    /// The part that its claim is about, by the terms of the migration.
    pub(crate) fn reference(&self, terms: &Adoption) -> ForeignRef {
        let end = self.ends.min(self.began.after(terms.lifetime));
        ForeignRef {
            replay_id: self.replay_id,
            began: self.began,
            end,
            lives_on: self.lives_on || self.is_recurring,
            owner: self.content().owner(),
            former: None,
        }
    }
}
