//! Several processes on one server, and the end of a server.
//!
//! The long versions: `cargo test -p waxseal-redis --features servers --test redis_processes --release -- --ignored`.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store_tests::records::{NOW, load, new_key, number, read_key, record, write_key};
use store_tests::redis::{Cluster, Server};
use store_tests::{patient, run};
use waxseal_redis::RedisStore;
use waxseal_store::{Creation, Record, RecordKey, SessionStore, Swap};

const URL: &str = "TEST_CHILD_URL";
const WORK: &str = "TEST_CHILD_WORK";

/// What this program does as a child; as a test it does nothing.
#[test]
fn child() {
    let (Ok(url), Ok(work)) = (std::env::var(URL), std::env::var(WORK)) else { return };
    let work: Vec<_> = work.split(' ').collect();
    let [key, clients, times] = work[..] else { panic!("unknown work") };
    run(async {
        let store = open(&url).await;
        increment(&store, read_key(key), clients.parse().unwrap(), times.parse().unwrap()).await;
    });
}

/// Patient: what is counted here is sums, on machines that may be busy.
async fn open(url: &str) -> RedisStore {
    RedisStore::options(url).network(patient()).open().await.unwrap()
}

/// Each of the clients adds one to the number that the sealed bytes are, so many times, by compare-and-swap.
async fn increment(store: &RedisStore, key: RecordKey, clients: usize, times: usize) {
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..times {
                    while !increment_once(&store, &key).await {
                        // Something other for each client and time, so that they do not run in step.
                        let pause = new_key().hash()[0];
                        tokio::time::sleep(Duration::from_micros(100 * u64::from(pause))).await;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

async fn increment_once(store: &RedisStore, key: &RecordKey) -> bool {
    let before = load(store, key).await.unwrap();
    let sealed = (u64::from_be_bytes(before.sealed[..].try_into().unwrap()) + 1).to_be_bytes().to_vec();
    let after = Record { revision: before.revision.next().unwrap(), sealed, ..before.clone() };
    match store.update(key, &before.revision, &after, NOW).await.unwrap() {
        Swap::Done => true,
        Swap::Conflict => false,
        Swap::Gone => panic!("nobody ended it"),
    }
}

fn increments_from_processes(url: &str, owner: Option<&str>, processes: usize, clients: usize, times: usize) {
    let key = new_key();
    let store = async {
        let store = open(url).await;
        let first = Record { owner: owner.map(str::to_owned), ..record(&[0; 8]) };
        assert_eq!(store.create(&key, &first, NOW).await.unwrap(), Creation::Created);
        store
    };
    run(async {
        let store = store.await;
        let children: Vec<_> = (0..processes)
            .map(|_| {
                Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
                    .env(URL, url)
                    .env(WORK, format!("{} {clients} {times}", write_key(&key)))
                    .stdout(std::process::Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for mut child in children {
            assert!(tokio::task::spawn_blocking(move || child.wait().unwrap().success()).await.unwrap());
        }
        assert_eq!(number(&store, &key).await, (processes * clients * times) as u64);
    });
}

#[test]
fn increments_from_three_processes_sum_exactly() {
    increments_from_processes(&Server::start(&[]).url(), None, 3, 64, 2);
}

#[test]
fn increments_from_three_processes_on_a_cluster_sum_exactly() {
    increments_from_processes(&Cluster::start(&[]).url(), Some("albus"), 3, 16, 2);
}

#[test]
#[ignore = "192,000 increments"]
fn increments_of_a_thousand_each_sum_exactly() {
    increments_from_processes(&Server::start(&[]).url(), None, 3, 64, 1_000);
}

#[test]
#[ignore = "19,200 increments"]
fn increments_of_a_hundred_each_on_a_cluster_sum_exactly() {
    increments_from_processes(&Cluster::start(&[]).url(), Some("albus"), 3, 64, 100);
}

/// What was acknowledged: sessions, with the bytes they must have, or `None` for those that were ended.
type Acknowledged = Arc<Mutex<Vec<(RecordKey, Option<&'static [u8]>)>>>;

/// Creates, updates and deletes until the server is gone.
async fn write_until_killed(store: RedisStore, acknowledged: Acknowledged, count: Arc<AtomicUsize>) {
    let note = |key, bytes| {
        acknowledged.lock().unwrap().push((key, bytes));
        count.fetch_add(1, Ordering::SeqCst);
    };
    for round in 0.. {
        let (key, first) = (new_key(), record(b"before"));
        let Ok(Creation::Created) = store.create(&key, &first, NOW).await else { return };
        if round % 4 == 0 {
            let Ok(true) = store.delete(&key, NOW).await else { return };
            note(key, None);
        } else {
            let after = Record { revision: first.revision.next().unwrap(), ..record(b"after") };
            let Ok(Swap::Done) = store.update(&key, &first.revision, &after, NOW).await else { return };
            note(key, Some(b"after"));
        }
    }
}

fn kill_the_server(rounds: usize) {
    const ACKNOWLEDGED: usize = 500;
    let mut server = Server::start_durable();
    let acknowledged = Acknowledged::default();
    run(async {
        for round in 0..rounds {
            let (store, count) = (open(&server.url()).await, Arc::new(AtomicUsize::new(0)));
            let writers: Vec<_> = (0..8)
                .map(|_| {
                    let (acknowledged, count) = (Arc::clone(&acknowledged), Arc::clone(&count));
                    tokio::spawn(write_until_killed(store.clone(), acknowledged, count))
                })
                .collect();
            while count.load(Ordering::SeqCst) < ACKNOWLEDGED {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            server.kill();
            for writer in writers {
                writer.await.unwrap();
            }
            server.restart();
            let store = open(&server.url()).await;
            let acknowledged = acknowledged.lock().unwrap().clone();
            assert!(acknowledged.len() >= (round + 1) * ACKNOWLEDGED);
            for (key, expected) in &acknowledged {
                let found = load(&store, key).await.map(|record| record.sealed);
                assert_eq!(found.as_deref(), *expected, "round {round}: {key:?}");
            }
        }
    });
}

#[test]
fn a_killed_server_loses_no_acknowledged_write() {
    kill_the_server(2);
}

#[test]
#[ignore = "20 rounds"]
fn a_server_killed_twenty_times_loses_no_acknowledged_write() {
    kill_the_server(20);
}
