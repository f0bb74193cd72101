//! Inspection of a token, for an operator.

use std::time::SystemTime;

use waxseal_crypto::{KeyId, Limits, Opened, Times};
use waxseal_session::Session;
use waxseal_session::backend::{Content, Terms};
use waxseal_store::{PublicId, Revision, Timestamp};

use crate::active_keys::TokenKeys;
use crate::manager::SessionManager;
use crate::origin::COOKIE_ID_BYTES;
use crate::records::token::Token;
use crate::rejected::{Reason, Rejected};

/// The parts of a token, expired or not; from [`SessionManager::inspect`].
#[derive(Debug)]
pub struct Inspection {
    key: KeyId,
    position: usize,
    times: Times,
    limits: Limits,
    refused: Option<Reason>,
    parts: Option<Parts>,
    session: Option<Session>,
}

/// What a token holds besides the session's content: [the format](waxseal_crypto::format), "What is sealed".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parts {
    /// State `cookie`: the whole session, under an id by which it can be revoked.
    Session {
        /// The session's id.
        id: [u8; 16],
    },
    /// State `store`: a session id, of which this is the public part. The session is in the record.
    Id {
        /// The public session id.
        public_id: PublicId,
    },
    /// State `mirrored`: a session id, a revision, and a copy of the record in that revision if it fits.
    Mirror {
        /// The public session id.
        public_id: PublicId,
        /// The revision.
        revision: Revision,
        /// `true` if the copy is in the token.
        has_copy: bool,
    },
}

impl SessionManager {
    /// Opens a token for an operator, regardless of its times. It is not counted, and no store is asked. What this
    /// returns cannot be committed for a visitor.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if no key opens it: steps 1 to 7 of "Open" in [the format](waxseal_crypto::format).
    pub fn inspect(&self, token: &[u8], now: SystemTime) -> Result<Inspection, Rejected> {
        let keys = self.keys();
        let refusal = |rejected: waxseal_crypto::Rejected| keys.refusal(token, rejected.reason());
        let (key, position, times, taken) = match keys.tokens() {
            TokenKeys::Signed(tokens) => {
                let signed = tokens.open_at_any_time(token).map_err(refusal)?;
                let Token { id, times, .. } = Token::of_id(&signed);
                let parts = Parts::Id { public_id: id.public_id() };
                (signed.key(), signed.key_position(), times, Ok((parts, None)))
            }
            TokenKeys::Sealed(sealer) => {
                let opened = sealer.open_text_at_any_time(token).map_err(refusal)?;
                let (key, position, times) = (opened.key(), opened.key_position(), opened.times());
                (key, position, times, self.take_apart(opened))
            }
        };
        let (parts, content, unread) = match taken {
            Ok((parts, content)) => (Some(parts), content, None),
            Err(why) => (None, None, Some(Reason::Content(why))),
        };
        let limits = match (&content, self.has_store()) {
            (Some(content), false) => self.lifetimes.of_session(content),
            (Some(content), true) => Limits { idle: Times::NO_IDLE, ..self.lifetimes.of_session(content) },
            (None, _) => self.token_limits(),
        };
        // As for a visitor, the times are checked before the content.
        let refused =
            times.check(Timestamp::from(now).as_secs(), limits).map_err(Reason::Seal).err().or(unread);
        let session = content.map(|content| {
            let terms = Terms { limit: keys.capacity(), strict: false, form_token_keys: None };
            let session = Session::restore(content, terms);
            let _ = session.close();
            session
        });
        Ok(Inspection { key, position, times, limits, refused, parts, session })
    }

    fn take_apart(&self, opened: Opened) -> Result<(Parts, Option<Content>), &'static str> {
        if !self.has_store() {
            let id = *opened.payload().first_chunk::<COOKIE_ID_BYTES>().ok_or("it ends before its id")?;
            let (buffer, payload) = opened.into_payload();
            let content = Content::parse(buffer, payload.start + COOKIE_ID_BYTES..payload.end)?;
            return Ok((Parts::Session { id }, Some(content)));
        }
        let Token { id, copy, .. } = Token::parse(opened)?;
        let public_id = id.public_id();
        let (revision, content) = copy.ok_or("it has no revision")?;
        Ok((Parts::Mirror { public_id, revision, has_copy: content.is_some() }, content))
    }
}

impl Inspection {
    /// The id of the key that opened the token.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The position of that key in the keyring, starting at 0.
    #[must_use]
    pub fn key_position(&self) -> usize {
        self.position
    }

    /// The times at which the session was created and the token was sealed, and the lifetimes that were sealed. In
    /// states `store` and `mirrored` the idle time is in the record.
    #[must_use]
    pub fn times(&self) -> Times {
        self.times
    }

    /// The limits that the server has now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The reason that a visitor with this token is anonymous. `None` if the token is good, as far as that can be known
    /// without a store.
    #[must_use]
    pub fn refused(&self) -> Option<&Reason> {
        self.refused.as_ref()
    }

    /// The token's parts. `None` if their form is unknown.
    #[must_use]
    pub fn parts(&self) -> Option<Parts> {
        self.parts
    }

    /// The token's entries, for reading. `None` if the token has none, or if their form is unknown.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }
}

impl Parts {
    /// A name of the session in hexadecimal digits that cannot be used to open it: the id in state `cookie`, the
    /// [public session id](crate::Visit::public_id) in the others.
    #[must_use]
    pub fn public_id(&self) -> String {
        match self {
            Self::Session { id } => format!("{:032x}", u128::from_be_bytes(*id)),
            Self::Id { public_id } | Self::Mirror { public_id, .. } => public_id.to_string(),
        }
    }
}
