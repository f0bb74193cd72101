//! A day of visitors who come and go: what has expired makes room, and the table does not grow.

use std::time::{Duration, UNIX_EPOCH};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_store::{Durability, Sessions, SqliteStore};

#[tokio::test]
async fn a_table_does_not_grow_under_a_steady_load() {
    const STEP: Duration = Duration::from_secs(15 * 60);
    const VISITORS: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::options(&path).durability(Durability::Off).open().unwrap();
    let sessions =
        Sessions::store(&Keyring::new(SecretKey::from_bytes([1; 32])), "session", "demo", store).unwrap();
    let count = |sql: &str| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let count = connection.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
        usize::try_from(count).unwrap()
    };
    let (rows, pages) = (|| count("SELECT count(*) FROM sessions"), || count("PRAGMA page_count"));

    let (mut now, mut after_a_while) = (UNIX_EPOCH + Duration::from_secs(1_790_000_000), 0);
    let mut purged = 0;
    for step in 0..96 {
        for visitor in 0..VISITORS {
            let session = sessions.create();
            session.insert("visitor", visitor).unwrap();
            sessions.commit(&session, now).await.unwrap();
        }
        now += STEP;
        purged += sessions.upkeep(|| now).await.unwrap().unwrap().purged;
        // Idle for half an hour, and a quarter of an hour until purging looks.
        assert!(rows() <= 4 * VISITORS, "{} rows at step {step}", rows());
        if step == 8 {
            after_a_while = pages();
        }
    }
    assert_eq!(purged + rows(), 96 * VISITORS);
    assert!(pages() <= after_a_while + after_a_while / 4, "{} pages after {after_a_while}", pages());
}
