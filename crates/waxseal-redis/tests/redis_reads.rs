//! Reads of sessions whose owner is known, which take no script, and what others have done in between.

use std::time::Duration;

use store_tests::records::{NOW, load, new_key, record};
use store_tests::redis::{Cluster, Server};
use store_tests::{patient, run};
use waxseal_redis::RedisStore;
use waxseal_store::{Creation, Found, Record, RecordKey, SessionId, SessionStore, Swap};

async fn open(url: &str) -> RedisStore {
    RedisStore::options(url).network(patient()).open().await.unwrap()
}

async fn create(store: &RedisStore, record: &Record) -> RecordKey {
    let key = new_key();
    assert_eq!(store.create(&key, record, NOW).await.unwrap(), Creation::Created);
    key
}

/// A record of the version after `before`, with this owner.
fn after(before: &Record, owner: Option<&str>) -> Record {
    let (revision, owner) = (before.revision.next().unwrap(), owner.map(str::to_owned));
    Record { revision, owner, ..before.clone() }
}

fn scripts_called(server: &Server) -> u64 {
    let stats: String = server.ask(redis::cmd("INFO").arg("commandstats"));
    let calls = stats.lines().filter_map(|line| {
        let (_, calls) = line.strip_prefix("cmdstat_eval")?.split_once("calls=")?;
        calls.split(',').next()?.parse::<u64>().ok()
    });
    calls.sum()
}

#[test]
fn a_session_that_was_seen_before_is_read_without_a_script() {
    let server = Server::start(&[]);
    run(async {
        let [writer, reader] = [open(&server.url()).await, open(&server.url()).await];
        // From now on the server knows the scripts.
        let other = create(&writer, &record(b"x")).await;
        assert!(load(&reader, &other).await.is_some());
        for owner in [None, Some("luna")] {
            let first = Record { owner: owner.map(str::to_owned), ..record(b"x") };
            let key = create(&writer, &first).await;
            let before = scripts_called(&server);
            for _ in 0..3 {
                assert_eq!(load(&writer, &key).await.as_ref(), Some(&first), "{owner:?}");
                let Some(Found::Living(head)) = writer.revalidate(&key, NOW).await.unwrap() else {
                    panic!("{owner:?}")
                };
                assert_eq!((head.revision, head.owner.as_deref()), (first.revision, owner));
            }
            assert_eq!(scripts_called(&server), before, "{owner:?}: whoever wrote it knows it");
            for _ in 0..3 {
                assert_eq!(load(&reader, &key).await.as_ref(), Some(&first), "{owner:?}");
            }
            assert_eq!(scripts_called(&server), before + 1, "{owner:?}: others after their first read");
        }
    });
}

/// Each store is a process of its own; `writer` does something to a session that `reader` has seen.
async fn what_others_do_is_seen(url: &str) {
    let [writer, reader] = [open(url).await, open(url).await];
    let seen = async |owner: Option<&str>| {
        let first = Record { owner: owner.map(str::to_owned), ..record(b"x") };
        let key = create(&writer, &first).await;
        for _ in 0..2 {
            assert_eq!(load(&reader, &key).await.as_ref(), Some(&first));
        }
        (key, first)
    };

    for (from, to) in [(None, Some("luna")), (Some("luna"), None), (Some("luna"), Some("neville"))] {
        let (key, first) = seen(from).await;
        let second = after(&first, to);
        assert_eq!(writer.update(&key, &first.revision, &second, NOW).await.unwrap(), Swap::Done);
        for _ in 0..2 {
            assert_eq!(load(&reader, &key).await.as_ref(), Some(&second), "from {from:?} to {to:?}");
        }
    }

    for owner in [None, Some("ginny")] {
        let (key, _) = seen(owner).await;
        assert!(writer.delete(&key, NOW).await.unwrap());
        assert_eq!(load(&reader, &key).await, None, "{owner:?} signed out");

        let id = SessionId::generate().unwrap();
        let first = Record { owner: owner.map(str::to_owned), ..record(b"x") };
        assert_eq!(writer.create(&id.key(), &first, NOW).await.unwrap(), Creation::Created);
        assert_eq!(load(&reader, &id.key()).await.as_ref(), Some(&first));
        let (new, second) = (id.renewed().unwrap(), after(&first, owner));
        let end = NOW.after(Duration::from_secs(60));
        let renewed = writer.renew(&id.key(), &first.revision, &new.key(), &second, end, NOW).await.unwrap();
        assert_eq!(renewed, Swap::Done);
        assert_eq!(reader.load(&id.key(), NOW).await.unwrap(), Some(Found::Renewed), "{owner:?}");
        assert_eq!(load(&reader, &new.key()).await.as_ref(), Some(&second), "{owner:?}");
    }

    let (kept, first) = seen(Some("albus")).await;
    let (ended, _) = seen(Some("albus")).await;
    writer.end_all("albus", Some(&kept), NOW).await.unwrap();
    assert_eq!(load(&reader, &ended).await, None);
    assert_eq!(load(&reader, &kept).await.as_ref(), Some(&first));
    writer.end_all("albus", None, NOW).await.unwrap();
    assert_eq!(load(&reader, &kept).await, None);

    let mut brief = record(b"x");
    brief.life.expires = NOW.after(Duration::from_secs(10));
    let key = create(&writer, &brief).await;
    for (second, is_alive) in [(0, true), (9, true), (10, false)] {
        let found = reader.load(&key, NOW.after(Duration::from_secs(second))).await.unwrap();
        assert_eq!(found.is_some(), is_alive, "after {second} s");
    }
}

#[test]
fn what_others_do_on_one_server_is_seen() {
    let server = Server::start(&[]);
    run(what_others_do_is_seen(&server.url()));
}

#[test]
fn what_others_do_in_a_cluster_is_seen() {
    let cluster = Cluster::start(&[]);
    run(what_others_do_is_seen(&cluster.url()));
}
