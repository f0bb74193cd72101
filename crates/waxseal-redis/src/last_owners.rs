//! Whose a session was when it was last seen.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::keys::OwnerTag;
use waxseal_store::PublicId;

/// The largest number of sessions in one generation, of some 100 bytes each.
const GENERATION: usize = 32_768;

/// The owners of the sessions that were seen last, so that a session and its owner's state can be read together.
///
/// They only tell what to ask for: an answer counts if the row that was read has the same owner. Sessions that are not
/// seen any more make way with their generation.
#[derive(Debug, Default)]
pub(crate) struct LastOwners(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<PublicId, Option<OwnerTag>>,
    old: HashMap<PublicId, Option<OwnerTag>>,
}

impl LastOwners {
    /// The owner that the session had, or `Some(None)` if it had none. `None` if it was not seen lately.
    pub(crate) fn of(&self, session: PublicId) -> Option<Option<OwnerTag>> {
        let mut generations = self.lock();
        if let Some(owner) = generations.young.get(&session) {
            return Some(owner.clone());
        }
        let owner = generations.old.remove(&session)?;
        generations.keep(session, owner.clone());
        Some(owner)
    }

    pub(crate) fn note(&self, session: PublicId, owner: Option<OwnerTag>) {
        self.lock().keep(session, owner);
    }

    pub(crate) fn forget(&self, session: PublicId) {
        let mut generations = self.lock();
        generations.young.remove(&session);
        generations.old.remove(&session);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn keep(&mut self, session: PublicId, owner: Option<OwnerTag>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(session, owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize) -> PublicId {
        PublicId::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn the_last_owner_is_remembered_and_that_there_was_none() {
        let (owners, ann) = (LastOwners::default(), OwnerTag::of("ann"));
        assert_eq!(owners.of(session(1)), None);
        owners.note(session(1), None);
        assert_eq!(owners.of(session(1)), Some(None));
        owners.note(session(1), Some(ann.clone()));
        assert_eq!(owners.of(session(1)), Some(Some(ann)));
    }

    #[test]
    fn sessions_that_are_not_seen_any_more_make_way() {
        let owners = LastOwners::default();
        (0..GENERATION).for_each(|number| owners.note(session(number), None));
        assert_eq!(owners.of(session(0)), Some(None), "seen again");
        (GENERATION..2 * GENERATION).for_each(|number| {
            owners.note(session(number), None);
            _ = owners.of(session(0));
        });
        (2 * GENERATION..3 * GENERATION).for_each(|number| {
            owners.note(session(number), None);
            _ = owners.of(session(0));
        });
        assert_eq!(owners.of(session(0)), Some(None));
        assert_eq!(owners.of(session(1)), None);
        let generations = owners.0.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
