//! The changes of a request, ready to be saved.

use std::sync::Arc;

use waxseal_session::backend::{Closed, Content};

use super::keyed_id::KeyedId;
use crate::active_keys::ActiveKeys;
use crate::error::Error;
use crate::origin::RecordRef;

/// A closed session with what is needed to save it in a store.
pub(crate) struct Draft {
    pub(crate) closed: Closed,
    /// The record that the session came from. `None` for a new session.
    pub(crate) record: Option<RecordRef>,
    /// The id that the visitor came with, if a sign-in has replaced that id.
    pub(crate) replaced: Option<KeyedId>,
    pub(crate) keys: Arc<ActiveKeys>,
}

impl Draft {
    /// A new session for the owner who signs in, with nothing from before.
    pub(super) fn begun(&self) -> Result<Content, Error> {
        let mut content = self.replay_over(Content::default())?;
        // Values that were set before this request are not in the log.
        content.adopt_owner(&self.closed.content);
        Ok(content)
    }

    /// Replays the changes over a newer version of the session, or over the session of a lost response.
    pub(super) fn replay_over(&self, content: Content) -> Result<Content, Error> {
        let limit = self.keys.capacity();
        Ok(match &self.record {
            Some(_) => self.closed.log.replay(content, limit)?,
            None => self.closed.log.replay_unseen(content, limit)?,
        })
    }
}
