//! A session gets another id.

use super::arena::Arena;
use super::sample::{
    NOW, assert_gone, at, before, changed, create, load, marker, pointer, record, record_of, renewed,
};
use crate::SessionStore;
use crate::record::{Creation, Found, Swap};

pub(super) async fn a_marker_makes_the_old_id_a_strangers<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let old_record = record();
    let old = create(store, &old_record).await;
    let (new, record) = (renewed(&old), changed(&old_record));
    let swap = store.renew(&old.key(), &old_record.revision, &new.key(), &record, &marker(), NOW).await;
    assert_eq!(swap.expect("renew"), Swap::Done);
    for store in [store, other] {
        assert_eq!(load(store, &new.key(), NOW).await.as_ref(), Some(&record));
        assert_eq!(store.load(&old.key(), NOW).await.expect("load"), Some(Found::Renewed(marker())));
        assert_eq!(store.confirm(&old.key(), NOW).await.expect("confirm"), Some(Found::Renewed(marker())));
        for last in [&old_record, &record] {
            let swap = store.update(&old.key(), &last.revision, &changed(last), NOW).await.expect("update");
            assert_eq!(swap, Swap::Gone, "update");
            let next = renewed(&old).key();
            let swap = store.renew(&old.key(), &last.revision, &next, &changed(last), &marker(), NOW).await;
            assert_eq!(swap.expect("renew"), Swap::Gone, "renew");
        }
        assert!(!store.touch(&old.key(), at(99), NOW).await.expect("touch"), "touch");
        assert!(!store.delete(&old.key(), NOW).await.expect("delete"), "delete");
        let creation = store.create(&old.key(), &old_record, NOW).await.expect("create");
        assert_eq!(creation, Creation::Taken, "create");
        assert_eq!(load(store, &new.key(), NOW).await.as_ref(), Some(&record), "the new one is unharmed");
    }
}

pub(super) async fn a_pointer_leads_to_the_new_id<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let old_record = record();
    let old = create(store, &old_record).await;
    let (new, record) = (renewed(&old), changed(&old_record));
    let trace = pointer(&new);
    let swap = store.renew(&old.key(), &old_record.revision, &new.key(), &record, &trace, NOW).await;
    assert_eq!(swap.expect("renew"), Swap::Done);
    for store in [store, other] {
        assert_eq!(store.load(&old.key(), NOW).await.expect("load"), Some(Found::Renewed(trace.clone())));
        assert_eq!(
            store.confirm(&old.key(), NOW).await.expect("confirm"),
            Some(Found::Renewed(trace.clone()))
        );
        let swap = store.update(&old.key(), &old_record.revision, &changed(&record), NOW).await;
        assert_eq!(swap.expect("update"), Swap::Conflict, "update");
        let next = renewed(&old);
        let swap =
            store.renew(&old.key(), &old_record.revision, &next.key(), &record, &pointer(&next), NOW).await;
        assert_eq!(swap.expect("renew"), Swap::Conflict, "renew");
        assert!(!store.touch(&old.key(), at(99), NOW).await.expect("touch"), "touch");
        assert_eq!(load(store, &new.key(), NOW).await.as_ref(), Some(&record), "the new one is unharmed");
    }
    let after = changed(&record);
    assert_eq!(other.update(&new.key(), &record.revision, &after, NOW).await.expect("update"), Swap::Done);
}

pub(super) async fn a_trace_ends_when_it_should<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let old_record = record();
    let old = create(store, &old_record).await;
    let (new, record) = (renewed(&old), changed(&old_record));
    let trace = pointer(&new);
    let swap = store.renew(&old.key(), &old_record.revision, &new.key(), &record, &trace, NOW).await;
    assert_eq!(swap.expect("renew"), Swap::Done);
    let last = before(trace.expires);
    assert_eq!(store.load(&old.key(), last).await.expect("load"), Some(Found::Renewed(trace.clone())));
    assert_gone(store, &old.key(), &old_record, trace.expires).await;
    assert_eq!(load(store, &new.key(), trace.expires).await, Some(record));
}

pub(super) async fn a_refused_renewal_changes_nothing<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let record = record();
    let old = create(store, &record).await;
    let new = renewed(&old);
    let stale = changed(&record);
    let swap = store.renew(&old.key(), &stale.revision, &new.key(), &stale, &marker(), NOW).await;
    assert_eq!(swap.expect("renew"), Swap::Conflict);
    assert_eq!(load(store, &old.key(), NOW).await.as_ref(), Some(&record));
    assert_gone(store, &new.key(), &stale, NOW).await;
}

