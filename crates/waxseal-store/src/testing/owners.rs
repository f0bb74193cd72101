//! Cases for owners and their sessions.

use std::collections::BTreeSet;

use super::arena::Arena;
use super::sample::{
    NOW, assert_gone, assert_listed, at, before, changed, create, list, load, record, record_of, renew,
    renewed,
};
use crate::record::{Record, Swap};
use crate::{PublicId, SessionId, SessionStore};

fn set<'a>(ids: impl IntoIterator<Item = &'a SessionId>) -> BTreeSet<PublicId> {
    ids.into_iter().map(SessionId::public_id).collect()
}

pub(super) async fn a_list_has_the_owners_living_sessions<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let (mine, theirs) = (record_of("albus"), record_of("minerva"));
    let first = create(store, &mine).await;
    let second = create(store, &Record { device: "an owl".to_owned(), ..mine.clone() }).await;
    let ended = create(store, &mine).await;
    create(store, &theirs).await;
    create(store, &record()).await;
    assert!(store.delete(&ended.key(), NOW).await.expect("delete"));
    assert!(store.touch(&first.key(), at(5_000), at(70)).await.expect("touch"));

    let list = list(other, "albus", 10, NOW).await;
    assert_eq!(list.len(), 2);
    let find =
        |id: &SessionId| list.iter().find(|listed| listed.public_id == id.public_id()).expect("listed");
    assert_eq!(find(&first).life, mine.life.touched(at(70), at(5_000)));
    assert_eq!((find(&second).life, find(&second).device.as_str()), (mine.life, "an owl"));
    assert_listed(store, "nobody", [], NOW).await;
}

pub(super) async fn ten_thousand_sessions_of_one_owner_are_listed_and_ended<S: SessionStore>(
    arena: Arena<S>,
) {
    const TASKS: usize = 40;
    const EACH: usize = 250;
    let ids = arena
        .race(TASKS, |store, _| async move {
            let mut ids = Vec::new();
            for _ in 0..EACH {
                ids.push(create(&*store, &record_of("a load balancer")).await);
            }
            ids
        })
        .await
        .concat();
    let [store, other] = arena.both();
    assert_eq!(ids.len(), 10_000);
    let all = list(other, "a load balancer", 512, NOW).await;
    assert_eq!(all.len(), ids.len(), "each once");
    assert_eq!(all.iter().map(|listed| listed.public_id).collect::<BTreeSet<_>>(), set(&ids));

    store.end_all("a load balancer", Some(&ids[7].key()), NOW).await.expect("end all");
    assert_listed(other, "a load balancer", [&ids[7]], NOW).await;
    for id in ids.iter().filter(|id| id.public_id() != ids[7].public_id()).step_by(97) {
        assert_eq!(load(other, &id.key(), NOW).await, None);
    }
}

pub(super) async fn a_public_id_ends_a_session_only_with_its_owner<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let record = record_of("albus");
    let (ended, stays) = (create(store, &record).await, create(store, &record).await);
    let ownerless = create(store, &super::sample::record()).await;
    assert!(!store.end("minerva", ended.public_id(), NOW).await.expect("end"));
    assert!(!store.end("albus", ownerless.public_id(), NOW).await.expect("end"));
    assert!(
        load(store, &ended.key(), NOW).await.is_some() && load(store, &ownerless.key(), NOW).await.is_some()
    );
    assert!(other.end("albus", ended.public_id(), NOW).await.expect("end"));
    assert_gone(store, &ended.key(), &record, NOW).await;
    assert_listed(store, "albus", [&stays], NOW).await;
}

pub(super) async fn a_public_id_finds_a_session_only_with_its_owner<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let (mine, nobodys) = (record_of("albus"), record());
    let (first, second) = (create(store, &mine).await, create(store, &changed(&mine)).await);
    let ownerless = create(store, &nobodys).await;
    let find = async |store: &S, owner, id: &SessionId, now| {
        store.owned(owner, id.public_id(), now).await.expect("owned")
    };
    for store in [store, other] {
        assert_eq!(find(store, "albus", &first, NOW).await, Some((first.key(), mine.clone())));
        for (owner, id) in [("minerva", &first), ("Albus", &first), ("albus", &ownerless)] {
            assert_eq!(find(store, owner, id, NOW).await, None, "{owner}");
        }
    }
    // Found under its present key, whatever tombstones the old ids have.
    let (ids, mut last) = ([renewed(&first), renewed(&first)], mine);
    for (old, new) in [&first, &ids[0]].into_iter().zip(&ids) {
        let after = changed(&last);
        assert_eq!(renew(store, old, new, &last, &after).await, Swap::Done);
        assert_eq!(find(other, "albus", &first, NOW).await, Some((new.key(), after.clone())));
        last = after;
    }
    let end = last.life.expires;
    assert!(find(store, "albus", &first, before(end)).await.is_some());
    assert_eq!(find(store, "albus", &first, end).await, None, "expired");
    store.end_all("albus", Some(&second.key()), NOW).await.expect("end all");
    assert_eq!(find(other, "albus", &first, NOW).await, None, "ended with the others");
    assert!(find(other, "albus", &second, NOW).await.is_some(), "kept");
}

