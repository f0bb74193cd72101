//! A server that stops, hangs or is killed, and a network that misbehaves: calls end in time, as outages, and work
//! again by themselves.
#![cfg(unix)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use store_tests::postgres::Cluster;
use store_tests::proxy::{Proxy, Trouble};
use store_tests::records::{NOW, load, new_key, record};
use support::{new_schema, patient};
use waxseal_postgres::{PostgresError, PostgresStore};
use waxseal_store::{
    Creation, Fault, Lifespan, NetworkOptions, Record, RecordKey, SessionStore, Swap, Timestamp, Unavailable,
};

const TIMEOUT: Duration = Duration::from_secs(3);
/// What a call may take beyond its timeout, on a machine that has much else to do.
const GRACE: Duration = Duration::from_secs(20);
const BACK: Duration = Duration::from_secs(60);

/// Impatient, for calls that are given up.
fn network() -> NetworkOptions {
    NetworkOptions::new().command_timeout(TIMEOUT).connect_timeout(TIMEOUT * 2 / 3)
}

async fn open(url: &str, network: NetworkOptions) -> PostgresStore {
    let options = PostgresStore::options(url).schema(new_schema()).network(network);
    at_last("open", async || options.clone().open().await).await
}

/// Calls until no outage, nor a full disk, is in the way, for [`BACK`] at most.
async fn at_last<T>(case: &str, call: impl AsyncFn() -> Result<T, PostgresError>) -> T {
    let start = Instant::now();
    loop {
        match call().await {
            Ok(outcome) => return outcome,
            Err(error) => {
                assert_ne!(PostgresStore::fault(&error), Fault::Defect, "{case}: {error}");
                assert!(start.elapsed() < BACK, "{case}: {error}");
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that a call ended in time, and as an outage if it failed.
fn in_time<T>(case: &str, start: Instant, outcome: Result<T, PostgresError>) -> Result<T, PostgresError> {
    let took = start.elapsed();
    assert!(took < TIMEOUT + GRACE, "{case}: {took:?}");
    outcome.inspect_err(|error| assert_eq!(PostgresStore::fault(error), Fault::Outage, "{case}: {error}"))
}

/// Calls of every kind at once, many more than there are connections; how many failed.
async fn many_calls(case: &'static str, store: &PostgresStore, keys: &[RecordKey]) -> usize {
    let calls = (0..60).map(|n| {
        let (store, key) = (store.clone(), keys[n % keys.len()]);
        tokio::spawn(async move {
            let start = Instant::now();
            match n % 5 {
                0 => in_time(case, start, store.load(&key, NOW).await).is_err(),
                1 => in_time(case, start, store.touch(&key, NOW, NOW).await).is_err(),
                2 => in_time(case, start, store.create(&new_key(), &record(b"x"), NOW).await).is_err(),
                3 => {
                    let (record, expected) = (record(b"other"), record(b"").revision);
                    in_time(case, start, store.update(&key, &expected, &record, NOW).await).is_err()
                }
                _ => in_time(case, start, store.ready().await).is_err(),
            }
        })
    });
    let mut failed = 0;
    for call in calls.collect::<Vec<_>>() {
        failed += usize::from(call.await.unwrap());
    }
    failed
}

/// Asserts that the store works again within [`BACK`], and as before then.
async fn is_back(case: &str, store: &PostgresStore) {
    at_last(case, async || store.ready().await).await;
    for _ in 0..30 {
        let writes = async || {
            let (key, first) = (new_key(), record(b"x"));
            assert_eq!(store.create(&key, &first, NOW).await?, Creation::Created, "{case}");
            let after = Record { revision: first.revision.next().unwrap(), ..first.clone() };
            assert_eq!(store.update(&key, &first.revision, &after, NOW).await?, Swap::Done, "{case}");
            Ok(())
        };
        at_last(case, writes).await;
    }
}

async fn keys(store: &PostgresStore) -> Vec<RecordKey> {
    let mut keys = Vec::new();
    for _ in 0..10 {
        let create = async || {
            let key = new_key();
            store.create(&key, &record(b"x"), NOW).await.map(|_| key)
        };
        keys.push(at_last("first", create).await);
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_network_does_calls_end_in_time_and_the_pool_recovers() {
    let cluster = Cluster::fast();
    let proxy = Proxy::start(cluster.port).await;
    let store = open(&cluster.url_at(proxy.port, "postgres"), network()).await;
    let keys = keys(&store).await;
    for trouble in Trouble::ALL {
        let case = match trouble {
            Trouble::None => "none",
            Trouble::Delay => "5 s late",
            Trouble::HalfOpen => "half open",
            Trouble::Reset => "reset",
            Trouble::Cut => "cut",
            Trouble::Trickle => "a byte a second",
        };
        // In the middle of calls, and for those that come then, with connections that are there and without.
        let (store_, keys_) = (store.clone(), keys.clone());
        let under_way = tokio::spawn(async move { many_calls(case, &store_, &keys_).await });
        proxy.set(trouble);
        under_way.await.unwrap();
        for _ in 0..2 {
            assert!(many_calls(case, &store, &keys).await > 0, "{case}: nothing was wrong");
        }
        proxy.set(Trouble::None);
        is_back(case, &store).await;
        for key in &keys {
            assert_eq!(load(&store, key).await.unwrap().sealed, b"x", "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_or_is_gone_is_an_outage_and_over_when_it_is_back() {
    let mut cluster = Cluster::start(&["synchronous_commit=on"]);
    // Longer than a call that is let through, so that one after it finds the breaker open.
    let network = network().half_open_interval(Duration::from_secs(10));
    let store = open(&cluster.url("postgres"), network).await;
    let keys = keys(&store).await;

    cluster.signal("STOP");
    for _ in 0..3 {
        assert!(many_calls("hanging", &store, &keys).await > 50);
    }
    // The breaker is open now, and nobody waits.
    let mut at_once = 0;
    for _ in 0..20 {
        let error = store.load(&keys[0], NOW).await.unwrap_err();
        at_once += usize::from(matches!(error, PostgresError::Unavailable(Unavailable::Open(_))));
    }
    assert!(at_once >= 15, "{at_once} of 20");
    cluster.signal("CONT");
    is_back("hanging", &store).await;

    cluster.stop();
    assert_eq!(many_calls("stopped", &store, &keys).await, 60);
    assert!(store.ready().await.is_err());
    cluster.run();
    is_back("stopped", &store).await;

    cluster.kill();
    assert_eq!(many_calls("killed", &store, &keys).await, 60);
    cluster.run();
    is_back("killed", &store).await;
    for key in &keys {
        assert_eq!(load(&store, key).await.unwrap().sealed, b"x");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_synchronous_standby_writes_wait_and_reads_and_notes_of_activity_do_not() {
    let cluster = Cluster::start(&["synchronous_commit=on"]);
    let store = open(&cluster.url("postgres"), network()).await;
    let keys = keys(&store).await;
    cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    cluster.sql("SELECT pg_reload_conf()").await;
    while cluster.sql("SHOW synchronous_standby_names").await != ["nobody"] {}

    let start = Instant::now();
    let error = in_time("no standby", start, store.create(&new_key(), &record(b"x"), NOW).await).unwrap_err();
    assert!(matches!(error, PostgresError::Unavailable(Unavailable::Timeout(_))), "{error}");
    assert!(load(&store, &keys[0]).await.is_some());
    assert!(store.touch(&keys[0], NOW, NOW).await.unwrap());

    cluster.sql("ALTER SYSTEM RESET synchronous_standby_names").await;
    cluster.sql("SELECT pg_reload_conf()").await;
    is_back("no standby", &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_connection_left_serves_those_who_have_one() {
    let cluster = Cluster::start(&["fsync=off", "max_connections=10"]);
    let store = open(&cluster.url("postgres"), patient()).await;
    let keys = keys(&store).await;
    let mut others = Vec::new();
    while let Ok((client, connection)) =
        tokio_postgres::connect(&cluster.url("postgres"), tokio_postgres::NoTls).await
    {
        tokio::spawn(connection);
        others.push(client);
    }
    assert!(many_calls("crowded", &store, &keys).await < 60);
    others.clear();
    is_back("crowded", &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_another_program_locks_makes_nobody_else_wait() {
    let cluster = Cluster::fast();
    let schema = new_schema();
    let options = PostgresStore::options(&cluster.url("postgres")).schema(&schema);
    let impatient = options.clone().network(network().connect_timeout(BACK)).open().await.unwrap();
    let store = options.network(patient().connections(2)).open().await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..10 {
        let life = Lifespan::new(NOW, NOW, NOW.after(TIMEOUT), Timestamp::MAX);
        let (key, record) = (new_key(), Record { life, ..record(b"x") });
        _ = store.create(&key, &record, NOW).await.unwrap();
        keys.push(key);
    }
    let (client, connection) =
        tokio_postgres::connect(&cluster.url("postgres"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let id = i64::from_be_bytes(*keys[0].public_id().as_bytes());
    let lock = format!("BEGIN; SELECT FROM {schema}.sessions WHERE public_id = {id} FOR UPDATE");
    client.batch_execute(&lock).await.unwrap();

    let start = Instant::now();
    let error = in_time("locked", start, impatient.touch(&keys[0], NOW, NOW).await).unwrap_err();
    assert_eq!(PostgresStore::fault(&error), Fault::Outage);
    assert!(load(&store, &keys[0]).await.is_some(), "reading waits for no lock");
    assert!(store.touch(&keys[1], NOW, NOW).await.unwrap());
    let later = NOW.after(Duration::from_secs(60 * 60));
    assert_eq!(store.purge(later, 100).await.unwrap(), 9, "what is locked is left for later");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.purge(later, 100).await.unwrap(), 1);
}

/// Each host has half of the time to connect.
fn for_two_hosts() -> NetworkOptions {
    NetworkOptions::new().command_timeout(Duration::from_secs(10)).connect_timeout(Duration::from_secs(6))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_became_a_standby_is_left_for_the_new_primary() {
    let (old, new) = (Cluster::fast(), Cluster::fast());
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", old.port, new.port);
    let url = old.url("postgres").replace(&format!("127.0.0.1:{}", old.port), &hosts);
    let schema = new_schema();
    // The tables are there on both, as replication would have it.
    let at_new = support::options(&new).schema(&schema).open().await.unwrap();
    let network = for_two_hosts().connections(1);
    let store = PostgresStore::options(&url).schema(&schema).network(network).open().await.unwrap();
    let key = new_key();
    _ = store.create(&key, &record(b"x"), NOW).await.unwrap();
    assert!(load(&at_new, &key).await.is_none(), "it went to the old one");

    old.sql("ALTER SYSTEM SET default_transaction_read_only = on").await;
    old.sql("SELECT pg_reload_conf()").await;
    // The session that is there turns read-only with its next transaction, once it has heard of it.
    let start = Instant::now();
    loop {
        let key = new_key();
        let outcome = store.create(&key, &record(b"x"), NOW).await;
        if outcome.is_ok() && load(&at_new, &key).await.is_some() {
            break;
        }
        assert!(start.elapsed() < BACK);
    }
    store.ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_does_not_hide_the_one_that_took_its_place() {
    let (old, new) = (Cluster::fast(), Cluster::fast());
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", old.port, new.port);
    let url = old.url("postgres").replace(&format!("127.0.0.1:{}", old.port), &hosts);
    let schema = new_schema();
    drop(support::options(&new).schema(&schema).open().await.unwrap());
    let store = PostgresStore::options(&url).schema(&schema).network(for_two_hosts()).open().await.unwrap();
    old.signal("STOP");
    assert!(store.ready().await.is_err(), "the connection that is there leads to the old one");
    is_back("the new one", &store).await;
    let created = new.sql(&format!("SELECT count(*) FROM {schema}.sessions")).await;
    assert!(created[0].parse::<u32>().unwrap() >= 30, "{created:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_writes_that_need_room_and_nothing_else() {
    let Some(cluster) = Cluster::with_a_small_disk(12 << 20, &["fsync=off"]) else { return };
    cluster.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", cluster.disk().display())).await;
    cluster.sql("ALTER SYSTEM SET default_tablespace = small").await;
    cluster.sql("SELECT pg_reload_conf()").await;
    while cluster.sql("SHOW default_tablespace").await != ["small"] {}
    let store = open(&cluster.url("postgres"), patient()).await;
    let keys = keys(&store).await;
    cluster.sql("CREATE TABLE filler AS SELECT generate_series(1, 100000)").await;
    let large = record(&[7; 20_000]);
    let mut count = 0;
    let error = loop {
        match store.create(&new_key(), &large, NOW).await {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 2_000, "the disk never was full");
    };
    assert_eq!(PostgresStore::fault(&error), Fault::Full, "{error}");
    assert!(error.to_string().contains("No space left on device"), "{error}");
    // Full, not out of reach: no breaker opens.
    for _ in 0..20 {
        let error = store.create(&new_key(), &large, NOW).await.unwrap_err();
        assert!(!matches!(error, PostgresError::Unavailable(_)), "{error}");
        assert_eq!(load(&store, &keys[0]).await.unwrap().sealed, b"x");
        store.ready().await.unwrap();
    }
    for key in &keys[1..] {
        assert!(store.touch(key, Timestamp::MAX, NOW.after(TIMEOUT)).await.unwrap());
    }
    assert!(store.delete(&keys[9], NOW).await.unwrap(), "signing out needs no room");
    cluster.sql("DROP TABLE filler").await;
    is_back("full", &store).await;
    assert_eq!(store.create(&new_key(), &large, NOW).await.unwrap(), Creation::Created);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_promoted_takes_over_with_all_that_was_acknowledged() {
    let settings = ["synchronous_commit=on", "fsync=off"];
    let mut primary = Cluster::start(&settings);
    let Some(standby) = primary.standby(&settings) else { return };
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    primary.sql("SELECT pg_reload_conf()").await;
    while primary.sql("SELECT sync_state FROM pg_stat_replication").await != ["sync"] {}
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port, standby.port);
    let url = primary.url("postgres").replace(&format!("127.0.0.1:{}", primary.port), &hosts);
    let store = open(&url, patient()).await;
    let count = Arc::new(AtomicUsize::new(0));
    // The kill comes in the middle of writes.
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (store, count) = (store.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                loop {
                    let key = new_key();
                    match store.create(&key, &record(b"x"), NOW).await {
                        Ok(_) => acknowledged.push(key),
                        Err(_) => return acknowledged,
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let start = Instant::now();
    while count.load(Ordering::SeqCst) <= 20 {
        assert!(start.elapsed() < BACK, "{count:?} writes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    primary.kill();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert!(store.ready().await.is_err(), "a standby takes no writes");
    standby.promote();
    is_back("promoted", &store).await;
    for key in &acknowledged {
        assert_eq!(load(&store, key).await.unwrap().sealed, b"x", "acknowledged, and lost");
    }
}
