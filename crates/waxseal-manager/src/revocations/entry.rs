//! Entries of the list: records in which nothing is sealed.

use std::time::Duration;

use waxseal_store::{Lifespan, Record, RecordKey, Revision, Timestamp};

/// The time for which an entry outlives its session. Clocks may differ by a minute, both between sealing and ending,
/// and between this process and the store.
pub(crate) const CLOCKS_APART: Duration = Duration::from_secs(120);
/// The revision of an entry which says that an id is over. All such entries are the same.
pub(crate) const ENDED: Revision = Revision::from_bytes([0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);

/// The owner of an id's entry, because a bounded store drops records without one. The name varies, because a store may
/// keep a list for each owner. It has a control character, which no app's owner has.
pub(crate) fn id_owner(key: &RecordKey) -> String {
    let [first, ..] = *key.hash();
    format!("\u{1}revoked {first:02x}")
}

/// The end of an id: until when it is remembered, and if the session had an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdEnd {
    pub(super) until: Timestamp,
    pub(super) is_owned: bool,
}

impl IdEnd {
    /// The owner of the entry. There is none for a session without an owner: strangers can begin and end as many of
    /// these as they like, and must not fill a bounded store with what it never drops.
    pub(super) fn owner(self, key: &RecordKey) -> Option<String> {
        self.is_owned.then(|| id_owner(key))
    }
}

/// An entry that lives until `end`, and at most until `last_end` if it is prolonged. Stores keep it in their lists of
/// owners until then.
pub(crate) fn entry(
    revision: Revision,
    owner: impl Into<Option<String>>,
    now: Timestamp,
    end: Timestamp,
    last_end: Timestamp,
) -> Record {
    Record {
        revision,
        kid: [0; 4],
        life: Lifespan::new(now, now, end, last_end),
        owner: owner.into(),
        device: String::new(),
        sealed: Vec::new(),
    }
}
