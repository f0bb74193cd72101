//! Log of one request's changes, to be replayed over a newer session.

use std::sync::Arc;

use crate::change::Change;
use crate::content::Content;
use crate::error::{Error, Largest};
use crate::metadata::{BESIDE, BOUND, DEVICE, LIFE, OWNER, SIGNED_IN};
use crate::operation::{Operation, Sight};

/// The changes of one request, in order.
///
/// A request produces a log, not a copy of the session. The log can be replayed, key by key, over a newer session that
/// another request wrote meanwhile.
#[derive(Clone, Default)]
pub struct ChangeLog(Option<Arc<Vec<Change>>>);

impl ChangeLog {
    /// An empty log allocates nothing, because most requests change nothing.
    pub(crate) fn new(changes: Vec<Change>) -> Self {
        Self((!changes.is_empty()).then(|| Arc::new(changes)))
    }

    fn changes(&self) -> &[Change] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Change> {
        self.changes().iter()
    }

    /// The same changes, to be looked at and not replayed.
    pub(crate) fn without_closures(&self) -> Self {
        let is_closure = |change: &Change| matches!(change, Change::Key(_, Operation::Update(_)));
        if !self.iter().any(is_closure) {
            return self.clone();
        }
        let without = |change: &Change| match change {
            Change::Key(key, Operation::Update(_)) => {
                Change::Key(key.clone(), Operation::Update(Arc::new(|_| Ok(Arc::default()))))
            }
            other => other.clone(),
        };
        Self::new(self.iter().map(without).collect())
    }

    /// Returns `true` if the log has no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Replays the changes over `content`, a newer version of the session.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if a newer value cannot be changed in this way, [`Error::Conflict`] if a newer value is not the
    /// one that the handler saw, [`Error::TooLarge`] if the result takes more than `limit` bytes.
    pub fn replay(&self, content: Content, limit: usize) -> Result<Content, Error> {
        replay(content, self.iter(), limit)
    }

    /// Replays the changes over `content`, a session that this visitor's handler never saw.
    ///
    /// The response with the new id was lost, so the visitor came with the old id and was shown an empty session. A
    /// missing key is therefore not a conflict, and a default does not replace an existing value.
    ///
    /// # Errors
    ///
    /// As for [`replay`](Self::replay).
    pub fn replay_unseen(&self, content: Content, limit: usize) -> Result<Content, Error> {
        let stays = |change: &&Change| match change {
            Change::Seen(_, Sight::Absent) => false,
            Change::Key(key, Operation::SetDefault(_)) => !content.entries.contains(key),
            _ => true,
        };
        let stay: Vec<_> = self.iter().filter(stays).cloned().collect();
        replay(content, stay.iter(), limit)
    }

    /// Returns `true` if there are changes and all of them only note that a page was shown: with messages, with its
    /// first form, or with an offer to bind the session to a device.
    #[must_use]
    pub fn only_shows(&self) -> bool {
        let shows = |change: &Change| match change {
            Change::FlashesShown(_) | Change::CsrfSeed(_) => true,
            Change::Device(change) => change.is_offer(),
            _ => false,
        };
        !self.is_empty() && self.iter().all(shows)
    }

    /// Returns `true` if all changes are for the next page to show: a message that was flashed, messages that were
    /// shown, or the page's first form. Such changes can be kept after a sign-out. Also `true` for an empty log.
    #[must_use]
    pub fn is_only_for_next_page(&self) -> bool {
        let for_next_page = |change: &Change| {
            matches!(change, Change::Flash(_) | Change::FlashesShown(_) | Change::CsrfSeed(_))
        };
        self.iter().all(for_next_page)
    }

    /// Returns `true` if a change may affect the session's class, and with it its lifetimes.
    #[must_use]
    pub fn changes_class(&self) -> bool {
        self.iter().any(Change::changes_class)
    }
}

impl Content {
    /// Copies the class and the owner's metadata of `other`, for a new session of the same owner.
    pub fn adopt_owner(&mut self, other: &Self) {
        self.permanent = other.permanent;
        for name in [OWNER, SIGNED_IN, DEVICE, LIFE, BOUND, BESIDE] {
            if let Some(value) = other.metadata.encoded(name) {
                self.metadata.put(name, Some(Arc::from(value)));
            }
        }
    }
}

fn replay<'a>(
    mut content: Content,
    log: impl Iterator<Item = &'a Change>,
    limit: usize,
) -> Result<Content, Error> {
    for change in log {
        change.apply(&mut content)?;
    }
    let size = content.planned_size();
    if size > limit {
        return Err(Error::TooLarge { size, limit, largest: Largest::of(content.entries.sizes()) });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Terms;
    use crate::session::Session;

    #[test]
    fn a_closure_that_holds_its_session_goes_with_the_commit() {
        let session = Session::new();
        let (own, held) = (session.clone(), Arc::new(()));
        let is_held = Arc::downgrade(&held);
        let count = move |total: &mut usize| {
            let _ = &held;
            *total += own.len();
        };
        session.insert("name", "Merlin").unwrap();
        session.update("total", count).unwrap();
        let closed = session.close();
        assert_eq!(closed.log.replay(Content::default(), usize::MAX).unwrap().entries.len(), 2);
        drop(closed);
        assert!(is_held.upgrade().is_none());
        assert!(session.is_modified());
        assert_eq!(session.look().changes, [r#"set "name""#, r#"updated "total""#]);
    }

    /// Looks at its session when it is dropped.
    struct Looking(Session);

    impl Drop for Looking {
        fn drop(&mut self) {
            assert!(self.0.0.try_lock().is_ok(), "a closure is dropped under the lock");
        }
    }

    #[test]
    fn a_closure_is_dropped_outside_of_the_lock_also_if_its_session_is_closed_at_once() {
        let session =
            Session::restore(Content::default(), Terms { limit: 1000, strict: false, form_token_keys: None });
        let looking = Looking(session.clone());
        let count = move |total: &mut usize| {
            let _ = &looking;
            *total += 1;
        };
        session.update("total", count).unwrap();
        assert!(session.close_at_once(|| true, |_, _| Some(())).is_some());
        assert!(session.is_modified());
    }
}
