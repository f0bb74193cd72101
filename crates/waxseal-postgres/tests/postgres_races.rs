//! Statements that lose a race, one by one: another transaction holds a row, the call waits for it, and then finds
//! what that transaction did. The suite's races meet these moments by chance; here they are made.
#![cfg(unix)]

mod support;

use std::fmt::Write;

use store_tests::postgres::Cluster;
use store_tests::records::{NOW, load, new_key, record};
use support::new_schema;
use tokio_postgres::NoTls;
use waxseal_postgres::PostgresStore;
use waxseal_store::{Creation, Found, Record, RecordKey, SessionStore, Swap, Timestamp};

/// A session of albus', and another that was renewed but is not committed yet, and so on: see each test.
struct Table {
    cluster: Cluster,
    schema: String,
    store: PostgresStore,
}

impl Table {
    async fn new() -> Self {
        let (cluster, schema) = (Cluster::fast(), new_schema());
        let store = support::options(&cluster).schema(&schema).open().await.unwrap();
        Self { cluster, schema, store }
    }

    async fn session(&self, owner: Option<&str>) -> (RecordKey, Record) {
        let (key, record) = (new_key(), Record { owner: owner.map(str::to_owned), ..record(b"x") });
        assert_eq!(self.store.create(&key, &record, NOW).await.unwrap(), Creation::Created);
        (key, record)
    }

    /// Runs `other` in a transaction and keeps that open until `call`, which is started then, waits for it; then
    /// commits, and returns what the call says.
    async fn while_open<T: Send + 'static>(
        &self,
        other: String,
        call: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let (client, connection) =
            tokio_postgres::connect(&self.cluster.url("postgres"), NoTls).await.unwrap();
        tokio::spawn(connection);
        let other = other.replace("SCHEMA", &self.schema);
        client.batch_execute(&format!("BEGIN; {other}")).await.unwrap();
        let call = tokio::spawn(call);
        loop {
            let waiting = self.cluster.sql("SELECT count(*) FROM pg_locks WHERE NOT granted").await;
            if waiting != ["0"] {
                break;
            }
            assert!(!call.is_finished(), "the call did not wait");
        }
        client.batch_execute("COMMIT").await.unwrap();
        call.await.unwrap()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("'\\x".to_owned(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    }) + "'"
}

fn id_number(key: &RecordKey) -> i64 {
    i64::from_be_bytes(*key.public_id().as_bytes())
}

fn renewed(key: &RecordKey) -> RecordKey {
    RecordKey::new(key.public_id(), *new_key().hash())
}

/// What a renewal does.
fn renewal(old: &RecordKey, new: &RecordKey) -> String {
    let (id, old, new) = (id_number(old), hex(old.hash()), hex(new.hash()));
    let end = NOW.as_millis() + 60_000;
    format!(
        "UPDATE SCHEMA.sessions SET hash = {new} WHERE public_id = {id}; \
         INSERT INTO SCHEMA.tombstones VALUES ({old}, {end})"
    )
}

/// What "end all others" does for an owner who did it before.
fn end_all_but(key: &RecordKey) -> String {
    let id = id_number(key);
    format!(
        "UPDATE SCHEMA.owners SET generation = generation + 1 WHERE owner = 'albus'; \
         UPDATE SCHEMA.sessions s SET generation = o.generation FROM SCHEMA.owners o \
         WHERE s.public_id = {id} AND o.owner = 'albus'"
    )
}

#[tokio::test]
async fn a_sign_out_that_a_renewal_was_faster_than_ends_nothing() {
    let table = Table::new().await;
    let (old, record) = table.session(None).await;
    let (new, store) = (renewed(&old), table.store.clone());
    let ended = table.while_open(renewal(&old, &new), async move { store.delete(&old, NOW).await });
    assert!(!ended.await.unwrap());
    assert_eq!(load(&table.store, &new).await, Some(record));
}

#[tokio::test]
async fn ending_all_others_keeps_a_session_that_is_being_renewed() {
    let table = Table::new().await;
    let ((old, record), (ended, _)) =
        (table.session(Some("albus")).await, table.session(Some("albus")).await);
    let (new, store) = (renewed(&old), table.store.clone());
    let call =
        table.while_open(renewal(&old, &new), async move { store.end_all("albus", Some(&old), NOW).await });
    call.await.unwrap();
    assert_eq!(load(&table.store, &new).await, Some(record));
    assert_eq!(load(&table.store, &ended).await, None);
}

