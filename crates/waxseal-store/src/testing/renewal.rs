//! Cases for renewal.

use std::time::Duration;

use super::arena::Arena;
use super::sample::{
    NOW, TOMBSTONE_END, assert_gone, assert_listed, at, before, changed, create, load, record, record_of,
    renew, renewed,
};
use crate::SessionStore;
use crate::record::{Creation, Found, Record, Swap};

pub(super) async fn a_tombstone_is_all_that_is_left_under_the_old_id<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let old_record = record();
    let old = create(store, &old_record).await;
    let (new, record) = (renewed(&old), changed(&old_record));
    assert_eq!(renew(store, &old, &new, &old_record, &record).await, Swap::Done);
    for store in [store, other] {
        assert_eq!(load(store, &new.key(), NOW).await.as_ref(), Some(&record));
        assert_eq!(store.load(&old.key(), NOW).await.expect("load"), Some(Found::Renewed));
        assert_eq!(store.revalidate(&old.key(), NOW).await.expect("revalidate"), Some(Found::Renewed));
        for last in [&old_record, &record] {
            let swap = store.update(&old.key(), &last.revision, &changed(last), NOW).await.expect("update");
            assert_eq!(swap, Swap::Gone, "update");
            let swap = renew(store, &old, &renewed(&old), last, &changed(last)).await;
            assert_eq!(swap, Swap::Gone, "renew");
        }
        assert!(!store.touch(&old.key(), at(99), NOW).await.expect("touch"), "touch");
        assert!(!store.delete(&old.key(), NOW).await.expect("delete"), "delete");
        let creation = store.create(&old.key(), &old_record, NOW).await.expect("create");
        assert_eq!(creation, Creation::Taken, "create");
        assert_eq!(load(store, &new.key(), NOW).await.as_ref(), Some(&record), "the new one is unharmed");
    }
    let after = changed(&record);
    assert_eq!(other.update(&new.key(), &record.revision, &after, NOW).await.expect("update"), Swap::Done);
}

pub(super) async fn a_tombstone_ends_when_it_should<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let old_record = record();
    let old = create(store, &old_record).await;
    let (new, record) = (renewed(&old), changed(&old_record));
    assert_eq!(renew(store, &old, &new, &old_record, &record).await, Swap::Done);
    let last = before(TOMBSTONE_END);
    assert_eq!(store.load(&old.key(), last).await.expect("load"), Some(Found::Renewed));
    assert_eq!(store.revalidate(&old.key(), last).await.expect("revalidate"), Some(Found::Renewed));
    assert_gone(store, &old.key(), &old_record, TOMBSTONE_END).await;
    assert_eq!(load(store, &new.key(), TOMBSTONE_END).await, Some(record));
}

pub(super) async fn the_newest_64_old_ids_have_tombstones<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let mut record = record();
    let mut ids = vec![create(store, &record).await];
    for round in 0..70 {
        let (old, after) = (&ids[round], changed(&record));
        let new = renewed(old);
        let time = Duration::from_millis(round as u64);
        let (now, end) = (NOW.after(time), TOMBSTONE_END.after(time));
        let swap = store.renew(&old.key(), &record.revision, &new.key(), &after, end, now).await;
        assert_eq!(swap.expect("renew"), Swap::Done, "{round}");
        (record, _) = (after, ids.push(new));
    }
    let now = NOW.after(Duration::from_millis(70));
    for (number, old) in ids[70 - 64..70].iter().enumerate() {
        assert_eq!(store.load(&old.key(), now).await.expect("load"), Some(Found::Renewed), "{number}");
    }
    assert_eq!(load(store, &ids[70].key(), now).await, Some(record));
}

pub(super) async fn a_refused_renewal_changes_nothing<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let record = record();
    let old = create(store, &record).await;
    let new = renewed(&old);
    let stale = changed(&record);
    assert_eq!(renew(store, &old, &new, &stale, &stale).await, Swap::Conflict);
    assert_eq!(load(store, &old.key(), NOW).await.as_ref(), Some(&record));
    assert_gone(store, &new.key(), &stale, NOW).await;
}

