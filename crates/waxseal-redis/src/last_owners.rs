//! Whose a session was when it was last seen.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::keys::OwnerTag;
use waxseal_store::{PublicId, Timestamp};

/// The largest number of sessions in one generation: those for which a hash map has 131,072 places, in 5.5 MB.
const GENERATION: usize = 114_688;

/// The longest that a generation is the young one.
const AGE: Duration = Duration::from_secs(10 * 60);

/// The owners of the sessions that were seen last, so that a session and its owner's state can be read together.
///
/// They only tell what to ask for: an answer counts if the row that was read has the same owner. Sessions that were not
/// seen for 10 to 20 minutes go with their generation.
#[derive(Debug, Default)]
pub(crate) struct LastOwners(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    since: Option<Timestamp>,
    young: HashMap<PublicId, Option<OwnerTag>>,
    old: HashMap<PublicId, Option<OwnerTag>>,
}

impl LastOwners {
    /// The owner that the session had, or `Some(None)` if it had none. `None` if it was not seen lately.
    pub(crate) fn of(&self, session: PublicId, now: Timestamp) -> Option<Option<OwnerTag>> {
        let mut generations = self.lock();
        if let Some(owner) = generations.young.get(&session) {
            return Some(*owner);
        }
        let owner = generations.old.remove(&session)?;
        generations.keep(session, owner, now);
        Some(owner)
    }

    pub(crate) fn note(&self, session: PublicId, owner: Option<OwnerTag>, now: Timestamp) {
        self.lock().keep(session, owner, now);
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
    fn keep(&mut self, session: PublicId, owner: Option<OwnerTag>, now: Timestamp) {
        if self.young.len() >= GENERATION || self.since.is_none_or(|since| now >= since.after(AGE)) {
            self.old = std::mem::take(&mut self.young);
            self.since = Some(now);
        }
        self.young.insert(session, owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);

    fn session(number: usize) -> PublicId {
        PublicId::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn the_last_owner_is_remembered_and_that_there_was_none() {
        let (owners, ann) = (LastOwners::default(), OwnerTag::of("ann"));
        assert_eq!(owners.of(session(1), NOW), None);
        owners.note(session(1), None, NOW);
        assert_eq!(owners.of(session(1), NOW), Some(None));
        owners.note(session(1), Some(ann), NOW);
        assert_eq!(owners.of(session(1), NOW), Some(Some(ann)));
        owners.forget(session(1));
        assert_eq!(owners.of(session(1), NOW), None);
    }

    #[test]
    fn many_sessions_displace_those_that_are_not_seen_any_more() {
        let owners = LastOwners::default();
        for number in 0..3 * GENERATION {
            owners.note(session(number), None, NOW);
            assert_eq!(owners.of(session(0), NOW), Some(None), "seen again");
        }
        assert_eq!(owners.of(session(1), NOW), None);
        let generations = owners.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }

    #[test]
    fn sessions_that_are_not_seen_any_more_go_in_time() {
        let owners = LastOwners::default();
        (0..10).for_each(|number| owners.note(session(number), None, NOW));
        for round in 1..=3 {
            let now = NOW.after(round * AGE);
            owners.note(session(100), None, now);
            assert_eq!(owners.of(session(0), now), Some(None), "seen again");
        }
        let generations = owners.lock();
        let mut left = generations.young.keys().chain(generations.old.keys());
        assert!(left.all(|left| [session(0), session(100)].contains(left)));
    }
}
