//! Races that only a store of several steps can lose, on one server and on a cluster.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use store_tests::records::{NOW, load, new_key, record};
use store_tests::redis::{Cluster, Server};
use store_tests::{patient, run};
use waxseal_redis::RedisStore;
use waxseal_store::{Creation, Record, RecordKey, SessionId, SessionStore, Swap};

const ROUNDS: usize = 60;

async fn two_stores(url: &str) -> [RedisStore; 2] {
    let open = || RedisStore::options(url).network(patient()).open();
    [open().await.unwrap(), open().await.unwrap()]
}

async fn create(store: &RedisStore, owner: Option<&str>) -> (RecordKey, Record) {
    let (key, record) = (new_key(), Record { owner: owner.map(str::to_owned), ..record(b"x") });
    assert_eq!(store.create(&key, &record, NOW).await.unwrap(), Creation::Created);
    (key, record)
}

/// In whichever order they are done, the kept session is ended by the one that keeps none.
async fn a_kept_session_does_not_outlive_anothers_end_all(stores: &[RedisStore; 2]) {
    for round in 0..ROUNDS {
        let owner = format!("albus {round}");
        let (key, _) = create(&stores[0], Some(&owner)).await;
        let (keeps, ends) = (stores[round % 2].clone(), stores[1 - round % 2].clone());
        let ends = {
            let owner = owner.clone();
            tokio::spawn(async move { ends.end_all(&owner, None, NOW).await.unwrap() })
        };
        keeps.end_all(&owner, Some(&key), NOW).await.unwrap();
        ends.await.unwrap();
        assert_eq!(load(&stores[0], &key).await, None, "round {round}");
    }
}

/// As after a double click: none of the two ends it for the other.
async fn a_session_that_two_keep_is_kept(stores: &[RedisStore; 2]) {
    for round in 0..ROUNDS {
        let owner = format!("minerva {round}");
        let (kept, record) = create(&stores[0], Some(&owner)).await;
        let (ended, _) = create(&stores[0], Some(&owner)).await;
        let tasks = stores.clone().map(|store| {
            let owner = owner.clone();
            tokio::spawn(async move { store.end_all(&owner, Some(&kept), NOW).await.unwrap() })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(load(&stores[0], &ended).await, None, "round {round}");
        assert_eq!(load(&stores[1], &kept).await.as_ref(), Some(&record), "round {round}");
        let listed = stores[1].list(&owner, None, 10, NOW).await.unwrap().items;
        assert_eq!(
            listed.iter().map(|listed| listed.public_id).collect::<Vec<_>>(),
            [kept.public_id()],
            "round {round}"
        );
    }
}

/// Signing in while somebody ends all sessions of that user: found or not, but never gone and back again.
async fn a_sign_in_beside_an_end_all_is_there_or_not(stores: &[RedisStore; 2]) {
    for round in 0..ROUNDS {
        let owner = format!("severus {round}");
        let (key, before) = create(&stores[0], None).await;
        let revision = before.revision.next().unwrap();
        let after = Record { revision, owner: Some(owner.clone()), ..before.clone() };
        let signs_in = {
            let (store, after) = (stores[1].clone(), after.clone());
            tokio::spawn(async move { store.update(&key, &before.revision, &after, NOW).await.unwrap() })
        };
        stores[0].end_all(&owner, None, NOW).await.unwrap();
        assert_eq!(signs_in.await.unwrap(), Swap::Done, "round {round}");
        let found = load(&stores[0], &key).await;
        assert!(found.is_none() || found.as_ref() == Some(&after), "round {round}");
        for store in stores {
            assert_eq!(load(store, &key).await, found, "round {round}");
        }
        stores[0].end_all(&owner, None, NOW).await.unwrap();
        assert_eq!(load(&stores[1], &key).await, None, "round {round}");
    }
}

/// As after a third click, with the first one held up half-way by the network: the session has its pass, and the others
/// have been ended twice before they are ended once more.
#[test]
fn a_session_whose_keeper_is_late_is_kept() {
    let server = Server::start(&[]);
    run(async {
        let stores = two_stores(&server.url()).await;
        // On a busy machine a keeper can be done before it is held up.
        for _ in 0..ROUNDS {
            let _: () = server.ask(&redis::cmd("FLUSHALL"));
            let (kept, record) = create(&stores[0], Some("albus")).await;
            let (ended, _) = create(&stores[0], Some("albus")).await;
            let mut late = std::pin::pin!(stores[0].end_all("albus", Some(&kept), NOW));
            if !waits_after_the_pass(late.as_mut(), &server).await {
                continue;
            }
            for _ in 0..2 {
                stores[1].end_all("albus", Some(&kept), NOW).await.unwrap();
            }
            late.await.unwrap();
            assert_eq!(load(&stores[0], &ended).await, None);
            assert_eq!(load(&stores[1], &kept).await, Some(record));
            return;
        }
        panic!("each of {ROUNDS} was done before it could be held up");
    });
}

/// Whether `late` could be stopped once a session has a pass. Each poll takes it one step further at most.
async fn waits_after_the_pass(mut late: Pin<&mut impl Future>, server: &Server) -> bool {
    let has_pass = || {
        let rows: Vec<String> = server.ask(redis::cmd("KEYS").arg("*"));
        let kind = |row: &String| server.ask::<String>(redis::cmd("TYPE").arg(row));
        let pass = |row: &String| server.ask::<Vec<u8>>(redis::cmd("GETRANGE").arg(row).arg(93).arg(100));
        rows.iter().filter(|row| kind(row) == "string").any(|row| pass(row).iter().any(|byte| *byte != 0))
    };
    while !has_pass() {
        let is_done = poll_fn(|context| Poll::Ready(late.as_mut().poll(context).is_ready())).await;
        if is_done {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

fn races(url: &str) {
    run(async {
        let stores = two_stores(url).await;
        a_kept_session_does_not_outlive_anothers_end_all(&stores).await;
        a_session_that_two_keep_is_kept(&stores).await;
        a_sign_in_beside_an_end_all_is_there_or_not(&stores).await;
    });
}

#[test]
fn races_on_one_server() {
    races(&Server::start(&[]).url());
}

#[test]
fn races_on_a_cluster() {
    races(&Cluster::start(&[]).url());
}

#[test]
fn a_session_that_is_renewed_in_a_loop_keeps_its_newest_tombstones() {
    let server = Server::start(&[]);
    run(async {
        let store = RedisStore::options(&server.url()).network(patient()).open().await.unwrap();
        let mut id = SessionId::generate().unwrap();
        let first = id.key();
        let mut before = record(b"x");
        assert_eq!(store.create(&first, &before, NOW).await.unwrap(), Creation::Created);
        let minute = Duration::from_secs(60);
        for round in 0..200 {
            let (old, now) = (id.key(), NOW.after(Duration::from_millis(round)));
            id = id.renewed().unwrap();
            let (new, end) = (id.key(), now.after(minute));
            let after = Record { revision: before.revision.next().unwrap(), ..before.clone() };
            let swap = store.renew(&old, &before.revision, &new, &after, end, now).await.unwrap();
            assert_eq!(swap, Swap::Done);
            before = after;
        }
        let tombstones = format!("waxseal:{{{}}}:t", first.public_id());
        let count: usize = server.ask(redis::cmd("HLEN").arg(tombstones));
        assert_eq!(count, 64);
        assert_eq!(store.load(&first, NOW).await.unwrap(), None, "the oldest made way");
    });
}