pub(super) async fn a_sign_out_by_an_old_id_ends_nothing<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let mut record = record();
    let mut ids = vec![create(store, &record).await];
    for step in 0..4 {
        let (new, after) = (renewed(&ids[step]), changed(&record));
        assert_eq!(renew(store, &ids[step], &new, &record, &after).await, Swap::Done, "step {step}");
        (record, ids) = (after, [ids, vec![new]].concat());
    }
    for old in &ids[..4] {
        assert!(!other.delete(&old.key(), NOW).await.expect("delete"));
        assert_eq!(load(store, &ids[4].key(), NOW).await.as_ref(), Some(&record));
    }
    assert!(other.delete(&ids[4].key(), NOW).await.expect("delete"));
    assert_gone(store, &ids[4].key(), &record, NOW).await;
}

pub(super) async fn a_renewed_session_keeps_its_owner_and_public_id<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    // As in a sign-in, which sets the owner together with the new id.
    let stranger = record();
    let first = create(store, &stranger).await;
    let (second, signed_in) =
        (renewed(&first), Record { revision: changed(&stranger).revision, ..record_of("albus") });
    assert_eq!(renew(store, &first, &second, &stranger, &signed_in).await, Swap::Done);
    let (third, later) = (renewed(&second), changed(&signed_in));
    assert_eq!(renew(store, &second, &third, &signed_in, &later).await, Swap::Done);

    assert_listed(store, "albus", [&first], NOW).await;
    assert!(store.end("albus", first.public_id(), NOW).await.expect("end"));
    assert_gone(store, &third.key(), &later, NOW).await;
}

pub(super) async fn a_tombstone_outlives_its_session<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let old_record = record();
    let old = create(store, &old_record).await;
    let (new, record) = (renewed(&old), changed(&old_record));
    assert_eq!(renew(store, &old, &new, &old_record, &record).await, Swap::Done);
    assert!(store.delete(&new.key(), NOW).await.expect("delete"));
    assert_gone(store, &new.key(), &record, NOW).await;
    assert_eq!(store.load(&old.key(), NOW).await.expect("load"), Some(Found::Renewed));
    assert!(!store.delete(&old.key(), NOW).await.expect("delete"));
    let creation = store.create(&old.key(), &old_record, NOW).await.expect("create");
    assert_eq!(creation, Creation::Taken, "a creation that comes twice");
}

pub(super) async fn of_parallel_renewals_one_wins<S: SessionStore>(arena: Arena<S>) {
    for round in 0..arena.rounds() {
        let [store, _] = arena.both();
        let record = record();
        let old = create(store, &record).await;
        let ids: Vec<_> = (0..8).map(|_| renewed(&old)).collect();
        let swaps = arena
            .race(ids.len(), |store, number| {
                let (old, new, record) = (old.clone(), ids[number].clone(), record.clone());
                async move { renew(&*store, &old, &new, &record, &changed(&record)).await }
            })
            .await;
        let won: Vec<_> = (0..ids.len()).filter(|number| swaps[*number] == Swap::Done).collect();
        assert_eq!(won.len(), 1, "round {round}: {swaps:?}");
        assert_eq!(swaps.iter().filter(|swap| **swap == Swap::Gone).count(), ids.len() - 1, "{swaps:?}");
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(load(store, &id.key(), NOW).await.is_some(), number == won[0], "round {round}");
        }
        let found = store.load(&old.key(), NOW).await.expect("load");
        assert_eq!(found, Some(Found::Renewed), "round {round}");
    }
}

pub(super) async fn a_reader_finds_the_session_at_every_moment_of_a_renewal<S: SessionStore>(
    arena: Arena<S>,
) {
    for _ in 0..arena.rounds() {
        let [store, _] = arena.both();
        let record = record();
        let old = create(store, &record).await;
        let new = renewed(&old);
        arena
            .race(4, |store, number| {
                let (old, new, record) = (old.clone(), new.clone(), record.clone());
                async move {
                    if number == 0 {
                        assert_eq!(renew(&*store, &old, &new, &record, &changed(&record)).await, Swap::Done);
                        return;
                    }
                    for _ in 0..50 {
                        match store.load(&old.key(), NOW).await.expect("load") {
                            Some(Found::Living(found)) => {
                                assert_eq!(found, record, "the old id shows the old state");
                            }
                            Some(Found::Renewed) => {
                                let found = load(&*store, &new.key(), NOW).await;
                                assert!(found.is_some(), "where there is a tombstone, there is the session");
                                return;
                            }
                            None => panic!("the session was under neither id"),
                        }
                    }
                }
            })
            .await;
    }
}
