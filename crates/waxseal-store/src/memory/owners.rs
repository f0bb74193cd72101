//! Owners and the public session ids of their sessions.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::PublicId;

/// All owners with at least one record. Locked after a shard, never before one.
#[derive(Default)]
pub(super) struct Owners(Mutex<HashMap<String, Owner>>);

#[derive(Default)]
struct Owner {
    generation: Arc<AtomicU64>,
    public_ids: BTreeSet<PublicId>,
}

/// The bond between a record and its owner, with the generation in which it was made.
///
/// Checking it takes no lock, because an owner shares its generation with all its records.
pub(super) struct Bond {
    since: u64,
    generation: Arc<AtomicU64>,
}

impl Bond {
    pub(super) fn holds(&self) -> bool {
        self.since >= self.generation.load(Ordering::Acquire)
    }
}

impl Owners {
    /// Makes the session the owner's, in the owner's present generation.
    pub(super) fn bind(&self, owner: &str, public_id: PublicId) -> Bond {
        let mut owners = self.lock();
        let owner = owners.entry(owner.to_owned()).or_default();
        owner.public_ids.insert(public_id);
        let since = owner.generation.load(Ordering::Acquire);
        Bond { since, generation: Arc::clone(&owner.generation) }
    }

    /// Removes the session from the owner. An owner without records is dropped together with its generation, because no
    /// bond is left to compare.
    pub(super) fn unbind(&self, owner: &str, public_id: PublicId) {
        let mut owners = self.lock();
        if let Some(bound) = owners.get_mut(owner) {
            bound.public_ids.remove(&public_id);
            if bound.public_ids.is_empty() {
                owners.remove(owner);
            }
        }
    }

    /// Breaks every bond of the owner, and returns the new generation.
    pub(super) fn raise(&self, owner: &str) -> u64 {
        let owners = self.lock();
        owners.get(owner).map_or(0, |owner| owner.generation.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Breaks every bond of the owner except `kept`, which must be the owner's.
    pub(super) fn raise_except(&self, owner: &str, kept: &mut Bond) {
        kept.since = self.raise(owner);
    }

    /// At most `limit` of the owner's public session ids, in order, after `after`.
    pub(super) fn public_ids(&self, owner: &str, after: Option<PublicId>, limit: usize) -> Vec<PublicId> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let owners = self.lock();
        let owner = owners.get(owner).into_iter();
        owner
            .flat_map(|owner| owner.public_ids.range((start, Bound::Unbounded)))
            .take(limit)
            .copied()
            .collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
