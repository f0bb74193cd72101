//! What the store tells of the space that its records take.

use rusqlite::Connection;
use store_tests::records::{NOW, new_key, record, wait};
use waxseal_sqlite::SqliteStore;
use waxseal_store::{Creation, SessionStore, Usage};

#[test]
fn a_few_records_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
    for count in 0..3 {
        assert_eq!(wait(store.usage()).unwrap(), Usage::default().records(count));
        assert_eq!(wait(store.create(&new_key(), &record(b"sealed"), NOW)).unwrap(), Creation::Created);
    }
}

#[test]
fn many_records_are_estimated() {
    const MANY: u64 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::open(&path).unwrap();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
        INSERT INTO sessions (public_id, hash, revision, expires, quarter, absolute_end, created, last_seen, kid, \
        generation, device, sealed) SELECT random(), x'01', x'02', 9, 1, 9, 1, 1, x'03', 0, '', x'04' FROM n";
    Connection::open(&path).unwrap().execute(fill, [MANY as i64]).unwrap();
    let found = wait(store.usage()).unwrap().records.unwrap();
    // Five standard deviations.
    assert!(found.abs_diff(MANY) < MANY * 8 / 100, "{found}");
}

#[test]
fn a_bounded_file_tells_how_full_it_is_and_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::options(&path).max_bytes(1 << 20).open().unwrap();
    let fullness = || wait(store.usage()).unwrap().fullness.unwrap();
    assert!(fullness() < 0.1, "{}", fullness());
    let mut keys = Vec::new();
    loop {
        let key = new_key();
        match wait(store.create(&key, &record(&[7; 3_000]), NOW)) {
            Ok(_) => keys.push(key),
            Err(_) => break,
        }
    }
    assert!(fullness() > 0.95 && fullness() <= 1.0, "{} with {} records", fullness(), keys.len());
    for key in &keys {
        assert!(wait(store.delete(key, NOW)).unwrap());
    }
    assert!(fullness() < 0.1, "{}", fullness());
}