#[tokio::test]
async fn of_two_who_end_all_others_neither_brings_itself_back() {
    let table = Table::new().await;
    table.store.end_all("albus", None, NOW).await.unwrap();
    let ((one, _), (other, _)) = (table.session(Some("albus")).await, table.session(Some("albus")).await);
    let store = table.store.clone();
    let call =
        table.while_open(end_all_but(&one), async move { store.end_all("albus", Some(&other), NOW).await });
    call.await.unwrap();
    for key in [one, other] {
        assert_eq!(load(&table.store, &key).await, None, "{key:?}");
    }
}

#[tokio::test]
async fn two_who_keep_the_same_session_both_keep_it() {
    let table = Table::new().await;
    table.store.end_all("albus", None, NOW).await.unwrap();
    let ((kept, record), (ended, _)) =
        (table.session(Some("albus")).await, table.session(Some("albus")).await);
    let store = table.store.clone();
    let call =
        table.while_open(end_all_but(&kept), async move { store.end_all("albus", Some(&kept), NOW).await });
    call.await.unwrap();
    assert_eq!(load(&table.store, &kept).await, Some(record));
    assert_eq!(load(&table.store, &ended).await, None);
}

#[tokio::test]
async fn a_save_of_a_kept_session_keeps_it() {
    let table = Table::new().await;
    table.store.end_all("albus", None, NOW).await.unwrap();
    let (kept, record) = table.session(Some("albus")).await;
    let (store, after) =
        (table.store.clone(), Record { revision: record.revision.next().unwrap(), ..record.clone() });
    let saved = after.clone();
    let swap = table.while_open(end_all_but(&kept), async move {
        store.update(&kept, &record.revision, &saved, NOW).await
    });
    assert_eq!(swap.await.unwrap(), Swap::Done);
    assert_eq!(load(&table.store, &kept).await, Some(after));
}

#[tokio::test]
async fn a_save_or_renewal_that_a_sign_out_was_faster_than_is_gone() {
    let table = Table::new().await;
    for renews in [false, true] {
        let (key, record) = table.session(None).await;
        let (new, store) = (renewed(&key), table.store.clone());
        let delete = format!("DELETE FROM SCHEMA.sessions WHERE public_id = {}", id_number(&key));
        let swap = table.while_open(delete, async move {
            let after = Record { revision: record.revision.next().unwrap(), ..record.clone() };
            if renews {
                store.renew(&key, &record.revision, &new, &after, Timestamp::MAX, NOW).await
            } else {
                store.update(&key, &record.revision, &after, NOW).await
            }
        });
        assert_eq!(swap.await.unwrap(), Swap::Gone, "renews: {renews}");
        assert_eq!(table.store.load(&key, NOW).await.unwrap(), None, "no tombstone of what was not renewed");
    }
}

#[tokio::test]
async fn a_save_that_another_was_faster_than_is_a_conflict() {
    let table = Table::new().await;
    let (key, record) = table.session(None).await;
    let (store, next) = (table.store.clone(), record.revision.next().unwrap());
    let other = format!(
        "UPDATE SCHEMA.sessions SET revision = {} WHERE public_id = {}",
        hex(next.as_bytes()),
        id_number(&key)
    );
    let swap = table.while_open(other, async move {
        let after = Record { revision: record.revision.next().unwrap(), ..record.clone() };
        store.update(&key, &record.revision, &after, NOW).await
    });
    assert_eq!(swap.await.unwrap(), Swap::Conflict);
    assert_eq!(load(&table.store, &key).await.unwrap().revision, next);
}

#[tokio::test]
async fn a_renewal_that_another_was_faster_than_changes_nothing() {
    let table = Table::new().await;
    let (old, record) = table.session(None).await;
    let (won, lost, store) = (renewed(&old), renewed(&old), table.store.clone());
    let swap = table.while_open(renewal(&old, &won), async move {
        let after = Record { revision: record.revision.next().unwrap(), ..record.clone() };
        store.renew(&old, &record.revision, &lost, &after, Timestamp::MAX, NOW).await
    });
    assert_eq!(swap.await.unwrap(), Swap::Gone);
    let end = Timestamp::from_millis(NOW.as_millis() + 60_000);
    assert_eq!(table.store.load(&old, NOW).await.unwrap(), Some(Found::Renewed));
    assert_eq!(table.store.load(&old, end).await.unwrap(), None, "the tombstone is the faster one's");
    assert!(load(&table.store, &won).await.is_some());
    assert_eq!(load(&table.store, &lost).await, None);
}
