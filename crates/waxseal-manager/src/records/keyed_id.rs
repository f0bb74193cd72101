//! A session id that keeps its record key.

use std::ops::Deref;
use std::sync::OnceLock;

use waxseal_store::{RecordKey, SessionId};

/// A session id whose record key, a SHA-256, is computed when it is first asked for and then kept.
#[derive(Clone)]
pub(crate) struct KeyedId {
    id: SessionId,
    key: OnceLock<RecordKey>,
}

impl KeyedId {
    pub(crate) fn new(id: SessionId) -> Self {
        Self { id, key: OnceLock::new() }
    }

    /// The key of the session's record.
    pub(crate) fn key(&self) -> RecordKey {
        *self.key.get_or_init(|| self.id.key())
    }
}

impl From<SessionId> for KeyedId {
    fn from(id: SessionId) -> Self {
        Self::new(id)
    }
}

impl Deref for KeyedId {
    type Target = SessionId;

    fn deref(&self) -> &SessionId {
        &self.id
    }
}
