//! Cases for expiry.

use std::time::Duration;

use super::arena::Arena;
use super::sample::{
    ABSOLUTE, IDLE, NOW, TOMBSTONE_END, assert_gone, assert_listed, at, before, changed, confirmed, create,
    load, record, record_of, renew, renewed,
};
use crate::record::{Creation, Lifespan, Record, Swap};
use crate::{Promise, SessionStore, Timestamp};

pub(super) async fn a_record_is_there_up_to_its_last_millisecond<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let record = record_of("albus");
    let end = record.life.expires;
    let id = create(store, &record).await;
    for store in [store, other] {
        assert_eq!(load(store, &id.key(), before(end)).await.as_ref(), Some(&record));
        assert_eq!(store.revalidate(&id.key(), before(end)).await.expect("revalidate"), confirmed(&record));
        assert_listed(store, "albus", [&id], before(end)).await;

        assert_gone(store, &id.key(), &record, end).await;
        assert_listed(store, "albus", [], end).await;
        if store.makes(Promise::Keys) {
            let others = store.sealed_otherwise([1; 4], None, 10, end).await.expect("sealed otherwise");
            assert_eq!(others.items, []);
        }
    }
    // Decided by the given time, not by a time that the store remembers.
    assert!(store.touch(&id.key(), end, before(end)).await.expect("touch"));
}

pub(super) async fn a_touch_keeps_a_record_alive<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let record = record();
    let id = create(store, &record).await;
    let mut now = NOW;
    for _ in 0..3 {
        now = before(now.after(IDLE));
        assert!(store.touch(&id.key(), now.after(IDLE), now).await.expect("touch"));
    }
    assert!(load(store, &id.key(), before(now.after(IDLE))).await.is_some());
    assert!(!store.touch(&id.key(), Timestamp::MAX, now.after(IDLE)).await.expect("touch"));
    assert_eq!(load(store, &id.key(), now.after(IDLE)).await, None);
}

pub(super) async fn an_update_may_shorten_a_life<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let record = record();
    let id = create(store, &record).await;
    let short = Record { life: Lifespan::new(NOW, at(1), at(10), at(20)), ..changed(&record) };
    assert_eq!(store.update(&id.key(), &record.revision, &short, at(1)).await.expect("update"), Swap::Done);
    assert!(load(store, &id.key(), before(at(10))).await.is_some());
    assert_eq!(load(store, &id.key(), at(10)).await, None);
}

pub(super) async fn an_expired_record_makes_way_for_a_new_one<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let old = record_of("albus");
    let id = create(store, &old).await;
    let end = old.life.expires;
    let life = Lifespan::new(end, end, end.after(IDLE), end.after(ABSOLUTE));
    let new = Record { life, owner: None, ..changed(&old) };
    assert_eq!(store.create(&id.key(), &new, end).await.expect("create"), Creation::Created);
    assert_eq!(load(store, &id.key(), end).await, Some(new));
    assert_listed(store, "albus", [], end).await;
}

pub(super) async fn purging_frees_what_expired_and_nothing_else<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let mut living = Vec::new();
    let long = Lifespan::new(NOW, NOW, NOW.after(ABSOLUTE), NOW.after(ABSOLUTE));
    for n in 0..20 {
        let owner = (n % 3 == 0).then(|| "albus".to_owned());
        let record = Record { owner, life: long, ..record() };
        let dying = Record { life: Lifespan::new(NOW, NOW, at(10), at(10)), ..record.clone() };
        create(store, &dying).await;
        living.push((create(store, &record).await, record));
    }
    let record = Record { life: long, ..record() };
    let id = create(store, &record).await;
    let record = changed(&record);
    let there = load(store, &id.key(), NOW).await.expect("it was just made");
    let new = renewed(&id);
    assert_eq!(renew(store, &id, &new, &there, &record).await, Swap::Done);
    living.push((new, record));

    let mut purged = 0;
    // What expired within the last hour may stay.
    let now = TOMBSTONE_END.after(Duration::from_secs(60 * 60));
    loop {
        let batch = other.purge(now, 4).await.expect("purge");
        assert!(batch <= 4, "{batch} of 4");
        purged += batch;
        if batch < 4 {
            break;
        }
    }
    // A store that expires records by itself has nothing left to purge.
    assert!(purged == 21 || purged == 0, "{purged} of 20 records and 1 tombstone");
    assert_eq!(store.purge(now, 4).await.expect("purge"), 0);
    for (id, record) in &living {
        assert_eq!(load(store, &id.key(), now).await.as_ref(), Some(record));
    }
    let owned = living.iter().filter(|(_, record)| record.owner.is_some()).map(|(id, _)| id);
    assert_listed(store, "albus", owned, now).await;
}
