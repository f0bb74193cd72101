//! A request's changes, ready to be saved.

use std::sync::Arc;

use waxseal_session::backend::{Closed, Content};

use super::keyed_id::KeyedId;
use super::turns::Place;
use crate::active_keys::ActiveKeys;
use crate::error::Error;
use crate::origin::RecordRef;

/// A closed session with what is needed to save it in a store.
pub(crate) struct Draft {
    pub(crate) closed: Closed,
    /// The record that the session came from. `None` if the session is new.
    pub(crate) record: Option<RecordRef>,
    /// The id that the visitor came with, if a sign-in has replaced it.
    pub(crate) replaced: Option<KeyedId>,
    /// The request's place among those that change the session, if it has one already.
    pub(crate) place: Option<Place>,
    pub(crate) keys: Arc<ActiveKeys>,
}

impl Draft {
    /// A new session of the owner who signs in, without anything from before.
    pub(super) fn begun(&self) -> Result<Content, Error> {
        let mut content = self.replay_over(Content::default())?;
        // The log lacks values that were set before this request.
        content.adopt_owner(&self.closed.content);
        Ok(content)
    }

    /// Replays the changes over a newer version of the session, or over the session of a lost answer.
    pub(super) fn replay_over(&self, content: Content) -> Result<Content, Error> {
        let limit = self.keys.capacity();
        Ok(match &self.record {
            Some(_) => self.closed.log.replay(content, limit)?,
            None => self.closed.log.replay_unseen(content, limit)?,
        })
    }
}
