//! Where an opened session came from.

use waxseal_crypto::Times;

use crate::record::Lifespan;
use crate::revocations::Question;
use crate::server::ConfirmedAt;
use crate::{PublicId, Revision, SessionId};

/// Bytes of the id that a session in state `cookie` has, so that a deny list can name it.
pub(crate) const COOKIE_ID_BYTES: usize = 16;

#[derive(Clone)]
pub(crate) enum Origin {
    /// Out of a token that is the whole session.
    Cookie(CookieToken),
    /// Out of a record, or a copy of one.
    Record(RecordRef),
}

#[derive(Clone)]
pub(crate) struct CookieToken {
    pub(crate) id: [u8; COOKIE_ID_BYTES],
    pub(crate) times: Times,
    pub(crate) needs_reseal: bool,
    /// What a list is asked of it, if there is one.
    pub(crate) question: Option<Question>,
}

/// What a request knows of the record that its session is kept in.
#[derive(Clone)]
pub(crate) struct RecordRef {
    pub(crate) id: SessionId,
    /// The revision that the content is of.
    pub(crate) revision: Revision,
    /// Those of the token that came.
    pub(crate) times: Times,
    /// The token was sealed by a key that is no longer the first.
    pub(crate) needs_reseal: bool,
    /// The browser has another revision than this, or another id.
    pub(crate) is_outdated: bool,
    /// What the store said in this request; `None`: it was not asked.
    pub(crate) known: Option<Confirmed>,
}

/// What the store said of a record in this request.
#[derive(Clone, Copy)]
pub(crate) struct Confirmed {
    pub(crate) confirm: ConfirmedAt,
    pub(crate) life: Lifespan,
    /// The key that the record is sealed with, if the record was read.
    pub(crate) kid: Option<[u8; 4]>,
}

impl Origin {
    pub(crate) fn public_id(&self) -> Option<PublicId> {
        match self {
            Self::Cookie(_) => None,
            Self::Record(held) => Some(held.id.public_id()),
        }
    }
}
