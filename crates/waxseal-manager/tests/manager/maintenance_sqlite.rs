//! A day of visitors who come and go: what has expired makes room, and the table does not grow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Opened, Outcome, SessionManager};
use waxseal_sqlite::{SqliteDurability, SqliteStore};
use waxseal_store::MemoryStore;
use waxseal_store::testing::{FaultyStore, Operation, Turn};

#[tokio::test]
async fn a_table_does_not_grow_under_a_steady_load() {
    const STEP: Duration = Duration::from_secs(15 * 60);
    const VISITORS: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::options(&path).durability(SqliteDurability::Off).open().unwrap();
    let sessions =
        SessionManager::store(&Keyring::new(SecretKey::from_bytes([1; 32])), "session", "demo", store)
            .unwrap();
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
        purged += sessions.maintain(|| now).await.unwrap().unwrap().purged;
        // Idle for half an hour, and a quarter of an hour until purging looks.
        assert!(rows() <= 4 * VISITORS, "{} rows at step {step}", rows());
        if step == 8 {
            after_a_while = pages();
        }
    }
    assert_eq!(purged + rows(), 96 * VISITORS);
    assert!(pages() <= after_a_while + after_a_while / 4, "{} pages after {after_a_while}", pages());
}

/// Expired records, made past everything that makes sessions: so many take a minute otherwise.
fn fill(path: &std::path::Path, rows: u32, expires: u64) {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
        INSERT INTO sessions (public_id, hash, revision, kid, created, last_seen, expires, absolute_end, device, sealed, \
        owner, generation, quarter) SELECT i, randomblob(32), randomblob(16), x'00000000', 0, 0, ?2, ?2, '', x'', NULL, \
        0, ?2 / 900000 + 1 FROM n";
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute(sql, (rows, i64::try_from(expires).unwrap())).unwrap();
}

#[tokio::test]
async fn a_round_goes_on_while_there_is_more_and_makes_up_for_sign_outs_meanwhile() {
    const ROWS: u32 = 250_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::options(&path).durability(SqliteDurability::Off).open().unwrap();
    let store = FaultyStore::new(store);
    let sessions = SessionManager::store(
        &Keyring::new(SecretKey::from_bytes([1; 32])),
        "session",
        "demo",
        store.clone(),
    );
    let sessions = sessions.unwrap();
    let start = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    fill(&path, ROWS, 1_000_000_000_000);
    let session = sessions.create();
    session.insert("name", "Merlin").unwrap();
    let Outcome::Set { token, .. } = sessions.commit(&session, start).await.unwrap() else { panic!() };

    // A sign-out that the store refuses at first, and a tenth of a second for each batch.
    store.fail_next(1);
    let Opened::Pending(pending) = sessions.open(token.as_bytes(), Access::Change, start).unwrap() else {
        panic!()
    };
    let session = pending.to_end();
    session.destroy().unwrap();
    sessions.commit(&session, start).await.unwrap();
    store.forget();
    let mut deletes = 0;
    store.decide_with(move |operation| {
        deletes += usize::from(operation == Operation::Delete);
        if operation == Operation::Delete && deletes <= 2 { Turn::Fail } else { Turn::Work }
    });
    let ticks = AtomicU64::new(0);
    let clock = || start + Duration::from_millis(100 * ticks.fetch_add(1, Ordering::Relaxed));
    let purged = sessions.maintain(clock).await.unwrap().unwrap().purged;
    assert_eq!(purged, ROWS as usize);
    let asked = store.asked();
    let (first, last) = (asked.iter().position(|asked| *asked == Operation::Purge), asked.len());
    let made_up = asked.iter().rposition(|asked| *asked == Operation::Delete).unwrap();
    assert!(first.unwrap() < made_up && made_up < last - 100, "in between: {made_up} of {last}");
    assert_eq!(sessions.finish_ends(start).await.unwrap(), 0);
}

#[tokio::test]
async fn a_round_ends_when_the_next_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::options(&path).durability(SqliteDurability::Off).open().unwrap();
    let sessions =
        SessionManager::store(&Keyring::new(SecretKey::from_bytes([1; 32])), "session", "demo", store)
            .unwrap();
    fill(&path, 100_000, 1_000_000_000_000);
    let ticks = AtomicU64::new(0);
    let clock = || UNIX_EPOCH + Duration::from_secs(1_790_000_000 + ticks.fetch_add(1, Ordering::Relaxed));
    let mut rounds = Vec::new();
    while rounds.iter().sum::<usize>() < 100_000 {
        rounds.push(sessions.maintain(clock).await.unwrap().unwrap().purged);
        assert!(rounds.len() < 10, "{rounds:?}");
    }
    // A second for each batch.
    assert!(rounds.len() > 2 && rounds[0] <= 61 * 500, "{rounds:?}");
}

#[tokio::test]
async fn others_have_their_turn_between_two_batches_of_a_store_that_never_waits() {
    let store = MemoryStore::new();
    let sessions =
        SessionManager::store(&Keyring::new(SecretKey::from_bytes([1; 32])), "session", "demo", store)
            .unwrap();
    let start = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    for visitor in 0..2_500 {
        let session = sessions.create();
        session.insert("visitor", visitor).unwrap();
        sessions.commit(&session, start).await.unwrap();
    }
    let turns = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = turns.clone();
    let other = async move {
        loop {
            counted.set(counted.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let later = start + Duration::from_secs(86_400);
    let purged = tokio::select! {
        round = sessions.maintain(|| later) => round.unwrap().unwrap().purged,
        () = other => unreachable!(),
    };
    assert_eq!(purged, 2_500);
    assert!(turns.get() >= 5, "{} turns", turns.get());
}
