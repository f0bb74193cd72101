//! Cases for rewrapping with another key.

use std::collections::BTreeSet;

use super::arena::Arena;
use super::sample::{NOW, changed, create, load, record, record_of, renewed};
use crate::record::{Record, Swap};
use crate::{RecordKey, SessionStore};

pub(super) async fn a_rewrapped_record_keeps_all_but_its_seal<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let record = record_of("albus");
    let id = create(store, &record).await;
    let rewrapped = Record { kid: [3; 4], sealed: b"the same under another key".to_vec(), ..record.clone() };
    let done = store.rewrap(&id.key(), &record.revision, rewrapped.kid, &rewrapped.sealed, NOW).await;
    assert!(done.expect("rewrap"));
    assert_eq!(load(other, &id.key(), NOW).await.as_ref(), Some(&rewrapped));
    let swap = other.update(&id.key(), &record.revision, &changed(&record), NOW).await.expect("update");
    assert_eq!(swap, Swap::Done, "no conflict for whoever had loaded it before");
}

pub(super) async fn a_record_that_moved_on_is_not_rewrapped<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let record = record();
    let id = create(store, &record).await;
    let after = changed(&record);
    assert_eq!(store.update(&id.key(), &record.revision, &after, NOW).await.expect("update"), Swap::Done);
    assert!(!store.rewrap(&id.key(), &record.revision, [3; 4], b"older", NOW).await.expect("rewrap"));
    let made_up = renewed(&id).key();
    assert!(!store.rewrap(&made_up, &after.revision, [3; 4], b"forged", NOW).await.expect("rewrap"));
    assert_eq!(load(store, &id.key(), NOW).await, Some(after));
}

pub(super) async fn a_walk_finds_every_record_of_another_key<S: SessionStore>(arena: Arena<S>) {
    const OLD: [u8; 4] = [0xff, 0xff, 0xff, 0xff];
    const OLDER: [u8; 4] = [0, 0, 0, 0];
    const NEW: [u8; 4] = [0x80, 0, 0, 1];
    let [store, other] = arena.both();
    let mut expected = BTreeSet::new();
    for n in 0..600 {
        let kid = [OLD, NEW, OLDER][n % 3];
        let key = create(store, &Record { kid, ..record() }).await.key();
        if kid != NEW {
            expected.insert(key);
        }
    }
    let ended = create(store, &Record { kid: OLD, ..record_of("albus") }).await;
    store.end_all("albus", None, NOW).await.expect("end all");

    let mut found = BTreeSet::new();
    for (key, record) in walk(other, NEW, 64).await {
        assert_eq!(load(store, &key, NOW).await.as_ref(), Some(&record), "as it is");
        let done = store.rewrap(&key, &record.revision, NEW, b"rewrapped", NOW).await;
        assert!(done.expect("rewrap") || found.contains(&key));
        found.insert(key);
    }
    assert!(!found.contains(&ended.key()), "what was ended is not rewrapped");
    assert_eq!(found, expected);
    assert_eq!(walk(other, NEW, 64).await, []);
    assert_eq!(walk(other, OLD, 7).await.len(), 600);
}

async fn walk<S: SessionStore>(store: &S, kid: [u8; 4], limit: usize) -> Vec<(RecordKey, Record)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.sealed_otherwise(kid, after.as_ref(), limit, NOW).await.expect("sealed otherwise");
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    // The walk may meet a record twice.
    all.sort_by_key(|(key, _)| *key);
    all.dedup();
    all
}
