//! A part of the sessions, under one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use super::budget::{Budget, NoRoom, Use};
use super::owners::{Bond, Owners};
use crate::record::{Creation, Found, Listed, Record, Swap};
use crate::{PublicId, RecordKey, Revision, Timestamp};

type Hash = [u8; RecordKey::HASH_BYTES];

/// Estimated bytes of a record in addition to its texts and sealed bytes: the row, and its entries in two trees.
pub(super) const ROW_BYTES: usize = 400;
/// Estimated bytes of a tombstone: its entries in a map and in a tree.
const TOMBSTONE_BYTES: usize = 150;

#[derive(Default)]
pub(super) struct Shard {
    rows: BTreeMap<PublicId, Row>,
    /// Expiry times of rows with an owner (`owned`) and without one (`ownerless`).
    owned: BTreeSet<(Timestamp, PublicId)>,
    ownerless: BTreeSet<(Timestamp, PublicId)>,
    /// Expiry times of the tombstones of old ids.
    tombstones: HashMap<Hash, Timestamp>,
    tombstone_ends: BTreeSet<(Timestamp, Hash)>,
}

struct Row {
    hash: Hash,
    record: Record,
    /// `Some` exactly if the record has an owner.
    bond: Option<Bond>,
}

impl Row {
    fn is_living(&self, now: Timestamp) -> bool {
        self.record.life.expires > now && self.bond.as_ref().is_none_or(Bond::holds)
    }

    fn is_owned_by(&self, owner: &str) -> bool {
        self.record.owner.as_deref() == Some(owner)
    }
}

impl Shard {
    pub(super) fn find<T>(
        &self,
        key: &RecordKey,
        now: Timestamp,
        read: impl FnOnce(&Record) -> T,
    ) -> Option<Found<T>> {
        match self.living(key, now) {
            Some(row) => Some(Found::Living(read(&row.record))),
            None => self.has_tombstone(key.hash(), now).then_some(Found::Renewed),
        }
    }

    pub(super) fn create(
        &mut self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
        owners: &Owners,
        budget: &Budget,
    ) -> Result<Creation, NoRoom> {
        let public_id = key.public_id();
        let dead = match self.rows.get(&public_id) {
            Some(row) if row.is_living(now) => return Ok(Creation::Taken),
            row => row.is_some(),
        };
        if self.has_tombstone(key.hash(), now) {
            return Ok(Creation::Taken);
        }
        if dead {
            self.remove(public_id, owners, budget);
        }
        let what_for = if record.is_end() { Use::End } else { Use::Any };
        budget.take(1, row_bytes(record), what_for)?;
        let bond = record.owner.as_deref().map(|owner| owners.bind(owner, public_id));
        self.ends(bond.is_some()).insert((record.life.expires, public_id));
        self.rows.insert(public_id, Row { hash: *key.hash(), record: record.clone(), bond });
        Ok(Creation::Created)
    }

    /// Updates a record; with `renewal`, moves it to another key and leaves a tombstone that expires then.
    #[expect(clippy::too_many_arguments, reason = "the trait's own, and where owners and bytes are counted")]
    pub(super) fn swap(
        &mut self,
        key: &RecordKey,
        expected: &Revision,
        renewal: Option<(&RecordKey, Timestamp)>,
        record: &Record,
        now: Timestamp,
        owners: &Owners,
        budget: &Budget,
    ) -> Result<Swap, NoRoom> {
        let public_id = key.public_id();
        let Some(row) = self.living(key, now) else { return Ok(Swap::Gone) };
        if row.record.revision != *expected {
            return Ok(Swap::Conflict);
        }
        let before = (row_bytes(&row.record), row.record.life.expires, row.bond.is_some());
        if renewal.is_some() {
            budget.take(1, TOMBSTONE_BYTES, Use::Any)?;
        }
        if let Err(full) = budget.resize(before.0, row_bytes(record)) {
            if renewal.is_some() {
                budget.give(1, TOMBSTONE_BYTES);
            }
            return Err(full);
        }
        self.ends(before.2).remove(&(before.1, public_id));
        let row = self.rows.get_mut(&public_id).expect("the row was found above");
        if row.record.owner != record.owner {
            if let Some(owner) = &row.record.owner {
                owners.unbind(owner, public_id);
            }
            row.bond = record.owner.as_deref().map(|owner| owners.bind(owner, public_id));
        }
        row.record = record.clone();
        if let Some((new, _)) = renewal {
            row.hash = *new.hash();
        }
        self.ends(record.owner.is_some()).insert((record.life.expires, public_id));
        if let Some((_, end)) = renewal {
            self.tombstone_ends.insert((end, *key.hash()));
            self.tombstones.insert(*key.hash(), end);
        }
        Ok(Swap::Done)
    }

