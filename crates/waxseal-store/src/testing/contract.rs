//! Cases for each method by itself.

use std::time::{Duration, SystemTime};

use super::arena::Arena;
use super::sample::{
    ABSOLUTE, IDLE, NOW, assert_gone, at, changed, confirmed, create, load, new_id, next, record, record_of,
};
use crate::record::{Creation, Lifespan, Record, Swap};
use crate::{RecordKey, Revision, SessionStore, Timestamp};

pub(super) async fn a_record_comes_back_as_it_was_kept<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let kept = [
        record(),
        Record { sealed: Vec::new(), device: String::new(), ..record() },
        Record { device: "Zauberstab 🪄 'quoted' \\ %".to_owned(), ..record_of("albus@école.example") },
        record_of(&"x".repeat(Record::MAX_OWNER_BYTES)),
        Record {
            device: "x".repeat(Record::MAX_DEVICE_BYTES),
            revision: Revision::from_bytes([255; 16]),
            ..record()
        },
    ];
    for record in &kept {
        let id = create(store, record).await;
        assert_eq!(load(store, &id.key(), NOW).await.as_ref(), Some(record));
        assert_eq!(store.revalidate(&id.key(), NOW).await.expect("revalidate"), confirmed(record));
    }
}

pub(super) async fn what_one_handle_wrote_the_other_reads<S: SessionStore>(arena: Arena<S>) {
    let [one, other] = arena.both();
    let mut record = record();
    let id = create(one, &record).await;
    for round in 0..20 {
        let (writer, reader) = if round % 2 == 0 { (one, other) } else { (other, one) };
        assert_eq!(load(reader, &id.key(), NOW).await.as_ref(), Some(&record), "before round {round}");
        let after = changed(&record);
        let swap = writer.update(&id.key(), &record.revision, &after, NOW).await.expect("update");
        assert_eq!(swap, Swap::Done, "round {round}");
        record = after;
        assert_eq!(
            reader.revalidate(&id.key(), NOW).await.expect("revalidate"),
            confirmed(&record),
            "round {round}"
        );
    }
    assert!(one.delete(&id.key(), NOW).await.expect("delete"));
    assert_gone(other, &id.key(), &record, NOW).await;
}

pub(super) async fn an_unknown_key_is_absent_to_every_method<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let (id, record) = (new_id(), record_of("nobody"));
    assert_gone(store, &id.key(), &record, NOW).await;
    assert_gone(other, &id.key(), &record, NOW).await;
    let creation = store.create(&id.key(), &record, NOW).await.expect("create");
    assert_eq!(creation, Creation::Created, "asking makes nothing");
}

pub(super) async fn a_taken_key_is_not_created_again<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let first = record();
    let id = create(store, &first).await;
    for store in [store, other] {
        let creation = store.create(&id.key(), &changed(&first), NOW).await.expect("create");
        assert_eq!(creation, Creation::Taken);
        assert_eq!(load(store, &id.key(), NOW).await.as_ref(), Some(&first), "the first stays");
    }
}

pub(super) async fn a_key_with_another_hash_is_another_key<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let record = record();
    let id = create(store, &record).await;
    // The same public session id, and the hash of an invented id.
    let forged = RecordKey::new(id.public_id(), *new_id().key().hash());
    assert_gone(store, &forged, &record, NOW).await;
    assert_eq!(load(store, &id.key(), NOW).await, Some(record));
}

pub(super) async fn sessions_leave_each_other_alone<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let (one, other) = (record(), record());
    let (id, other_id) = (create(store, &one).await, create(store, &other).await);
    assert_eq!(
        store.update(&id.key(), &one.revision, &changed(&one), NOW).await.expect("update"),
        Swap::Done
    );
    assert_eq!(load(store, &other_id.key(), NOW).await.as_ref(), Some(&other));
    assert!(store.delete(&id.key(), NOW).await.expect("delete"));
    assert_eq!(load(store, &other_id.key(), NOW).await.as_ref(), Some(&other));
    let another = create(store, &record()).await;
    assert_eq!(load(store, &id.key(), NOW).await, None, "a new session is not the old one");
    assert!(load(store, &another.key(), NOW).await.is_some());
}

pub(super) async fn an_update_replaces_the_whole_record<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let before = record();
    let id = create(store, &before).await;
    let after = Record {
        revision: next(&before.revision),
        kid: [7; 4],
        life: Lifespan::new(at(1), at(2), at(3).after(IDLE), at(4).after(ABSOLUTE)),
        owner: Some("albus".to_owned()),
        device: "a phoenix".to_owned(),
        sealed: b"longer or shorter".to_vec(),
    };
    assert_eq!(store.update(&id.key(), &before.revision, &after, at(2)).await.expect("update"), Swap::Done);
    assert_eq!(load(store, &id.key(), at(2)).await, Some(after));
}

