//! Several processes on one database, and a server that is killed.
//!
//! The long versions: `cargo test -p waxseal-postgres --features servers --test postgres_processes --release -- --ignored`.
#![cfg(unix)]

mod support;

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store_tests::postgres::Cluster;
use store_tests::records::{NOW, load, new_key, number, read_key, record, write_key};
use support::{new_schema, patient};
use waxseal_postgres::PostgresStore;
use waxseal_store::{Record, RecordKey, SessionStore, Swap};

const URL: &str = "WAXSEAL_TEST_CHILD_URL";
const WORK: &str = "WAXSEAL_TEST_CHILD_WORK";

/// What this program does as a child; as a test it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(url), Ok(work)) = (std::env::var(URL), std::env::var(WORK)) else { return };
    let [schema, key, clients, times] = *work.split(' ').collect::<Vec<_>>() else { panic!("unknown work") };
    let options = PostgresStore::options(&url).schema(schema).network(patient().connections(4));
    let (store, key) = (options.open().await.unwrap(), read_key(key));
    let times: u64 = times.parse().unwrap();
    let clients = (0..clients.parse().unwrap()).map(|client| {
        let store = store.clone();
        tokio::spawn(async move { increment(&store, &key, client, times).await })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

/// Adds one, `times` times, by compare-and-swap. Whoever was too late pauses before the next try, as sessions do:
/// otherwise nearly every try of so many would be too late.
async fn increment(store: &PostgresStore, key: &RecordKey, client: u64, times: u64) {
    for n in 0..times {
        for tried in 0.. {
            let before = load(store, key).await.unwrap();
            let number = u64::from_be_bytes(before.sealed[..].try_into().unwrap());
            let sealed = (number + 1).to_be_bytes().to_vec();
            let after = Record { revision: before.revision.next().unwrap(), sealed, ..before.clone() };
            match store.update(key, &before.revision, &after, NOW).await.unwrap() {
                Swap::Done => break,
                Swap::Conflict => {
                    // Something that differs from client to client and from time to time.
                    let spread = (client * 31 + n * 17 + tried * 7) % 64;
                    tokio::time::sleep(Duration::from_millis(spread << tried.min(2))).await;
                }
                Swap::Gone => panic!("nobody ended it"),
            }
        }
    }
}

async fn three_processes(clients: u64, times: u64) {
    const PROCESSES: u64 = 3;
    let cluster = Cluster::fast();
    let schema = new_schema();
    let options = support::options(&cluster).schema(&schema);
    let (store, key) = (options.open().await.unwrap(), new_key());
    _ = store.create(&key, &record(&[0; 8]), NOW).await.unwrap();
    let children = (0..PROCESSES).map(|_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(URL, cluster.url("postgres"))
            .env(WORK, format!("{schema} {} {clients} {times}", write_key(&key)))
            .spawn()
            .unwrap()
    });
    for mut child in children.collect::<Vec<_>>() {
        assert!(tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap().success());
    }
    assert_eq!(number(&store, &key).await, PROCESSES * clients * times);
}

#[tokio::test(flavor = "multi_thread")]
async fn increments_from_three_processes_sum_exactly() {
    three_processes(8, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "192,000 increments"]
async fn increments_from_three_processes_of_sixty_four_clients_sum_exactly() {
    three_processes(64, 1_000).await;
}

/// What was acknowledged: keys of sessions that were made and updated, and of sessions that were made and ended.
#[derive(Default)]
struct Acknowledged {
    updated: Vec<RecordKey>,
    ended: Vec<RecordKey>,
}

/// Creates, then updates or deletes, until the store fails.
async fn write(store: PostgresStore, acknowledged: Arc<Mutex<Acknowledged>>) {
    for round in 0.. {
        let (key, first) = (new_key(), record(b"before"));
        let Ok(_) = store.create(&key, &first, NOW).await else { return };
        if round % 4 == 0 {
            let Ok(ended) = store.delete(&key, NOW).await else { return };
            assert!(ended);
            acknowledged.lock().unwrap().ended.push(key);
        } else {
            let after = Record { revision: first.revision.next().unwrap(), ..record(b"after") };
            let Ok(swap) = store.update(&key, &first.revision, &after, NOW).await else { return };
            assert_eq!(swap, Swap::Done);
            acknowledged.lock().unwrap().updated.push(key);
        }
    }
}

async fn kill_the_server(rounds: usize) {
    const EACH: usize = 500;
    let mut cluster = Cluster::start(&["synchronous_commit=on"]);
    let options = support::options(&cluster);
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let count = || {
        let acknowledged = acknowledged.lock().unwrap();
        acknowledged.updated.len() + acknowledged.ended.len()
    };
    for round in 0..rounds {
        let store = options.clone().open().await.unwrap();
        let before = count();
        let writers: Vec<_> =
            (0..8).map(|_| tokio::spawn(write(store.clone(), Arc::clone(&acknowledged)))).collect();
        while count() < before + EACH {
            tokio::task::yield_now().await;
        }
        cluster.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        cluster.run();
        let store = options.clone().open().await.unwrap();
        let (updated, ended) = {
            let acknowledged = acknowledged.lock().unwrap();
            (acknowledged.updated.clone(), acknowledged.ended.clone())
        };
        for key in &updated {
            assert_eq!(
                load(&store, key).await.map(|record| record.sealed).as_deref(),
                Some(&b"after"[..]),
                "round {round}"
            );
        }
        for key in &ended {
            assert_eq!(load(&store, key).await, None, "round {round}");
        }
    }
    assert!(count() >= rounds * EACH);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_no_acknowledged_write() {
    kill_the_server(2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "20 rounds"]
async fn a_server_killed_twenty_times_loses_no_acknowledged_write() {
    kill_the_server(20).await;
}