    pub(super) fn touch(&mut self, key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> bool {
        let public_id = key.public_id();
        let Some(row) = self.living(key, now) else { return false };
        let (before, owned) = (row.record.life, row.bond.is_some());
        let after = before.touched(now, idle_end);
        self.ends(owned).remove(&(before.expires, public_id));
        self.ends(owned).insert((after.expires, public_id));
        self.rows.get_mut(&public_id).expect("the row was found above").record.life = after;
        true
    }

    pub(super) fn rewrap(
        &mut self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
        budget: &Budget,
    ) -> Result<bool, NoRoom> {
        let Some(row) = self.living_mut(key, now).filter(|row| row.record.revision == *revision) else {
            return Ok(false);
        };
        budget.resize(row.record.sealed.len(), sealed.len())?;
        row.record.kid = kid;
        row.record.sealed = sealed.to_vec();
        Ok(true)
    }

    pub(super) fn delete(
        &mut self,
        key: &RecordKey,
        now: Timestamp,
        owners: &Owners,
        budget: &Budget,
    ) -> bool {
        let found = self.living(key, now).is_some();
        if found {
            self.remove(key.public_id(), owners, budget);
        }
        found
    }

    pub(super) fn end(
        &mut self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
        owners: &Owners,
        budget: &Budget,
    ) -> bool {
        let found = self.owners_row(owner, public_id, now).is_some();
        if found {
            self.remove(public_id, owners, budget);
        }
        found
    }

    pub(super) fn end_others(&mut self, owner: &str, keep: &RecordKey, now: Timestamp, owners: &Owners) {
        let row = self.living_mut(keep, now).filter(|row| row.is_owned_by(owner));
        match row.and_then(|row| row.bond.as_mut()) {
            Some(kept) => owners.raise_except(owner, kept),
            None => _ = owners.raise(owner),
        }
    }

    /// Removes the row if its owner's sessions were ended.
    pub(super) fn forget_ended(&mut self, public_id: PublicId, owners: &Owners, budget: &Budget) {
        let ended = |row: &Row| row.bond.as_ref().is_some_and(|bond| !bond.holds());
        if self.rows.get(&public_id).is_some_and(ended) {
            self.remove(public_id, owners, budget);
        }
    }

    pub(super) fn listed(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Option<Listed> {
        let row = self.owners_row(owner, public_id, now)?;
        Some(Listed { public_id, device: row.record.device.clone(), life: row.record.life })
    }

    pub(super) fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Option<(RecordKey, Record)> {
        let row = self.owners_row(owner, public_id, now)?;
        Some((RecordKey::new(public_id, row.hash), row.record.clone()))
    }

    pub(super) fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<PublicId>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<(RecordKey, Record)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.range((start, Bound::Unbounded));
        rows.filter(|(_, row)| row.record.kid != kid && row.is_living(now))
            .map(|(public_id, row)| (RecordKey::new(*public_id, row.hash), row.record.clone()))
            .take(limit)
            .collect()
    }

    /// Removes at most `limit` expired records and tombstones, and returns their number.
    pub(super) fn purge(&mut self, now: Timestamp, limit: usize, owners: &Owners, budget: &Budget) -> usize {
        let mut purged = 0;
        while purged < limit {
            let row = [self.owned.first(), self.ownerless.first()].into_iter().flatten().min();
            if let Some((_, public_id)) = row.copied().filter(|(end, _)| *end <= now) {
                self.remove(public_id, owners, budget);
            } else if let Some((end, hash)) =
                self.tombstone_ends.first().copied().filter(|(end, _)| *end <= now)
            {
                self.tombstone_ends.remove(&(end, hash));
                if self.tombstones.remove(&hash).is_some() {
                    budget.give(1, TOMBSTONE_BYTES);
                }
            } else {
                break;
            }
            purged += 1;
        }
        purged
    }

    /// The expiry time of the ownerless session that expires soonest.
    pub(super) fn first_ownerless(&self) -> Option<Timestamp> {
        self.ownerless.first().map(|(end, _)| *end)
    }

    pub(super) fn forget_ownerless(&mut self, owners: &Owners, budget: &Budget) {
        if let Some((_, public_id)) = self.ownerless.first().copied() {
            self.remove(public_id, owners, budget);
        }
    }

    fn remove(&mut self, public_id: PublicId, owners: &Owners, budget: &Budget) {
        let Some(row) = self.rows.remove(&public_id) else { return };
        self.ends(row.bond.is_some()).remove(&(row.record.life.expires, public_id));
        if let Some(owner) = &row.record.owner {
            owners.unbind(owner, public_id);
        }
        budget.give(1, row_bytes(&row.record));
    }

    fn living(&self, key: &RecordKey, now: Timestamp) -> Option<&Row> {
        self.rows.get(&key.public_id()).filter(|row| row.hash == *key.hash() && row.is_living(now))
    }

    fn owners_row(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Option<&Row> {
        self.rows.get(&public_id).filter(|row| row.is_living(now) && row.is_owned_by(owner))
    }

    fn living_mut(&mut self, key: &RecordKey, now: Timestamp) -> Option<&mut Row> {
        self.rows.get_mut(&key.public_id()).filter(|row| row.hash == *key.hash() && row.is_living(now))
    }

    fn has_tombstone(&self, hash: &Hash, now: Timestamp) -> bool {
        self.tombstones.get(hash).is_some_and(|end| *end > now)
    }

    fn ends(&mut self, owned: bool) -> &mut BTreeSet<(Timestamp, PublicId)> {
        if owned { &mut self.owned } else { &mut self.ownerless }
    }
}

fn row_bytes(record: &Record) -> usize {
    let owner = record.owner.as_ref().map_or(0, String::len);
    ROW_BYTES + owner + record.device.len() + record.sealed.len()
}
