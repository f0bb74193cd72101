//! A primary that Sentinels know, and another that they promote in its place.
#![cfg(unix)]

use std::time::{Duration, Instant};

use store_tests::records::{NOW, load, new_key, record};
use store_tests::redis::Server;
use store_tests::run;
use store_tests::sentinel::{NAME, Watched};
use waxseal_redis::{RedisDurability, RedisError, RedisStore};
use waxseal_store::{Creation, NetworkOptions, Record, RecordKey, SessionStore};

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(url: &str) -> Result<RedisStore, RedisError> {
    let patient = NetworkOptions::new().connect_timeout(Duration::from_secs(10));
    // So that what was acknowledged is at the replica, too.
    let durability = RedisDurability::Replicas { count: 1, timeout: Duration::from_millis(500) };
    RedisStore::options(url).network(patient).durability(durability).open().await
}

/// Creates a record as soon as that can be done; after a failover nobody confirms it.
async fn create_at_last(store: &RedisStore) -> (RecordKey, Record) {
    let start = Instant::now();
    loop {
        let (key, record) = (new_key(), record(b"sealed"));
        match store.create(&key, &record, NOW).await {
            Ok(Creation::Created) | Err(RedisError::Unconfirmed { .. }) => return (key, record),
            other => assert!(start.elapsed() < PATIENCE, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn a_primary_that_is_killed_is_followed_by_the_one_that_sentinels_promote() {
    let mut watched = Watched::start();
    let url = watched.url(NAME);
    run(async {
        let store = open(&url).await.unwrap();
        let (key, record) = (new_key(), record(b"sealed"));
        assert_eq!(store.create(&key, &record, NOW).await.unwrap(), Creation::Created);

        // One Sentinel less, the first that the store asks.
        watched.end_a_sentinel();
        watched.servers[0].kill();
        let (later, _) = create_at_last(&store).await;
        assert_eq!(load(&store, &key).await, Some(record), "what was acknowledged");
        store.ready().await.unwrap();

        // The old one comes back as a replica, and holds what came since.
        watched.servers[0].restart();
        let start = Instant::now();
        let is_a_replica = || {
            watched.servers[0].say("ROLE").is_ok_and(|answer| answer.starts_with('*'))
                && watched.servers[0]
                    .ask::<String>(redis::cmd("INFO").arg("replication"))
                    .contains("master_link_status:up")
        };
        while !is_a_replica() {
            assert!(start.elapsed() < PATIENCE, "the Sentinels make it no replica");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(load(&store, &later).await.is_some());
        assert!(load(&open(&url).await.unwrap(), &later).await.is_some(), "a store that is opened now");
    });
}

#[test]
fn what_is_wrong_with_sentinels_is_told() {
    let (watched, server) = (Watched::start(), Server::start(&[]));
    run(async {
        let said = open(&watched.url("another")).await.unwrap_err().to_string();
        assert!(said.contains("knows no primary called another; check the name in the URL"), "{said}");
        let plain = format!("redis-sentinel://127.0.0.1:{}/{NAME}", server.port);
        let said = open(&plain).await.unwrap_err().to_string();
        assert!(said.contains("is no Redis Sentinel; use `redis://`"), "{said}");
        let nobody = format!("redis-sentinel://127.0.0.1:{}/{NAME}", store_tests::free_port());
        let said = open(&nobody).await.unwrap_err().to_string();
        assert!(said.contains("check host and port, and that it runs"), "{said}");
    });
}
