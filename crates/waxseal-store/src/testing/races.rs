//! Cases for parallel calls.

use super::arena::Arena;
use super::sample::{
    IDLE, NOW, TOMBSTONE_END, assert_gone, assert_listed, at, changed, create, load, new_id, next, record,
    record_of, renew, renewed,
};
use crate::record::{Creation, Found, Lifespan, Record, Swap};
use crate::{RecordKey, SessionId, SessionStore, Timestamp};

pub(super) async fn of_parallel_creations_one_succeeds<S: SessionStore>(arena: Arena<S>) {
    for round in 0..arena.rounds() {
        let id = new_id();
        let made = arena
            .race(8, |store, _| {
                let id = id.clone();
                async move {
                    let record = record();
                    let creation = store.create(&id.key(), &record, NOW).await.expect("create");
                    (creation == Creation::Created).then_some(record)
                }
            })
            .await;
        let made: Vec<_> = made.into_iter().flatten().collect();
        assert_eq!(made.len(), 1, "round {round}");
        let [store, _] = arena.both();
        assert_eq!(load(store, &id.key(), NOW).await.as_ref(), made.first(), "round {round}");
    }
}

/// Adds one to the number in the sealed bytes, by compare-and-swap.
async fn increment<S: SessionStore>(store: &S, key: &RecordKey) {
    loop {
        let before = load(store, key, NOW).await.expect("nobody ended it");
        let number = u64::from_be_bytes(before.sealed[..].try_into().expect("eight bytes"));
        let sealed = (number + 1).to_be_bytes().to_vec();
        let after = Record { revision: next(&before.revision), sealed, ..before.clone() };
        match store.update(key, &before.revision, &after, NOW).await.expect("update") {
            Swap::Done => return,
            Swap::Conflict => {}
            Swap::Gone => panic!("the record is gone although nobody ended it"),
        }
    }
}

async fn number<S: SessionStore>(store: &S, key: &RecordKey) -> u64 {
    let record = load(store, key, NOW).await.expect("nobody ended it");
    u64::from_be_bytes(record.sealed[..].try_into().expect("eight bytes"))
}

pub(super) async fn sign_ins_that_take_over_each_other_leave_one_session<S: SessionStore>(arena: Arena<S>) {
    const TASKS: u64 = 16;
    for round in 0..arena.rounds().min(5) {
        let [store, other] = arena.both();
        let first = record_of("albus");
        let id = create(store, &first).await;
        let ids = arena
            .race(16, |store, _| {
                let id = id.clone();
                async move {
                    loop {
                        let found = store.owned("albus", id.public_id(), NOW).await.expect("owned");
                        let (key, before) = found.expect("nobody ended it");
                        let (new, after) = (renewed(&id), changed(&before));
                        let (old, new_key, end) = (&key, new.key(), TOMBSTONE_END);
                        let swap = store.renew(old, &before.revision, &new_key, &after, end, NOW).await;
                        if swap.expect("renew") == Swap::Done {
                            return new;
                        }
                    }
                }
            })
            .await;
        let (key, last) =
            other.owned("albus", id.public_id(), NOW).await.expect("owned").expect("one is there");
        assert_eq!(last.revision.counter(), first.revision.counter() + TASKS, "round {round}: each was done");
        for old in ids.iter().map(SessionId::key).chain([id.key()]).filter(|old| *old != key) {
            let found = store.load(&old, NOW).await.expect("load");
            assert_eq!(found, Some(Found::Renewed), "round {round}");
        }
        assert_eq!(load(store, &key, NOW).await, Some(last), "round {round}");
        assert!(other.end("albus", id.public_id(), NOW).await.expect("end"), "round {round}");
    }
}

pub(super) async fn increments_from_many_tasks_sum_exactly<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let id = create(store, &Record { sealed: vec![0; 8], ..record() }).await;
    let each = arena.rounds();
    arena
        .race(8, |store, _| {
            let key = id.key();
            async move {
                for _ in 0..each {
                    increment(&*store, &key).await;
                }
            }
        })
        .await;
    assert_eq!(number(store, &id.key()).await, 8 * u64::try_from(each).expect("not many"));
}

pub(super) async fn touches_and_rewraps_lose_no_update<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let id = create(store, &Record { sealed: vec![0; 8], ..record() }).await;
    let each = arena.rounds();
    arena
        .race(6, |store, task| {
            let key = id.key();
            async move {
                for round in 0..u64::try_from(each).expect("not many") {
                    match task {
                        0..=1 => increment(&*store, &key).await,
                        2..=3 => {
                            let now = at(round);
                            assert!(store.touch(&key, now.after(IDLE), now).await.expect("touch"));
                        }
                        _ => {
                            let seen = load(&*store, &key, NOW).await.expect("nobody ended it");
                            store
                                .rewrap(&key, &seen.revision, [7; 4], &seen.sealed, NOW)
                                .await
                                .expect("rewrap");
                        }
                    }
                }
            }
        })
        .await;
    let last = u64::try_from(each).expect("not many");
    assert_eq!(number(store, &id.key()).await, 2 * last, "no update was lost");
}

