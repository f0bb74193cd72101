//! The store's last answers to this process, so that it need not ask again within the freshness lifetime.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use waxseal_store::{PublicId, RecordKey, Revision, Timestamp};

use super::freshness::Freshness;

/// A power of two, so that the first byte of the public session id spreads sessions evenly.
const SHARDS: usize = 64;
/// Copies may be sealed by clocks that are up to this much ahead of this one (the format's section "Open", step 8).
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// The largest number of owners whose ended sessions are remembered.
const MAX_OWNERS: usize = 10_000;

/// The last revalidation of each session by this process. Entries only move forward. A forgotten entry costs one more
/// revalidation.
pub(crate) struct NearCache {
    shards: Box<[Mutex<HashMap<PublicId, Entry>>]>,
    shard_entries: usize,
    /// How long an entry can be of use: afterwards, no copy of an ended session could pass for fresh.
    keep: Duration,
    /// The owners all of whose sessions this process ended, with the times at which it did.
    owners: Mutex<HashMap<String, Timestamp>>,
    owners_ended: AtomicUsize,
    /// The latest time at which this process asked the store.
    latest: AtomicU64,
    /// When entries about ended sessions were last forgotten. For as long as one of them would have been of use, no copy
    /// is trusted by its own time. And answers to questions from before make nothing known: the store may have been asked
    /// about a session before its forgotten end.
    forgot: AtomicU64,
    freshness: Freshness,
}

/// A session by its public session id, with its last known id.
#[derive(Clone, Copy)]
struct Entry {
    key: RecordKey,
    revision: Revision,
    /// When the revision was revalidated, or the end was noticed.
    at: Timestamp,
    status: Status,
    /// This process knows of another id of the session that is over, and only this entry says so. For an entry with
    /// status `Ended`: the session continues under another id.
    renewed: bool,
}

/// In rising order: each status takes precedence over those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Status {
    Living,
    /// The session was signed out by this id, and there was nothing to end. The id is old, or no session ever had it.
    Left,
    /// The session was signed out by this id, with an unknown outcome.
    Doubted,
    /// No session has this id. The session may live on under another id.
    IdGone,
    /// The session ended under all of its ids. This is final, because no public session id is used twice.
    Ended,
}

/// The cache's verdict on a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The cache knows nothing against the copy. `near` is the time at which this process revalidated exactly this
    /// revision, if it did. `copy` says whether the time of the copy's own revalidation counts, too.
    Good { near: Option<Timestamp>, copy: bool },
    /// A newer revision is known, or the owner's sessions were ended. Only the store can decide.
    MustRevalidate,
    /// The session is over, or no longer has this id.
    Gone,
}

/// What the cache knows about a session, regardless of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The session was alive under this id at that time.
    Living(Timestamp),
    /// The session ended under all of its ids.
    Ended,
    /// Only the store knows.
    Unknown,
}

