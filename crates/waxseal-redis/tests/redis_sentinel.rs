//! A primary that Sentinels know, and another that they promote in its place.
#![cfg(unix)]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use store_tests::records::{NOW, load, new_key, record};
use store_tests::redis::{Server, documented_rule};
use store_tests::run;
use store_tests::sentinel::{NAME, Watched};
use waxseal_redis::{RedisDurability, RedisError, RedisStore};
use waxseal_store::{Creation, NetworkOptions, RecordKey, SessionStore};

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// The time of a call that is not to fail for being slow.
const LONG: Duration = Duration::from_secs(20);
/// The time of a call that is given up.
const SHORT: Duration = Duration::from_secs(2);

/// A connection may take longer than a call, so that a server that is silent is no error before the call's end.
fn network(command: Duration) -> NetworkOptions {
    NetworkOptions::new().connect_timeout(LONG).command_timeout(command)
}

async fn open_for(url: &str, command: Duration) -> Result<RedisStore, RedisError> {
    // So that what was acknowledged is at the replica, too.
    let durability = RedisDurability::Replicas { count: 1, timeout: command / 4 };
    RedisStore::options(url).network(network(command)).durability(durability).open().await
}

async fn open(url: &str) -> Result<RedisStore, RedisError> {
    open_for(url, LONG).await
}

/// Without waiting for replicas.
async fn open_alone(url: &str, command: Duration) -> RedisStore {
    RedisStore::options(url).network(network(command)).open().await.unwrap()
}

async fn create(store: &RedisStore) -> Result<RecordKey, RedisError> {
    let key = new_key();
    let creation = store.create(&key, &record(b"sealed"), NOW).await?;
    assert_eq!(creation, Creation::Created);
    Ok(key)
}

fn has(server: &Server, key: &RecordKey) -> bool {
    server.ask(redis::cmd("EXISTS").arg(format!("waxseal:{{{}}}", key.public_id())))
}

/// Creates a record at this server as soon as that can be done; after a failover nobody confirms it.
async fn create_at(server: &Server, store: &RedisStore) -> RecordKey {
    let start = Instant::now();
    loop {
        let key = new_key();
        match store.create(&key, &record(b"sealed"), NOW).await {
            Ok(Creation::Created) | Err(RedisError::Unconfirmed { .. }) if has(server, &key) => return key,
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
        let later = create_at(&watched.servers[1], &store).await;
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
fn two_silent_sentinels_do_not_hide_the_others() {
    let watched = Watched::start();
    let silent = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    let ports = silent.each_ref().map(|listener| listener.local_addr().unwrap().port());
    let first = format!("redis-sentinel://127.0.0.1:{},127.0.0.1:{},", ports[0], ports[1]);
    let url = watched.url(NAME).replace("redis-sentinel://", &first);
    let mut watched = watched;
    run(async {
        let start = Instant::now();
        let store = open(&url).await.unwrap();
        assert!(start.elapsed() < LONG * 3 / 4, "{:?}", start.elapsed());
        watched.servers[0].kill();
        create_at(&watched.servers[1], &store).await;
    });
}

#[test]
fn a_primary_that_hangs_is_followed_by_the_one_that_sentinels_promote() {
    let watched = Watched::start();
    run(async {
        let store = open_for(&watched.url(NAME), SHORT).await.unwrap();
        create_at(&watched.servers[0], &store).await;
        watched.servers[0].stand_still();
        let later = create_at(&watched.servers[1], &store).await;
        watched.servers[0].go_on();
        assert!(load(&store, &later).await.is_some());
    });
}

#[test]
fn a_primary_that_was_replaced_is_left_though_it_answers() {
    let watched = Watched::start();
    let [old, new] = &watched.servers;
    run(async {
        let store = open_alone(&watched.url(NAME), LONG).await;
        create(&store).await.unwrap();
        // As if it were cut off from its Sentinels: they cannot make it a replica, nor end its connections.
        () =
            old.ask(redis::cmd("ACL").arg(&["SETUSER", "default", "-slaveof", "-replicaof", "-client|kill"]));
        watched.fail_over();
        let start = Instant::now();
        loop {
            if has(new, &create(&store).await.unwrap()) {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "the store keeps to the one that was replaced");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(old.ask::<String>(redis::cmd("INFO").arg("replication")).contains("role:master"));
    });
}

#[test]
fn while_no_sentinel_answers_calls_go_on_with_the_primary_that_is_known() {
    // A quarter of it may be spent on silent Sentinels.
    const COMMAND: Duration = Duration::from_secs(12);
    let mut watched = Watched::start();
    run(async {
        let store = open_alone(&watched.url(NAME), COMMAND).await;
        for silent in [true, false] {
            if silent {
                watched.let_sentinels_stand_still()
            } else {
                watched.end_sentinels()
            }
            watched.servers[0].kill();
            create(&store).await.unwrap_err();
            watched.servers[0].restart();
            let restarted = Instant::now();
            // So long that they are asked again.
            let long = Duration::from_secs(2) + if silent { COMMAND } else { Duration::ZERO };
            while restarted.elapsed() < long {
                let start = Instant::now();
                create(&store).await.unwrap_or_else(|error| panic!("silent: {silent}: {error:?}"));
                assert!(start.elapsed() < COMMAND * 3 / 4, "silent: {silent}: {:?}", start.elapsed());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            store.ready().await.unwrap();
        }
    });
}

#[test]
fn sentinels_with_a_password_are_asked_with_it() {
    let watched = Watched::start_with("watch-word");
    let url = watched.url(NAME);
    run(async {
        let said = format!("{:?}", open(&url).await.unwrap_err());
        assert!(said.contains("NOAUTH") && !said.contains("watch-word"), "{said}");
        let store = open(&format!("{url}?sentinel_password=watch-word")).await.unwrap();
        create(&store).await.unwrap();
        watched.fail_over();
        let later = create_at(&watched.servers[1], &store).await;
        assert!(load(&store, &later).await.is_some());
    });
}

#[test]
fn a_user_with_the_documented_rights_is_enough_also_after_a_failover() {
    let watched = Watched::start();
    let mut user = redis::cmd("ACL");
    user.arg(&documented_rule("~waxseal:*")[1..]).arg("+wait");
    watched.servers.iter().for_each(|server| server.ask::<()>(&user));
    let url = watched.url(NAME).replace("redis-sentinel://", "redis-sentinel://wizard:s3cret@");
    run(async {
        let store = open(&url).await.unwrap();
        store.ready().await.unwrap();
        create(&store).await.unwrap();
        watched.fail_over();
        let later = create_at(&watched.servers[1], &store).await;
        assert!(load(&store, &later).await.is_some());
        store.ready().await.unwrap();
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