pub(super) async fn ending_all_ends_what_has_begun_and_nothing_later<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    for round in 0..3 {
        let record = record_of("albus");
        let ids = [create(store, &record).await, create(other, &record).await];
        let bystanders =
            [create(store, &record_of("minerva")).await, create(store, &super::sample::record()).await];
        store.end_all("albus", None, NOW).await.expect("end all");
        for id in &ids {
            assert_gone(other, &id.key(), &record, NOW).await;
        }
        for id in &bystanders {
            assert!(load(other, &id.key(), NOW).await.is_some(), "round {round}");
        }
        assert_listed(other, "albus", [], NOW).await;
        let later = create(other, &record).await;
        assert_listed(store, "albus", [&later], NOW).await;
    }
    store.end_all("nobody yet", None, NOW).await.expect("end all");
    let first = create(store, &record_of("nobody yet")).await;
    assert!(load(store, &first.key(), NOW).await.is_some(), "raised before the first session");
}

pub(super) async fn ending_all_others_keeps_one<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let record = record_of("albus");
    let (kept, ended) = (create(store, &record).await, create(store, &record).await);
    for round in 0..3 {
        other.end_all("albus", Some(&kept.key()), NOW).await.expect("end all");
        assert_eq!(load(store, &kept.key(), NOW).await.as_ref(), Some(&record), "round {round}");
    }
    assert_gone(store, &ended.key(), &record, NOW).await;
    // As from a request that loaded the session before "end all" kept it.
    let after = changed(&record);
    assert_eq!(store.update(&kept.key(), &record.revision, &after, NOW).await.expect("update"), Swap::Done);
    assert_eq!(load(other, &kept.key(), NOW).await.as_ref(), Some(&after));
    assert_listed(other, "albus", [&kept], NOW).await;
    store.end_all("albus", None, NOW).await.expect("end all");
    assert_gone(other, &kept.key(), &after, NOW).await;
}

pub(super) async fn an_old_id_keeps_no_session<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let record = record_of("albus");
    let (old, ended) = (create(store, &record).await, create(store, &record).await);
    let (new, after) = (renewed(&old), changed(&record));
    assert_eq!(renew(store, &old, &new, &record, &after).await, Swap::Done);
    other.end_all("albus", Some(&new.key()), NOW).await.expect("end all");
    assert_eq!(load(store, &new.key(), NOW).await.as_ref(), Some(&after));
    assert_gone(store, &ended.key(), &record, NOW).await;
    other.end_all("albus", Some(&old.key()), NOW).await.expect("end all");
    assert_gone(store, &new.key(), &after, NOW).await;
}

pub(super) async fn a_kept_session_of_another_owner_is_left_alone<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let (mine, theirs) = (record_of("albus"), record_of("minerva"));
    let (ended, other) = (create(store, &mine).await, create(store, &theirs).await);
    store.end_all("albus", Some(&other.key()), NOW).await.expect("end all");
    assert_gone(store, &ended.key(), &mine, NOW).await;
    assert_eq!(load(store, &other.key(), NOW).await.as_ref(), Some(&theirs));
    store.end_all("minerva", Some(&ended.key()), NOW).await.expect("end all");
    assert_gone(store, &other.key(), &theirs, NOW).await;
}

pub(super) async fn an_owner_may_come_and_go<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let mut record = record();
    let id = create(store, &record).await;
    for owner in [Some("albus"), Some("minerva"), None, Some("albus")] {
        let after = Record { owner: owner.map(str::to_owned), ..changed(&record) };
        assert_eq!(store.update(&id.key(), &record.revision, &after, NOW).await.expect("update"), Swap::Done);
        record = after;
        for name in ["albus", "minerva"] {
            assert_listed(store, name, (owner == Some(name)).then_some(&id), NOW).await;
        }
    }
    store.end_all("minerva", None, NOW).await.expect("end all");
    assert_eq!(load(store, &id.key(), NOW).await, Some(record), "no longer minerva's");
}

pub(super) async fn a_generation_is_the_owners_own<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    for _ in 0..3 {
        store.end_all("albus", None, NOW).await.expect("end all");
    }
    // Between an owner whose sessions were never ended and one whose sessions were, in both directions.
    let first = record_of("minerva");
    let id = create(store, &first).await;
    let second = Record { owner: Some("albus".to_owned()), ..changed(&first) };
    assert_eq!(store.update(&id.key(), &first.revision, &second, NOW).await.expect("update"), Swap::Done);
    assert_eq!(load(store, &id.key(), NOW).await.as_ref(), Some(&second));
    let third = Record { owner: Some("minerva".to_owned()), ..changed(&second) };
    assert_eq!(store.update(&id.key(), &second.revision, &third, NOW).await.expect("update"), Swap::Done);
    store.end_all("minerva", None, NOW).await.expect("end all");
    assert_gone(store, &id.key(), &third, NOW).await;
}

pub(super) async fn names_that_look_alike_are_different_owners<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let names = [
        "albus",
        "Albus",
        "albus ",
        "al%us",
        "al_us",
        "a:b",
        "{a}:b",
        "*",
        "'",
        "äu",
        "a\u{308}u",
        "7",
        "07",
    ];
    let mut ids = Vec::new();
    for name in names {
        ids.push(create(store, &record_of(name)).await);
    }
    for (name, id) in names.iter().zip(&ids) {
        assert_listed(store, name, [id], NOW).await;
    }
    for (number, name) in names.iter().enumerate() {
        store.end_all(name, None, NOW).await.expect("end all");
        for (other, id) in ids.iter().enumerate() {
            assert_eq!(load(store, &id.key(), NOW).await.is_some(), other > number, "{name:?}, {other}");
        }
    }
}
