//! A look into one token, for an operator.

use std::sync::Arc;
use std::time::SystemTime;

use waxseal_crypto::{KeyId, Limits, Opened, Times};

use crate::active_keys::TokenKeys;
use crate::content::Content;
use crate::error::{Reason, Rejected};
use crate::origin::COOKIE_ID_BYTES;
use crate::server::Token;
use crate::session::Session;
use crate::sessions::SessionManager;
use crate::timestamp::unix_seconds;
use crate::{PublicId, Revision};

/// What a token holds, also one whose time is over; from [`SessionManager::inspect`].
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

/// What a token is made of, beside what the session holds: `docs/format.md`, "What is sealed".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parts {
    /// State `cookie`: the whole session, under an id by which it can be taken back.
    Session {
        /// The id.
        id: [u8; 16],
    },
    /// State `store`: an id, of which this is the public half. The record has the session.
    Id {
        /// Its public half.
        public_id: PublicId,
    },
    /// State `mirrored`: an id and a revision, and a copy of what the record has in that revision, if it fits.
    Mirror {
        /// The public half of the id.
        public_id: PublicId,
        /// The revision.
        revision: Revision,
        /// Whether the copy is in the token.
        has_copy: bool,
    },
}

impl SessionManager {
    /// Opens a token to show it to an operator: whatever its times say, without counting it, and without asking a store.
    /// Nothing that it returns can be committed for a visitor.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if no key opens it: steps 1 to 7 of "Open" in `docs/format.md`.
    pub fn inspect(&self, token: &[u8], now: SystemTime) -> Result<Inspection, Rejected> {
        let ring = self.ring();
        let refusal = |rejected: waxseal_crypto::Rejected| ring.refusal(token, rejected.reason());
        let (key, position, times, taken) = match ring.tokens() {
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
        let limits = match (&content, self.is_mirrored()) {
            (Some(content), None) => self.limits().of(content.permanent),
            (Some(content), Some(_)) => {
                Limits { idle: Times::NO_IDLE, ..self.limits().of(content.permanent) }
            }
            (None, _) => self.token_limits(),
        };
        // As for a visitor: the times come before the contents.
        let refused = times.check(unix_seconds(now), limits).map_err(Reason::Seal).err().or(unread);
        let session = content.map(|content| Session::new(content, None, ring, false));
        if let Some(session) = &session {
            session.close();
        }
        Ok(Inspection { key, position, times, limits, refused, parts, session })
    }

    fn take_apart(&self, opened: Opened) -> Result<(Parts, Option<Content>), &'static str> {
        if self.is_mirrored().is_none() {
            let id = *opened.payload().first_chunk::<COOKIE_ID_BYTES>().ok_or("it ends before its id")?;
            let content = Content::parse(Arc::new(opened), COOKIE_ID_BYTES)?;
            return Ok((Parts::Session { id }, Some(content)));
        }
        let Token { id, copy, .. } = Token::parse(opened)?;
        let public_id = id.public_id();
        let (revision, content) = copy.ok_or("it has no revision")?;
        Ok((Parts::Mirror { public_id, revision, has_copy: content.is_some() }, content))
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

    /// When it was created and sealed, and for how long. In states `store` and `mirrored` the record says how long it may
    /// be idle.
    #[must_use]
    pub fn times(&self) -> Times {
        self.times
    }

    /// What the server allows it today.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Why a visitor who brings it is a stranger; `None` if it is good, as far as it can be told without a store.
    #[must_use]
    pub fn refused(&self) -> Option<&Reason> {
        self.refused.as_ref()
    }

    /// What it is made of; `None` if it is of no form that is known here.
    #[must_use]
    pub fn parts(&self) -> Option<Parts> {
        self.parts
    }

    /// The entries in it, to be read; `None` if it has none of its own, or they are of no form that is known here.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }
}

impl Parts {
    /// Names the session, and opens nothing: the id in state `cookie`, the [handle](Session::public_id) in the others, in
    /// hexadecimal digits.
    #[must_use]
    pub fn public_id(&self) -> String {
        match self {
            Self::Session { id } => format!("{:032x}", u128::from_be_bytes(*id)),
            Self::Id { public_id } | Self::Mirror { public_id, .. } => public_id.to_string(),
        }
    }
}
