//! Sample sessions for the cases.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::record::{Creation, Found, Lifespan, Listed, Record, RecordHead, Swap};
use crate::{Promise, RecordKey, Revision, SessionId, SessionStore, Timestamp};

/// The time at which every case begins: in 2026, with milliseconds.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);
pub(super) const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// The time `seconds` after [`NOW`].
pub(super) fn at(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

/// The time a millisecond before `moment`.
pub(super) fn before(moment: Timestamp) -> Timestamp {
    Timestamp::from_millis(moment.as_millis() - 1)
}

pub(super) fn new_id() -> SessionId {
    SessionId::generate().expect("the system has randomness")
}

pub(super) fn renewed(id: &SessionId) -> SessionId {
    id.renewed().expect("the system has randomness")
}

pub(super) fn next(revision: &Revision) -> Revision {
    revision.next().expect("the system has randomness")
}

/// A record without an owner.
pub(super) fn record() -> Record {
    Record {
        revision: Revision::first().expect("the system has randomness"),
        kid: [0xff, 0, 0x80, 1],
        life: Lifespan::new(NOW, NOW, NOW.after(IDLE), NOW.after(ABSOLUTE)),
        owner: None,
        device: "Firefox on Linux".to_owned(),
        sealed: (0..=255).collect(),
    }
}

pub(super) fn record_of(owner: &str) -> Record {
    Record { owner: Some(owner.to_owned()), ..record() }
}

/// The next version of `record`, with another revision and other sealed bytes.
pub(super) fn changed(record: &Record) -> Record {
    let revision = next(&record.revision);
    Record { revision, sealed: revision.as_bytes().to_vec(), ..record.clone() }
}

/// The time at which the tombstone of a renewal expires.
pub(super) const TOMBSTONE_END: Timestamp = Timestamp::from_millis(NOW.as_millis() + 60_000);

/// Renews `record` from `old` to `new`, in its next version.
pub(super) async fn renew<S: SessionStore>(
    store: &S,
    old: &SessionId,
    new: &SessionId,
    record: &Record,
    after: &Record,
) -> Swap {
    let (old, new) = (old.key(), new.key());
    store.renew(&old, &record.revision, &new, after, TOMBSTONE_END, NOW).await.expect("renew")
}

/// Creates `record` under a new id.
pub(super) async fn create<S: SessionStore>(store: &S, record: &Record) -> SessionId {
    let id = new_id();
    let creation = store.create(&id.key(), record, NOW).await.expect("create");
    assert_eq!(creation, Creation::Created, "a new session");
    id
}

/// The living record under a key.
pub(super) async fn load<S: SessionStore>(store: &S, key: &RecordKey, now: Timestamp) -> Option<Record> {
    match store.load(key, now).await.expect("load") {
        Some(Found::Living(record)) => Some(record),
        Some(Found::Renewed) | None => None,
    }
}

/// Asserts that every method treats the record under a key as absent, and that no method but `create` brings it back.
pub(super) async fn assert_gone<S: SessionStore>(store: &S, key: &RecordKey, last: &Record, now: Timestamp) {
    assert_eq!(store.load(key, now).await.expect("load"), None, "load");
    assert_eq!(store.revalidate(key, now).await.expect("revalidate"), None, "revalidate");
    assert!(!store.touch(key, Timestamp::MAX, now).await.expect("touch"), "touch");
    let swap = store.update(key, &last.revision, &changed(last), now).await.expect("update");
    assert_eq!(swap, Swap::Gone, "update");
    let new = RecordKey::new(key.public_id(), *new_id().key().hash());
    let swap =
        store.renew(key, &last.revision, &new, &changed(last), Timestamp::MAX, now).await.expect("renew");
    assert_eq!(swap, Swap::Gone, "renew");
    assert_eq!(store.load(&new, now).await.expect("load"), None, "load at a new id that was refused");
    let rewrapped = store.rewrap(key, &last.revision, [9; 4], b"x", now).await.expect("rewrap");
    assert!(!rewrapped, "rewrap");
    assert!(!store.delete(key, now).await.expect("delete"), "delete");
    if let Some(owner) = &last.owner {
        assert_eq!(store.owned(owner, key.public_id(), now).await.expect("owned"), None, "owned");
        assert!(!store.end(owner, key.public_id(), now).await.expect("end"), "end");
    }
    assert_eq!(store.load(key, now).await.expect("load"), None, "load afterwards");
}

/// The expected answer to a revalidation of `record`.
pub(super) fn confirmed(record: &Record) -> Option<Found<RecordHead>> {
    let Record { revision, life, ref owner, .. } = *record;
    Some(Found::Living(RecordHead { revision, life, owner: owner.clone() }))
}

/// Collects all pages of a list.
pub(super) async fn list<S: SessionStore>(
    store: &S,
    owner: &str,
    limit: usize,
    now: Timestamp,
) -> Vec<Listed> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(owner, after.as_ref(), limit, now).await.expect("list");
        assert!(page.items.len() <= 2 * limit.max(50), "a page has about as many as asked for");
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// Asserts that the owner's list has these sessions and no others, if the store promises lists.
pub(super) async fn assert_listed<'a, S: SessionStore>(
    store: &S,
    owner: &str,
    ids: impl IntoIterator<Item = &'a SessionId>,
    now: Timestamp,
) {
    if store.makes(Promise::Lists) {
        let listed = list(store, owner, 100, now).await;
        let listed: BTreeSet<_> = listed.into_iter().map(|listed| listed.public_id).collect();
        let expected: BTreeSet<_> = ids.into_iter().map(SessionId::public_id).collect();
        assert_eq!(listed, expected, "the list of {owner:?}");
    }
}
