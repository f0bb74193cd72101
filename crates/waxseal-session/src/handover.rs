//! The removal of what another owner has left in a session, at a sign-in.

use crate::content::Content;
use crate::messages::{self, Ids};
use crate::metadata::LIFE;

/// A sign-in over a session that may be another owner's. What was written to the session before is then removed.
///
/// It is replayed with the other changes of its request, over the session as it is by then.
pub(crate) struct Handover {
    /// The owner who signs in.
    pub(crate) owner: Box<str>,
    /// `true` if the session came from another owner, and so may have that owner's entries even if it has no owner now.
    pub(crate) is_anothers: bool,
    /// The messages of this request, which are for whoever sees the next page.
    pub(crate) messages: Ids,
    /// `true` if this request chose the session's class.
    pub(crate) keeps_class: bool,
}

impl Handover {
    /// Returns `true` if the session is emptied.
    pub(crate) fn empties(&self, content: &Content) -> bool {
        content.owner().map_or(self.is_anothers, |owner| *owner != *self.owner)
    }

    pub(crate) fn apply(&self, content: &mut Content) {
        if !self.empties(content) {
            return;
        }
        let before = std::mem::take(content);
        messages::copy(&before.metadata, &mut content.metadata, &self.messages);
        if self.keeps_class {
            content.permanent = before.permanent;
            content.metadata.put(LIFE, before.metadata.encoded(LIFE).map(Into::into));
        }
    }
}