pub(super) async fn a_sign_out_follows_pointers_and_stops_at_a_marker<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    for (case, signs_in, ends) in [("pointers only", None, true), ("a marker among them", Some(2), false)] {
        let mut record = record();
        let mut ids = vec![create(store, &record).await];
        for step in 0..4 {
            let (old, new, after) = (&ids[step], renewed(&ids[step]), changed(&record));
            let trace = if signs_in == Some(step) { marker() } else { pointer(&new) };
            let swap = store.renew(&old.key(), &record.revision, &new.key(), &after, &trace, NOW).await;
            assert_eq!(swap.expect("renew"), Swap::Done, "{case}, step {step}");
            (record, ids) = (after, [ids, vec![new]].concat());
        }
        assert_eq!(other.delete(&ids[0].key(), NOW).await.expect("delete"), ends, "{case}");
        assert_eq!(load(store, &ids[4].key(), NOW).await.is_none(), ends, "{case}");
        // From behind the marker it is followed again.
        assert_eq!(other.delete(&ids[3].key(), NOW).await.expect("delete"), !ends, "{case}");
        assert_gone(store, &ids[4].key(), &record, NOW).await;
    }
}

pub(super) async fn a_renewed_session_keeps_its_owner_and_handle<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    // Signing in: the owner comes with the new id.
    let stranger = record();
    let first = create(store, &stranger).await;
    let (second, signed_in) =
        (renewed(&first), crate::Record { revision: changed(&stranger).revision, ..record_of("albus") });
    let swap = store.renew(&first.key(), &stranger.revision, &second.key(), &signed_in, &marker(), NOW).await;
    assert_eq!(swap.expect("renew"), Swap::Done);
    let third = renewed(&second);
    let later = changed(&signed_in);
    let swap =
        store.renew(&second.key(), &signed_in.revision, &third.key(), &later, &pointer(&third), NOW).await;
    assert_eq!(swap.expect("renew"), Swap::Done);

    let list = store.list("albus", None, 10, NOW).await.expect("list").items;
    assert_eq!(list.iter().map(|listed| listed.public_id).collect::<Vec<_>>(), [first.public_id()]);
    assert!(store.end("albus", first.public_id(), NOW).await.expect("end"));
    assert_gone(store, &third.key(), &later, NOW).await;
}

pub(super) async fn a_trace_outlives_its_session_and_leads_nowhere<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let old_record = record();
    let old = create(store, &old_record).await;
    let (new, record) = (renewed(&old), changed(&old_record));
    let trace = pointer(&new);
    let swap = store.renew(&old.key(), &old_record.revision, &new.key(), &record, &trace, NOW).await;
    assert_eq!(swap.expect("renew"), Swap::Done);
    assert!(store.delete(&new.key(), NOW).await.expect("delete"));
    assert_gone(store, &new.key(), &record, NOW).await;
    assert_eq!(store.load(&old.key(), NOW).await.expect("load"), Some(Found::Renewed(trace)));
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
                async move {
                    let (after, trace) = (changed(&record), pointer(&new));
                    store
                        .renew(&old.key(), &record.revision, &new.key(), &after, &trace, NOW)
                        .await
                        .expect("renew")
                }
            })
            .await;
        let won: Vec<_> = (0..ids.len()).filter(|number| swaps[*number] == Swap::Done).collect();
        assert_eq!(won.len(), 1, "round {round}: {swaps:?}");
        assert_eq!(swaps.iter().filter(|swap| **swap == Swap::Conflict).count(), ids.len() - 1, "{swaps:?}");
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(load(store, &id.key(), NOW).await.is_some(), number == won[0], "round {round}");
        }
        let found = store.load(&old.key(), NOW).await.expect("load");
        assert_eq!(found, Some(Found::Renewed(pointer(&ids[won[0]]))), "round {round}");
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
                        let (after, trace) = (changed(&record), pointer(&new));
                        let swap =
                            store.renew(&old.key(), &record.revision, &new.key(), &after, &trace, NOW).await;
                        assert_eq!(swap.expect("renew"), Swap::Done);
                        return;
                    }
                    for _ in 0..50 {
                        match store.load(&old.key(), NOW).await.expect("load") {
                            Some(Found::Living(found)) => {
                                assert_eq!(found, record, "the old id shows the old state");
                            }
                            Some(Found::Renewed(_)) => {
                                let found = load(&*store, &new.key(), NOW).await;
                                assert!(found.is_some(), "the pointer leads to the session");
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