pub(super) async fn a_sign_out_wins_over_saves_and_touches<S: SessionStore>(arena: Arena<S>) {
    for _ in 0..arena.rounds() {
        let [store, other] = arena.both();
        let record = record_of("albus");
        let id = create(store, &record).await;
        arena
            .race(6, |store, task| {
                let (id, mut record) = (id.clone(), record.clone());
                async move {
                    if task == 5 {
                        assert!(store.delete(&id.key(), NOW).await.expect("delete"));
                        return;
                    }
                    for _ in 0..10 {
                        if task == 0 {
                            store.touch(&id.key(), at(9_000), NOW).await.expect("touch");
                        } else {
                            // Any outcome is right: this is the save of a request that had loaded the session.
                            let after = changed(&record);
                            match store
                                .update(&id.key(), &record.revision, &after, NOW)
                                .await
                                .expect("update")
                            {
                                Swap::Done => record = after,
                                Swap::Conflict => match load(&*store, &id.key(), NOW).await {
                                    Some(found) => record = found,
                                    None => return,
                                },
                                Swap::Gone => return,
                            }
                        }
                    }
                }
            })
            .await;
        assert_gone(other, &id.key(), &record, NOW).await;
    }
}

pub(super) async fn of_a_sign_out_and_a_renewal_one_wins<S: SessionStore>(arena: Arena<S>) {
    for round in 0..arena.rounds() {
        let [store, _] = arena.both();
        let record = record();
        let old = create(store, &record).await;
        let new = renewed(&old);
        let outcomes = arena
            .race(2, |store, task| {
                let (old, new, record) = (old.clone(), new.clone(), record.clone());
                async move {
                    if (task + round) % 2 == 0 {
                        let swap = renew(&*store, &old, &new, &record, &changed(&record)).await;
                        assert_ne!(swap, Swap::Conflict);
                        (false, swap == Swap::Done)
                    } else {
                        (store.delete(&old.key(), NOW).await.expect("delete"), false)
                    }
                }
            })
            .await;
        let ended = outcomes.iter().any(|(ended, _)| *ended);
        let is_renewed = outcomes.iter().any(|(_, is_renewed)| *is_renewed);
        assert_ne!(ended, is_renewed, "round {round}: {outcomes:?}");
        let found = store.load(&old.key(), NOW).await.expect("load");
        assert_eq!(found, is_renewed.then_some(Found::Renewed), "round {round}");
        assert_eq!(load(store, &new.key(), NOW).await.is_some(), is_renewed, "round {round}");
    }
}

pub(super) async fn ending_all_wins_over_saves_and_renewals<S: SessionStore>(arena: Arena<S>) {
    for round in 0..arena.rounds() {
        let owner = format!("albus {round}");
        let [store, _] = arena.both();
        let record = record_of(&owner);
        let old = create(store, &record).await;
        let ids = arena
            .race(4, |store, task| {
                let (old, mut record, owner) = (old.clone(), record.clone(), owner.clone());
                async move {
                    if (task + round) % 4 == 0 {
                        store.end_all(&owner, None, NOW).await.expect("end all");
                        return vec![];
                    }
                    let mut ids = vec![old];
                    for _ in 0..6 {
                        let at = ids.last().expect("there is a first").clone();
                        let (new, after) = (renewed(&at), changed(&record));
                        let swap = if task % 2 == 0 {
                            store.update(&at.key(), &record.revision, &after, NOW).await.expect("update")
                        } else {
                            let swap = renew(&*store, &at, &new, &record, &after).await;
                            if swap == Swap::Done {
                                ids.push(new);
                            }
                            swap
                        };
                        match swap {
                            Swap::Done => record = after,
                            Swap::Conflict => match store.load(&at.key(), NOW).await.expect("load") {
                                Some(Found::Living(found)) => record = found,
                                _ => break,
                            },
                            Swap::Gone => break,
                        }
                    }
                    ids
                }
            })
            .await
            .concat();
        for id in &ids {
            assert_eq!(load(store, &id.key(), NOW).await, None, "round {round}");
        }
        assert_listed(store, &owner, [], NOW).await;
    }
}

pub(super) async fn ending_all_others_never_ends_the_kept_one<S: SessionStore>(arena: Arena<S>) {
    for round in 0..arena.rounds() {
        let owner = format!("albus {round}");
        let [store, _] = arena.both();
        let first = Record { sealed: vec![0; 8], ..record_of(&owner) };
        let (kept, ended) = (create(store, &first).await, create(store, &first).await);
        arena
            .race(6, |store, task| {
                let (key, owner) = (kept.key(), owner.clone());
                async move {
                    match task {
                        // Three at once keep the same session, as when a button is pressed repeatedly.
                        0..=2 => store.end_all(&owner, Some(&key), NOW).await.expect("end all"),
                        _ => increment(&*store, &key).await,
                    }
                }
            })
            .await;
        assert_eq!(number(store, &kept.key()).await, 3, "round {round}");
        assert_eq!(load(store, &ended.key(), NOW).await, None, "round {round}");
    }
}

pub(super) async fn a_purge_takes_nothing_that_a_touch_saved<S: SessionStore>(arena: Arena<S>) {
    for round in 0..arena.rounds() {
        let [store, _] = arena.both();
        let (end, purged) = (at(10), at(10 + 60 * 60));
        let dying = Record { life: Lifespan::new(NOW, NOW, end, Timestamp::MAX), ..record() };
        let id = create(store, &dying).await;
        let touched = arena
            .race(2, |store, task| {
                let key = id.key();
                async move {
                    if (task + round) % 2 == 0 {
                        store.purge(purged, 100).await.expect("purge");
                        return None;
                    }
                    // By the clock of the server that touches it, the record still lives.
                    Some(store.touch(&key, at(9_000), super::sample::before(end)).await.expect("touch"))
                }
            })
            .await;
        let saved = touched.contains(&Some(true));
        assert_eq!(load(store, &id.key(), purged).await.is_some(), saved, "round {round}");
    }
}
