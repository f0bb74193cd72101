//! A look into one token, for an operator.

use std::sync::Arc;
use std::time::SystemTime;

use waxseal_crypto::{KeyId, Limits, Times};

use crate::content::Content;
use crate::error::{Reason, Rejected};
use crate::moment::unix_seconds;
use crate::origin::COOKIE_ID_BYTES;
use crate::session::Session;
use crate::sessions::Sessions;

/// What a token holds, also one whose time is over; from [`Sessions::inspect`].
#[derive(Debug)]
pub struct Inspection {
    key: KeyId,
    position: usize,
    times: Times,
    limits: Limits,
    refused: Option<Reason>,
    session: Option<Session>,
}

impl Sessions {
    /// Opens a token to show it to an operator: whatever its times say, and without counting it. Nothing that it
    /// returns can be committed for a visitor.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if no key opens it: steps 1 to 7 of "Open" in `docs/format.md`.
    pub fn inspect(&self, token: &[u8], now: SystemTime) -> Result<Inspection, Rejected> {
        let ring = self.ring();
        let opened = ring.sealer().open_text_at_any_time(token);
        let opened = opened.map_err(|rejected| Reason::Seal(rejected.reason()))?;
        let (key, position, times) = (opened.key(), opened.key_position(), opened.times());
        let content = match opened.payload().len() {
            0..COOKIE_ID_BYTES => Err("it ends before its id"),
            _ => Content::parse(Arc::new(opened), COOKIE_ID_BYTES),
        };
        let lifetimes = self.limits();
        let (limits, session, unread) = match content {
            Ok(content) => {
                let session = Session::new(content, None, ring, false);
                (lifetimes.of(session.is_permanent()), Some(session), None)
            }
            Err(why) => (lifetimes.widest(), None, Some(Reason::Content(why))),
        };
        // As for a visitor: the times come before the contents.
        let refused = times.check(unix_seconds(now), limits).map_err(Reason::Seal).err().or(unread);
        if let Some(session) = &session {
            session.close();
        }
        Ok(Inspection { key, position, times, limits, refused, session })
    }
}

impl Inspection {
    /// The key that opened it.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// That key's place in the ring, the first being 0.
    #[must_use]
    pub fn key_position(&self) -> usize {
        self.position
    }

    /// When it was created and sealed, and for how long.
    #[must_use]
    pub fn times(&self) -> Times {
        self.times
    }

    /// What the server allows it today.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Why a visitor who brings it is a stranger; `None` if it is good.
    #[must_use]
    pub fn refused(&self) -> Option<&Reason> {
        self.refused.as_ref()
    }

    /// Its entries, to be read; `None` if they are of no form that is known here.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }
}