pub(super) async fn an_update_compares_all_sixteen_bytes<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let record = record();
    let id = create(store, &record).await;
    for byte in 0..Revision::BYTES {
        let mut other = *record.revision.as_bytes();
        other[byte] ^= 1;
        let other = Revision::from_bytes(other);
        let swap = store.update(&id.key(), &other, &changed(&record), NOW).await.expect("update");
        assert_eq!(swap, Swap::Conflict, "byte {byte}");
    }
    assert_eq!(load(store, &id.key(), NOW).await.as_ref(), Some(&record), "a conflict changes nothing");
    let after = changed(&record);
    assert_eq!(store.update(&id.key(), &record.revision, &after, NOW).await.expect("update"), Swap::Done);
    let again = store.update(&id.key(), &record.revision, &changed(&after), NOW).await.expect("update");
    assert_eq!(again, Swap::Conflict, "a revision is replaced once");
}

pub(super) async fn a_touch_moves_times_and_nothing_else<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let record = record_of("albus");
    let id = create(store, &record).await;
    assert!(store.touch(&id.key(), at(90).after(IDLE), at(90)).await.expect("touch"));
    let life = record.life.touched(at(90), at(90).after(IDLE));
    let touched = Record { life, ..record.clone() };
    assert_eq!(load(store, &id.key(), at(90)).await.as_ref(), Some(&touched));
    let swap = store.update(&id.key(), &record.revision, &changed(&touched), at(91)).await.expect("update");
    assert_eq!(swap, Swap::Done, "a touch is no conflict");
}

pub(super) async fn a_touch_neither_goes_back_nor_beyond_the_absolute_end<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let mut record = record();
    let id = create(store, &record).await;
    for (case, now, idle_end) in [
        ("forward", at(100), at(100).after(IDLE)),
        ("late", at(50), at(50).after(IDLE)),
        ("shorter", at(101), at(200)),
        ("too far", at(102), at(1).after(ABSOLUTE)),
        ("no end", at(103), crate::Timestamp::MAX),
    ] {
        assert!(store.touch(&id.key(), idle_end, now).await.expect("touch"), "{case}");
        record.life = record.life.touched(now, idle_end);
        assert_eq!(load(store, &id.key(), NOW).await.as_ref(), Some(&record), "{case}");
    }
    assert_eq!(record.life.expires, record.life.absolute_end);
    assert_eq!(load(store, &id.key(), record.life.absolute_end).await, None);
}

pub(super) async fn what_is_deleted_stays_away<S: SessionStore>(arena: Arena<S>) {
    let [store, other] = arena.both();
    let record = record_of("albus");
    let id = create(store, &record).await;
    assert!(store.delete(&id.key(), NOW).await.expect("delete"));
    assert_gone(store, &id.key(), &record, NOW).await;
    assert_gone(other, &id.key(), &record, NOW).await;
    // As from a clock that lags, or from a slow request.
    assert_gone(other, &id.key(), &record, super::sample::before(NOW)).await;
}

pub(super) async fn a_mebibyte_is_kept<S: SessionStore>(arena: Arena<S>) {
    let [store, _] = arena.both();
    let small = record();
    let id = create(store, &small).await;
    let sealed = (0..1_u32 << 20).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
    let large = Record { sealed, ..changed(&small) };
    assert_eq!(store.update(&id.key(), &small.revision, &large, NOW).await.expect("update"), Swap::Done);
    assert_eq!(load(store, &id.key(), NOW).await.as_ref(), Some(&large));
    assert_eq!(store.update(&id.key(), &large.revision, &small, NOW).await.expect("update"), Swap::Done);
    assert_eq!(load(store, &id.key(), NOW).await, Some(small));
}

pub(super) async fn the_clock_answers<S: SessionStore>(arena: Arena<S>) {
    let [one, other] = arena.both();
    let clocks = (one.clock().await.expect("clock"), other.clock().await.expect("clock"));
    assert_eq!(clocks.0.is_some(), clocks.1.is_some(), "a store has a clock or has none");
    let (ours, day) = (Timestamp::from(SystemTime::now()), Duration::from_secs(86_400));
    for theirs in [clocks.0, clocks.1].into_iter().flatten() {
        let is_near = theirs.after(day) >= ours && ours.after(day) >= theirs;
        assert!(
            is_near,
            "the store's clock shows {} ms since 1970, and the system's {}",
            theirs.as_millis(),
            ours.as_millis()
        );
    }
}