impl NearCache {
    pub(crate) fn new(entries: usize, freshness: Freshness) -> Self {
        // With few entries, many shards would hold more than the requested number.
        let shards = if entries < SHARDS { 1 } else { SHARDS };
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            shard_entries: entries.div_ceil(shards),
            keep: freshness.lifetime.max(freshness.grace) + CLOCKS_APART,
            owners: Mutex::default(),
            owners_ended: AtomicUsize::new(0),
            latest: AtomicU64::new(0),
            forgot: AtomicU64::new(0),
            freshness,
        }
    }

    /// How long a copy may be shown.
    pub(crate) fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Judges a copy of this revision, which was revalidated at `sealed` by the clock of its sealer. `key` is called
    /// only if the session is known, and `owner` only if this process has ended all sessions of some owner.
    pub(crate) fn look(
        &self,
        public_id: PublicId,
        key: impl Fn() -> RecordKey,
        revision: &Revision,
        owner: impl FnOnce() -> Option<String>,
        sealed: Timestamp,
        now: Timestamp,
    ) -> Seen {
        let entry = self.shard(public_id).get(&public_id).copied();
        let near = match entry.map(|entry| entry.judge(key, revision)) {
            None => None,
            Some(Seen::Good { near, .. }) => near,
            Some(against) => return against,
        };
        let copy = !self.is_distrusting(now);
        let (near, copy) = match self.owner_ended(owner) {
            // A revalidation after the end counts, whichever clock it was measured by.
            Some(ended) if near.is_none_or(|at| at <= ended) => {
                (None, copy && sealed > ended.after(CLOCKS_APART))
            }
            _ => (near, copy),
        };
        if near.is_some() || copy { Seen::Good { near, copy } } else { Seen::MustRevalidate }
    }

    /// What is known about the session of `owner` under `key`, in any revision.
    pub(crate) fn standing(&self, key: &RecordKey, owner: Option<&str>) -> Standing {
        let Some(entry) = self.shard(key.public_id()).get(&key.public_id()).copied() else {
            return Standing::Unknown;
        };
        match entry.status {
            Status::Ended => Standing::Ended,
            Status::Living if entry.key == *key => match self.owner_ended(|| owner.map(str::to_owned)) {
                Some(ended) if entry.at <= ended => Standing::Unknown,
                _ => Standing::Living(entry.at),
            },
            _ => Standing::Unknown,
        }
    }

    /// Notes that the store is about to be asked.
    pub(crate) fn asking(&self, at: Timestamp) {
        self.latest.fetch_max(at.as_millis(), Ordering::AcqRel);
    }

    /// Notes a revalidation: `revision` lived under `key` at `at`.
    pub(crate) fn confirmed(&self, key: &RecordKey, revision: &Revision, at: Timestamp) {
        let entry = Entry { key: *key, revision: *revision, at, status: Status::Living, renewed: false };
        let mut shard = self.shard(key.public_id());
        match shard.get_mut(&key.public_id()) {
            Some(known) => known.advance(entry, self.keep),
            None if at <= self.forgot() => {}
            None => {
                self.make_room(&mut shard, at);
                shard.insert(key.public_id(), entry);
            }
        }
    }

    /// Notes that no session is alive under `key`, the id in a token of `revision`.
    pub(crate) fn gone(&self, key: &RecordKey, revision: &Revision, at: Timestamp) {
        self.note_later(key, revision, at, Status::IdGone);
        self.note(key, *revision, at, Status::IdGone);
    }

    /// Notes that the session was signed out by the id of `key` with a copy of `revision`, and that there was nothing
    /// to end. Copies with this id must be revalidated.
    pub(crate) fn left(&self, key: &RecordKey, revision: &Revision, at: Timestamp) {
        self.note_later(key, revision, at, Status::Left);
        self.note(key, *revision, at, Status::Left);
    }

    /// Notes that the session was signed out by the id of `key` with a copy of `revision`, with an unknown outcome.
    pub(crate) fn doubted(&self, key: &RecordKey, revision: &Revision, at: Timestamp) {
        self.note_later(key, revision, at, Status::Doubted);
        self.note(key, Revision::UNKNOWN, at, Status::Doubted);
    }

    /// Notes a status for an id that is later than the known one, if a copy of `revision` shows that it is later.
    fn note_later(&self, key: &RecordKey, revision: &Revision, at: Timestamp, status: Status) {
        if let Some(known) = self.shard(key.public_id()).get_mut(&key.public_id()) {
            known.pass_on(key, revision, at, status);
        }
    }

    /// Notes a status. `revision` is used only if the session is not known yet.
    fn note(&self, key: &RecordKey, revision: Revision, at: Timestamp, status: Status) {
        let mut shard = self.shard(key.public_id());
        match shard.get_mut(&key.public_id()) {
            None => {
                self.make_room(&mut shard, at);
                shard.insert(key.public_id(), Entry { key: *key, revision, at, status, renewed: false });
            }
            Some(known) if known.key == *key && known.status < status => {
                (known.status, known.at) = (status, known.at.max(at));
            }
            // It is an older id, or one of unknown age. This entry alone keeps its copies from passing for fresh.
            Some(known) if known.key != *key && known.status != Status::Ended => known.renewed = true,
            Some(_) => {}
        }
    }

    /// Notes that the session was ended, whatever its id is.
    pub(crate) fn ended(&self, public_id: PublicId, at: Timestamp) {
        self.over(public_id, at, false);
    }

    /// The key of a session that is alive as far as this process knows.
    pub(crate) fn living_key(&self, public_id: PublicId) -> Option<RecordKey> {
        let known = self.shard(public_id).get(&public_id).copied()?;
        (known.status == Status::Living).then_some(known.key)
    }

    /// Notes that the session may have been ended, whatever its id is. Its copies must be revalidated.
    pub(crate) fn maybe_ended(&self, public_id: PublicId, at: Timestamp) {
        let mut shard = self.shard(public_id);
        match shard.get_mut(&public_id) {
            None => {
                self.make_room(&mut shard, at);
                let (key, revision) = Entry::unmet(public_id);
                let status = Status::Doubted;
                shard.insert(public_id, Entry { key, revision, at, status, renewed: false });
            }
            Some(known) if known.status < Status::Doubted => {
                (known.status, known.at) = (Status::Doubted, known.at.max(at));
            }
            Some(_) => {}
        }
    }

    /// Notes that the session got another id with another public session id at this time, as in state `cookie`.
    pub(crate) fn renewed(&self, public_id: PublicId, at: Timestamp) {
        self.over(public_id, at, true);
    }

    /// The time at which the session [got another id](Self::renewed).
    pub(crate) fn renewed_at(&self, public_id: PublicId) -> Option<Timestamp> {
        let entry = self.shard(public_id).get(&public_id).copied()?;
        (entry.status == Status::Ended && entry.renewed).then_some(entry.at)
    }

    fn over(&self, public_id: PublicId, at: Timestamp, renewed: bool) {
        let mut shard = self.shard(public_id);
        if !shard.contains_key(&public_id) {
            self.make_room(&mut shard, at);
        }
        let (key, revision) = Entry::unmet(public_id);
        shard.insert(public_id, Entry { key, revision, at, status: Status::Ended, renewed });
    }

    /// Notes that all sessions of `owner` were ended by a call at the time `at`, which has just been answered.
    /// Questions that were sent before this answer no longer count, even if they were sent after the call.
    pub(crate) fn owner_ended_at(&self, owner: &str, at: Timestamp) {
        let at = at.max(self.latest());
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|_, ended| at.is_within(self.keep, *ended));
        if owners.len() >= MAX_OWNERS {
            owners.clear();
            self.note_forgotten(at);
            for shard in &self.shards {
                let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                shard.retain(|_, entry| entry.status != Status::Living);
            }
        }
        owners.insert(owner.to_owned(), at);
        self.owners_ended.store(owners.len(), Ordering::Release);
    }

    fn owner_ended(&self, owner: impl FnOnce() -> Option<String>) -> Option<Timestamp> {
        if self.owners_ended.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(&owner()?).copied()
    }

    fn is_distrusting(&self, now: Timestamp) -> bool {
        now < self.forgot().after(self.keep)
    }

    /// Notes that entries about ended sessions are forgotten at this time.
    fn note_forgotten(&self, at: Timestamp) {
        self.forgot.fetch_max(at.max(self.latest()).as_millis(), Ordering::AcqRel);
    }

    fn forgot(&self) -> Timestamp {
        Timestamp::from_millis(self.forgot.load(Ordering::Acquire))
    }

    fn latest(&self) -> Timestamp {
        Timestamp::from_millis(self.latest.load(Ordering::Acquire))
    }

    /// Forgets entries that are no longer of use, and frees their memory. Without this, the cache would reach its
    /// largest size once that many sessions were seen, even if they ended long ago.
    pub(crate) fn forget_useless(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            self.keep_useful(&mut shard, now);
            shard.shrink_to_fit();
        }
    }

    fn keep_useful(&self, shard: &mut HashMap<PublicId, Entry>, now: Timestamp) {
        // If a slow request noted the entry, the entry may be later than `now`; it is not older because of that.
        shard.retain(|_, entry| now.is_within(self.keep, entry.at.min(now)));
    }

    /// Forgets entries that are no longer of use. If that is not enough, forgets any entries.
    fn make_room(&self, shard: &mut HashMap<PublicId, Entry>, now: Timestamp) {
        if shard.len() < self.shard_entries {
            return;
        }
        self.keep_useful(shard, now);
        while shard.len() >= self.shard_entries {
            let victim = shard.iter().find(|(_, entry)| !entry.speaks_against()).or(shard.iter().next());
            let Some((&public_id, &entry)) = victim else { return };
            shard.remove(&public_id);
            if entry.speaks_against() {
                self.note_forgotten(entry.at.max(now));
            }
        }
    }

    fn shard(&self, public_id: PublicId) -> MutexGuard<'_, HashMap<PublicId, Entry>> {
        let [first, ..] = *public_id.as_bytes();
        self.shards[usize::from(first) & (self.shards.len() - 1)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// A key and a revision for a session of which only the public session id is known.
    fn unmet(public_id: PublicId) -> (RecordKey, Revision) {
        (RecordKey::new(public_id, [0; RecordKey::HASH_BYTES]), Revision::UNKNOWN)
    }

    /// Checks whether the entry keeps an invalid copy from passing for fresh. (A copy that is only older than another
    /// one could pass, too, but no longer than in any other process.)
    fn speaks_against(&self) -> bool {
        self.status != Status::Living || self.renewed
    }

    /// Checks whether this process knows a revision of the session, not only that an id is gone.
    fn was_met(&self) -> bool {
        self.revision.counter() > 0
    }

    fn judge(&self, key: impl Fn() -> RecordKey, revision: &Revision) -> Seen {
        match self.status {
            Status::Ended => Seen::Gone,
            // A revision is drawn for one id only, so the usual case computes no hash.
            Status::Living if self.revision == *revision => Seen::Good { near: Some(self.at), copy: true },
            Status::IdGone if self.key == key() => Seen::Gone,
            // The session was signed out with an unknown outcome, so it may be alive under another id.
            Status::Doubted => Seen::MustRevalidate,
            Status::Left if self.key == key() => Seen::MustRevalidate,
            // The copy is newer than what this process has seen. Counters go on after a renewal, so if the copy has
            // another id, that id is later.
            _ if self.was_met() && revision.counter() > self.revision.counter() => {
                Seen::Good { near: None, copy: true }
            }
            // The copy is older, is another version with the same counter, or has an id of unknown age.
            Status::IdGone | Status::Living | Status::Left => Seen::MustRevalidate,
        }
    }

    /// Moves on to a later id of the session. A doubt stays, whatever the id. An id of which no revision was seen
    /// cannot be compared, so nothing is known to be later.
    fn pass_on(&mut self, key: &RecordKey, revision: &Revision, at: Timestamp, status: Status) {
        let is_later = self.was_met() && self.key != *key && revision.counter() > self.revision.counter();
        if is_later && matches!(self.status, Status::Living | Status::Left | Status::IdGone) {
            let at = self.at.max(at);
            *self = Self { key: *key, revision: *revision, at, status, renewed: true };
        }
    }

    fn advance(&mut self, next: Self, keep: Duration) {
        let is_newer = next.revision.counter() > self.revision.counter();
        let is_newer_id = is_newer && self.key != next.key;
        // An entry that is too old to be of use is replaced, because the store may have been restored from a backup.
        let is_outdated = !next.at.is_within(keep, self.at.min(next.at));
        let forward = match self.status {
            Status::Living => is_newer || is_outdated,
            Status::Left | Status::Doubted => is_newer_id || is_outdated,
            Status::IdGone => is_newer_id,
            Status::Ended => false,
        };
        if forward {
            *self = Self { renewed: self.renewed || self.key != next.key, ..next };
        } else if self.status == Status::Living && self.key == next.key && self.revision == next.revision {
            self.at = self.at.max(next.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxseal_store::SessionId;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    #[test]
    fn the_standing_of_an_id_is_what_was_last_heard_of_it() {
        let near = NearCache::new(1_000, Freshness::default());
        let (id, other) = (SessionId::generate().unwrap(), SessionId::generate().unwrap());
        let standing = |near: &NearCache| near.standing(&id.key(), Some("albus"));
        assert_eq!(standing(&near), Standing::Unknown);
        near.confirmed(&id.key(), &revision(1), at(1));
        near.confirmed(&id.key(), &revision(2), at(2));
        assert_eq!(standing(&near), Standing::Living(at(2)), "of whatever revision");
        let squatter = RecordKey::new(id.public_id(), [7; 32]);
        assert_eq!(near.standing(&squatter, Some("albus")), Standing::Unknown, "another's hash");
        near.owner_ended_at("albus", at(3));
        assert_eq!(standing(&near), Standing::Unknown, "confirmed before the end of all");
        assert_eq!(near.standing(&id.key(), Some("severus")), Standing::Living(at(2)));
        near.confirmed(&id.key(), &revision(2), at(4));
        assert_eq!(standing(&near), Standing::Living(at(4)), "begun after it");
        near.gone(&id.key(), &Revision::UNKNOWN, at(5));
        assert_eq!(standing(&near), Standing::Unknown, "it may live under another id");
        near.ended(id.public_id(), at(6));
        assert_eq!(standing(&near), Standing::Ended);
        assert_eq!(near.standing(&other.key(), None), Standing::Unknown);
    }

    const NOTHING: Seen = Seen::Good { near: None, copy: true };

    fn confirmed(seconds: u64) -> Seen {
        Seen::Good { near: Some(at(seconds)), copy: true }
    }

    fn at(seconds: u64) -> Timestamp {
        NOW.after(Duration::from_secs(seconds))
    }

    fn revision(counter: u64) -> Revision {
        let mut bytes = [0; Revision::BYTES];
        bytes[..8].copy_from_slice(&counter.to_be_bytes());
        Revision::from_bytes(bytes)
    }

    fn look(cache: &NearCache, key: &RecordKey, counter: u64, owner: &str, now: Timestamp) -> Seen {
        look_sealed(cache, key, counter, owner, Timestamp::from_millis(0), now)
    }

    fn look_sealed(
        cache: &NearCache,
        key: &RecordKey,
        counter: u64,
        owner: &str,
        sealed: Timestamp,
        now: Timestamp,
    ) -> Seen {
        cache.look(key.public_id(), || *key, &revision(counter), || Some(owner.to_owned()), sealed, now)
    }

    /// Another session of the same shard.
    fn neighbour(key: &RecordKey) -> RecordKey {
        let shard = |key: &RecordKey| usize::from(key.public_id().as_bytes()[0]) % SHARDS;
        let mut others = std::iter::repeat_with(|| SessionId::generate().unwrap().key());
        others.find(|other| shard(other) == shard(key)).expect("it goes on for ever")
    }

    fn cache(entries: usize) -> NearCache {
        NearCache::new(entries, Freshness::default())
    }

    #[test]
    fn it_moves_forward_only() {
        let (cache, key) = (cache(1_000), SessionId::generate().unwrap().key());
        assert_eq!(look(&cache, &key, 3, "", NOW), NOTHING);
        cache.confirmed(&key, &revision(3), at(1));
        cache.confirmed(&key, &revision(2), at(2));
        cache.confirmed(&key, &revision(3), at(0));
        assert_eq!(look(&cache, &key, 3, "", at(2)), confirmed(1));
        assert_eq!(look(&cache, &key, 2, "", at(2)), Seen::MustRevalidate);
        assert_eq!(look(&cache, &key, 4, "", at(2)), NOTHING);
        cache.gone(&key, &Revision::UNKNOWN, at(3));
        cache.confirmed(&key, &revision(9), at(4));
        assert_eq!(look(&cache, &key, 9, "", at(4)), Seen::Gone);
    }

    #[test]
    fn an_id_that_is_gone_says_nothing_of_the_sessions_next_one() {
        let cache = cache(1_000);
        let old = SessionId::generate().unwrap();
        let (old, new) = (old.key(), old.renewed().unwrap().key());
        cache.gone(&old, &Revision::UNKNOWN, NOW);
        assert_eq!(look(&cache, &new, 2, "", NOW), Seen::MustRevalidate);
        cache.confirmed(&new, &revision(2), at(1));
        cache.gone(&old, &Revision::UNKNOWN, at(2));
        assert_eq!(look(&cache, &new, 2, "", at(2)), confirmed(1));
        assert_eq!(look(&cache, &old, 1, "", at(2)), Seen::MustRevalidate);
        cache.ended(new.public_id(), at(3));
        cache.confirmed(&new, &revision(5), at(4));
        for key in [old, new] {
            assert_eq!(look(&cache, &key, 5, "", at(4)), Seen::Gone);
        }
    }

    #[test]
    fn a_later_id_that_is_gone_is_refused_beside_what_is_known_of_an_older_one() {
        let id = SessionId::generate().unwrap();
        let (old, new) = (id.key(), id.renewed().unwrap().key());
        for (case, status) in [("living", Status::Living), ("left", Status::Left), ("gone", Status::IdGone)] {
            let cache = cache(1_000);
            cache.confirmed(&old, &revision(1), NOW);
            match status {
                Status::Left => cache.left(&old, &revision(1), at(1)),
                Status::IdGone => cache.gone(&old, &Revision::UNKNOWN, at(1)),
                _ => {}
            }
            cache.gone(&new, &revision(2), at(2));
            assert_eq!(look(&cache, &new, 2, "", at(2)), Seen::Gone, "{case}");
            assert_eq!(look(&cache, &old, 1, "", at(2)), Seen::MustRevalidate, "{case}");
        }
        let cache = cache(1_000);
        cache.confirmed(&new, &revision(2), NOW);
        cache.gone(&old, &revision(1), at(1));
        assert_eq!(look(&cache, &new, 2, "", at(1)), confirmed(0), "an older id says nothing of it");
        cache.doubted(&new, &revision(2), at(2));
        let third = id.renewed().unwrap().key();
        cache.gone(&third, &revision(3), at(3));
        assert_eq!(look(&cache, &third, 3, "", at(3)), Seen::MustRevalidate, "a doubt stays");
    }

    #[test]
    fn an_older_id_that_is_gone_does_not_make_it_forget_a_later_one() {
        let id = SessionId::generate().unwrap();
        let (old, new, newest) = (id.key(), id.renewed().unwrap().key(), id.renewed().unwrap().key());
        type Notes = fn(&NearCache, &RecordKey);
        let notes: [(&str, Notes, Seen); 2] = [
            ("a copy of it came", |cache, key| cache.gone(key, &revision(5), at(1)), NOTHING),
            (
                "nobody said how old it is",
                |cache, key| cache.gone(key, &Revision::UNKNOWN, at(1)),
                Seen::MustRevalidate,
            ),
        ];
        for (case, gone, beyond) in notes {
            let cache = cache(1_000);
            gone(&cache, &new);
            cache.gone(&old, &revision(4), at(2));
            assert_eq!(look(&cache, &new, 5, "", at(2)), Seen::Gone, "{case}");
            assert_eq!(look(&cache, &old, 4, "", at(2)), Seen::MustRevalidate, "{case}");
            assert_eq!(look(&cache, &newest, 6, "", at(2)), beyond, "{case}");
        }
    }

    #[test]
    fn a_sign_out_by_a_later_id_than_the_known_one_is_remembered() {
        let signs_out: [fn(&NearCache, &RecordKey); 2] = [
            |cache, key| cache.left(key, &revision(2), at(1)),
            |cache, key| cache.doubted(key, &revision(2), at(1)),
        ];
        for (case, sign_out) in ["there was nothing to end", "nobody knows"].into_iter().zip(signs_out) {
            let (cache, id) = (cache(1_000), SessionId::generate().unwrap());
            let (old, new) = (id.key(), id.renewed().unwrap().key());
            cache.confirmed(&old, &revision(1), NOW);
            assert_eq!(look(&cache, &new, 2, "", at(1)), NOTHING, "renewed elsewhere");
            sign_out(&cache, &new);
            assert_eq!(look(&cache, &new, 2, "", at(1)), Seen::MustRevalidate, "{case}");
            assert_eq!(look(&cache, &old, 1, "", at(1)), Seen::MustRevalidate, "{case}: the id from before");
        }
    }

    #[test]
    fn a_newer_copy_is_good_under_whatever_id_and_an_older_one_is_not() {
        let first = SessionId::generate().unwrap();
        let (second, third) = (first.renewed().unwrap(), first.renewed().unwrap());
        let (first, second, third) = (first.key(), second.key(), third.key());
        for (case, is_gone) in [("a living session", false), ("one whose id is gone", true)] {
            let cache = cache(1_000);
            cache.confirmed(&second, &revision(4), at(1));
            if is_gone {
                cache.gone(&second, &Revision::UNKNOWN, at(2));
            }
            assert_eq!(look(&cache, &third, 5, "", at(2)), NOTHING, "{case}: renewed elsewhere");
            assert_eq!(look(&cache, &first, 3, "", at(2)), Seen::MustRevalidate, "{case}: an id from before");
            let mut other = *revision(4).as_bytes();
            other[15] = 1;
            let twin =
                cache.look(third.public_id(), || third, &Revision::from_bytes(other), || None, at(2), at(2));
            assert_eq!(twin, Seen::MustRevalidate, "{case}: two of one number");
            cache.left(&second, &revision(4), at(3));
            assert_eq!(look(&cache, &third, 5, "", at(3)), NOTHING, "{case}: there was nothing to end");
            if !is_gone {
                assert_eq!(
                    look(&cache, &second, 5, "", at(3)),
                    Seen::MustRevalidate,
                    "{case}: its own copies"
                );
            }
            cache.doubted(&second, &revision(4), at(3));
            if !is_gone {
                assert_eq!(
                    look(&cache, &third, 5, "", at(3)),
                    Seen::MustRevalidate,
                    "{case}: signed out, perhaps there"
                );
            }
            cache.ended(second.public_id(), at(3));
            assert_eq!(look(&cache, &third, 5, "", at(3)), Seen::Gone, "{case}, ended");
        }
    }

    #[test]
    fn a_copy_confirmed_more_than_a_minute_after_an_owners_end_is_good_whatever_the_clock() {
        let (cache, key) = (cache(1_000), SessionId::generate().unwrap().key());
        cache.confirmed(&key, &revision(1), at(1));
        cache.owner_ended_at("albus", at(2));
        for (sealed, counter, seen) in
            [(62, 1, Seen::MustRevalidate), (62, 2, Seen::MustRevalidate), (63, 1, NOTHING), (63, 2, NOTHING)]
        {
            let found = look_sealed(&cache, &key, counter, "albus", at(sealed), at(70));
            assert_eq!(found, seen, "sealed at {sealed}, revision {counter}");
        }
    }

    #[test]
    fn forgetting_that_an_id_is_an_old_one_costs_confirms_and_nothing_else() {
        for is_known in [true, false] {
            let cache = cache(SHARDS);
            let old = SessionId::generate().unwrap();
            let (old, new) = (old.key(), old.renewed().unwrap().key());
            if is_known {
                cache.confirmed(&old, &revision(1), NOW);
            }
            cache.gone(&old, &Revision::UNKNOWN, at(1));
            cache.confirmed(&new, &revision(2), at(1));
            assert_eq!(look(&cache, &new, 2, "", at(1)), confirmed(1));
            cache.confirmed(&neighbour(&old), &revision(1), at(2));
            assert_eq!(look(&cache, &old, 1, "", at(2)), Seen::MustRevalidate);
        }
    }

    #[test]
    fn forgetting_a_later_id_than_one_that_is_gone_costs_confirms_and_nothing_else() {
        let notes: [fn(&NearCache, &RecordKey); 3] = [
            |cache, key| cache.gone(key, &revision(1), at(1)),
            |cache, key| cache.left(key, &revision(1), at(1)),
            |cache, key| cache.doubted(key, &revision(1), at(1)),
        ];
        for (number, note) in notes.iter().enumerate() {
            let cache = cache(SHARDS);
            let old = SessionId::generate().unwrap();
            let (old, new) = (old.key(), old.renewed().unwrap().key());
            cache.confirmed(&new, &revision(2), at(1));
            note(&cache, &old);
            assert_eq!(look(&cache, &new, 2, "", at(1)), confirmed(1), "note {number}");
            cache.confirmed(&neighbour(&old), &revision(1), at(2));
            assert_eq!(look(&cache, &old, 1, "", at(2)), Seen::MustRevalidate, "note {number}");
        }
    }

    #[test]
    fn an_id_in_doubt_stays_so_until_another_is_confirmed_or_its_copies_are_too_old() {
        let cache = cache(1_000);
        let old = SessionId::generate().unwrap();
        let (old, new) = (old.key(), old.renewed().unwrap().key());
        cache.confirmed(&old, &revision(3), NOW);
        cache.doubted(&old, &revision(3), at(1));
        cache.confirmed(&old, &revision(4), at(2));
        assert_eq!(look(&cache, &old, 4, "", at(2)), Seen::MustRevalidate);
        cache.confirmed(&new, &revision(5), at(3));
        assert_eq!(look(&cache, &new, 5, "", at(3)), confirmed(3));
        cache.doubted(&new, &revision(5), at(4));
        cache.confirmed(&old, &revision(3), at(5));
        assert_eq!(look(&cache, &old, 3, "", at(5)), Seen::MustRevalidate, "a late answer of an older id");
        let later = at(4).after(cache.keep);
        cache.confirmed(&new, &revision(5), later);
        assert_eq!(look(&cache, &new, 5, "", later), Seen::Good { near: Some(later), copy: true });
    }

    #[test]
    fn an_id_that_is_gone_says_nothing_of_another_with_the_same_counter() {
        let (cache, id) = (cache(1_000), SessionId::generate().unwrap());
        let (one, other) = (id.key(), id.renewed().unwrap().key());
        cache.confirmed(&one, &revision(1), NOW);
        cache.gone(&other, &revision(1), at(1));
        assert_eq!(look(&cache, &one, 1, "", at(1)), confirmed(0));
    }

    #[test]
    fn what_can_be_asked_again_makes_room_before_an_end() {
        let cache = cache(2 * SHARDS);
        let (ended, stranger) = (SessionId::generate().unwrap().key(), SessionId::generate().unwrap().key());
        let [living, next] = [neighbour(&ended), neighbour(&ended)];
        cache.ended(ended.public_id(), NOW);
        cache.confirmed(&living, &revision(1), NOW);
        cache.confirmed(&next, &revision(1), NOW);
        assert_eq!(look(&cache, &ended, 1, "", NOW), Seen::Gone);
        assert_eq!(look(&cache, &next, 1, "", NOW), confirmed(0));
        assert_eq!(
            look(&cache, &living, 1, "", NOW),
            NOTHING,
            "it was forgotten, and its copies are trusted"
        );
        assert_eq!(look(&cache, &stranger, 1, "", NOW), NOTHING);
    }

    #[test]
    fn an_answer_that_was_long_under_way_makes_it_forget_nothing_newer() {
        let cache = cache(SHARDS);
        let ended = SessionId::generate().unwrap().key();
        let late = neighbour(&ended);
        cache.ended(ended.public_id(), at(2));
        cache.confirmed(&late, &revision(1), at(1));
        assert_eq!(
            look(&cache, &ended, 1, "", at(3)),
            Seen::MustRevalidate,
            "there was no room, and no copy is trusted"
        );
    }

    #[test]
    fn what_is_known_of_an_end_lasts_from_when_it_was_noticed() {
        let cache = cache(SHARDS);
        let gone = SessionId::generate().unwrap().key();
        cache.confirmed(&gone, &revision(1), NOW);
        cache.gone(&gone, &Revision::UNKNOWN, at(300));
        let other = neighbour(&gone);
        cache.confirmed(&other, &revision(1), at(400));
        assert_eq!(
            look(&cache, &gone, 1, "", at(400)),
            Seen::MustRevalidate,
            "it was forgotten, and no copy is trusted"
        );
    }

    #[test]
    fn an_owners_end_puts_earlier_confirms_in_doubt_and_later_ones_not() {
        let (cache, key) = (cache(1_000), SessionId::generate().unwrap().key());
        cache.confirmed(&key, &revision(1), at(1));
        cache.owner_ended_at("albus", at(2));
        assert_eq!(look(&cache, &key, 1, "albus", at(2)), Seen::MustRevalidate);
        assert_eq!(look(&cache, &key, 7, "albus", at(2)), Seen::MustRevalidate);
        assert_eq!(look(&cache, &key, 1, "minerva", at(2)), confirmed(1));
        cache.confirmed(&key, &revision(1), at(3));
        assert_eq!(look(&cache, &key, 1, "albus", at(3)), confirmed(3));
    }

    #[test]
    fn it_holds_no_more_sessions_than_asked_for() {
        let notes: [fn(&NearCache, &RecordKey); 5] = [
            |cache, key| cache.confirmed(key, &revision(1), NOW),
            |cache, key| cache.gone(key, &Revision::UNKNOWN, NOW),
            |cache, key| cache.left(key, &revision(1), NOW),
            |cache, key| cache.doubted(key, &revision(1), NOW),
            |cache, key| cache.ended(key.public_id(), NOW),
        ];
        for (at, note) in notes.iter().enumerate() {
            let cache = cache(SHARDS);
            let first = SessionId::generate().unwrap().key();
            for key in [first, neighbour(&first), neighbour(&first)] {
                note(&cache, &key);
                assert_eq!(cache.shard(key.public_id()).len(), 1, "note {at}");
            }
        }
    }

    #[test]
    fn maintenance_forgets_what_is_of_no_use_and_nothing_else() {
        let cache = cache(1_000);
        let [early, ended, late] = [(); 3].map(|()| SessionId::generate().unwrap().key());
        cache.confirmed(&early, &revision(1), at(0));
        cache.ended(ended.public_id(), at(10));
        cache.confirmed(&late, &revision(1), at(20));
        let keep = cache.keep.as_secs();
        for (seconds, left) in [(keep - 1, 3), (keep + 1, 2), (keep + 11, 1), (keep + 21, 0)] {
            cache.forget_useless(at(seconds));
            let held: usize = cache.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
            assert_eq!(held, left, "after {seconds} s");
            assert_eq!(look(&cache, &ended, 1, "", at(seconds)) == Seen::Gone, left >= 2);
        }
        assert!(!cache.is_distrusting(at(keep)), "no copy has to be revalidated for it");
    }

    #[test]
    fn a_session_that_ends_takes_the_place_it_has() {
        let cache = cache(2 * SHARDS);
        let ended = SessionId::generate().unwrap().key();
        let other = neighbour(&ended);
        for key in [ended, other] {
            cache.confirmed(&key, &revision(1), NOW);
        }
        cache.ended(ended.public_id(), at(1));
        cache.ended(ended.public_id(), at(2));
        assert_eq!(look(&cache, &other, 1, "", at(2)), confirmed(0));
    }

    #[test]
    fn too_many_owners_to_remember_cost_confirms_and_no_end_of_a_session() {
        let cache = cache(1_000);
        let (living, ended) = (SessionId::generate().unwrap().key(), SessionId::generate().unwrap().key());
        cache.confirmed(&living, &revision(1), NOW);
        cache.ended(ended.public_id(), NOW);
        for owner in 0..MAX_OWNERS {
            cache.owner_ended_at(&owner.to_string(), at(1));
        }
        assert_eq!(look(&cache, &living, 1, "another", at(1)), confirmed(0), "all are remembered");
        cache.owner_ended_at("one more", at(1));
        assert_eq!(
            look(&cache, &living, 1, "0", at(1)),
            Seen::MustRevalidate,
            "forgotten, so no copy is trusted"
        );
        assert_eq!(look(&cache, &ended, 1, "another", at(1)), Seen::Gone);
        cache.confirmed(&living, &revision(1), at(1));
        assert_eq!(look(&cache, &living, 1, "0", at(1)), Seen::MustRevalidate, "asked before");
    }

    #[test]
    fn an_answer_from_before_a_forgotten_end_makes_nothing_known() {
        let cache = cache(SHARDS);
        let ended = SessionId::generate().unwrap().key();
        let (other, third) = (neighbour(&ended), neighbour(&ended));
        cache.asking(at(3));
        cache.ended(ended.public_id(), at(2));
        cache.ended(other.public_id(), at(2));
        // The store was asked until second 3, and the answers come now.
        for seconds in [2, 3] {
            cache.confirmed(&ended, &revision(1), at(seconds));
            assert_eq!(look(&cache, &ended, 1, "", at(3)), Seen::MustRevalidate, "asked at {seconds}");
        }
        assert_eq!(look(&cache, &other, 1, "", at(3)), Seen::Gone, "an answer without a place takes none");
        cache.confirmed(&third, &revision(1), at(4));
        let confirmed_here = Seen::Good { near: Some(at(4)), copy: false };
        assert_eq!(look(&cache, &third, 1, "", at(4)), confirmed_here);
    }

    #[test]
    fn forgetting_an_end_costs_confirms_and_nothing_else() {
        let cache = cache(SHARDS);
        let key = SessionId::generate().unwrap().key();
        cache.ended(key.public_id(), NOW);
        let other = neighbour(&key);
        cache.confirmed(&other, &revision(1), at(1));
        let confirmed_here = Seen::Good { near: Some(at(1)), copy: false };
        assert_eq!(
            look(&cache, &key, 1, "", at(1)),
            Seen::MustRevalidate,
            "it was forgotten, and no copy is trusted"
        );
        assert_eq!(look(&cache, &other, 1, "", at(1)), confirmed_here, "what was confirmed here is");
        assert_eq!(look(&cache, &key, 1, "", at(1).after(cache.keep)), NOTHING);
    }
}
