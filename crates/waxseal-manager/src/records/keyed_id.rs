//! A session id that keeps its record key.

use std::ops::Deref;

use waxseal_store::{RecordKey, SessionId};

/// A session id with its record key, a SHA-256.
#[derive(Clone)]
pub(crate) struct KeyedId {
    id: SessionId,
    /// `None` if it is not known yet whether a store is asked at all.
    key: Option<RecordKey>,
}

impl KeyedId {
    pub(crate) fn new(id: SessionId) -> Self {
        Self { key: Some(id.key()), id }
    }

    /// An id whose page may be shown from a copy, without asking a store.
    pub(crate) fn without_key(id: SessionId) -> Self {
        Self { id, key: None }
    }

    /// The key of the session's record.
    pub(crate) fn key(&self) -> RecordKey {
        self.key.unwrap_or_else(|| self.id.key())
    }

    /// Keeps the key from now on, because it will be wanted more than once.
    pub(crate) fn keep_key(&mut self) {
        self.key = Some(self.key());
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
