//! What goes wrong with a server: told in time, harming nothing, and over when its cause is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use store_tests::proxy::{Proxy, Trouble};
use store_tests::records::{NOW, load, new_key, record};
use store_tests::redis::Server;
use store_tests::run;
use tokio::time::sleep;
use waxseal_redis::{RedisDurability, RedisError, RedisStore};
use waxseal_store::{
    Creation, Fault, Lifespan, NetworkOptions, Record, RecordKey, SessionStore, Swap, Timestamp, Unavailable,
};

const COMMAND: Duration = Duration::from_secs(2);
/// What a call may take beyond its timeout, on a machine that has much else to do.
const GRACE: Duration = Duration::from_secs(20);
/// The time to work again.
const BACK: Duration = Duration::from_secs(30);

/// Impatient, for calls that are given up.
fn network() -> NetworkOptions {
    NetworkOptions::new()
        .command_timeout(COMMAND)
        .connect_timeout(COMMAND)
        .connections(2)
        // Longer than a call that is let through, so that one after it finds the breaker open.
        .half_open_interval(COMMAND * 3 / 2)
}

/// For calls that are not to fail for being slow.
fn patient() -> NetworkOptions {
    let long = Duration::from_secs(30);
    network().command_timeout(long).connect_timeout(long)
}

async fn open(url: &str, network: NetworkOptions) -> RedisStore {
    RedisStore::options(url).network(network).open().await.unwrap()
}

async fn create(store: &RedisStore, record: &Record) -> Result<RecordKey, RedisError> {
    let key = new_key();
    store.create(&key, record, NOW).await.map(|creation| {
        assert_eq!(creation, Creation::Created);
        key
    })
}

fn outage<T: std::fmt::Debug>(outcome: Result<T, RedisError>) -> RedisError {
    let error = outcome.unwrap_err();
    assert_ne!(RedisStore::fault(&error), Fault::Defect, "{error:?}");
    error
}

fn is_open<T>(outcome: &Result<T, RedisError>) -> bool {
    matches!(outcome, Err(RedisError::Unavailable(Unavailable::Open(_))))
}

/// Calls until the breaker is open; each fails as an outage, and within its time.
async fn until_the_breaker_opens(store: &RedisStore, key: &RecordKey) {
    for _ in 0..20 {
        let start = Instant::now();
        let outcome = store.load(key, NOW).await;
        assert!(start.elapsed() < COMMAND + GRACE, "{:?}", start.elapsed());
        if is_open(&outcome) {
            outage(store.ready().await);
            return;
        }
        outage(outcome);
    }
    panic!("the breaker never opened");
}

/// Nobody does anything but call.
async fn until_it_answers(store: &RedisStore, key: &RecordKey) {
    let start = Instant::now();
    let answers = async || store.load(key, NOW).await.and(store.ready().await);
    while let Err(error) = answers().await {
        assert_eq!(RedisStore::fault(&error), Fault::Outage, "{error:?}");
        assert!(start.elapsed() < BACK, "back within {BACK:?}: {error:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_server_that_is_gone_for_a_while_is_an_outage_that_ends_by_itself() {
    let mut server = Server::start_durable();
    run(async {
        let store = open(&server.url(), network()).await;
        let record = record(b"x");
        let key = create(&store, &record).await.unwrap();
        server.kill();
        until_the_breaker_opens(&store, &key).await;
        server.restart();
        until_it_answers(&store, &key).await;
        assert_eq!(load(&store, &key).await, Some(record));
    });
}

#[test]
fn a_server_that_stands_still_is_given_up_in_time() {
    let server = Server::start(&[]);
    run(async {
        let store = open(&server.url(), network()).await;
        let record = record(b"x");
        let key = create(&store, &record).await.unwrap();
        server.stand_still();
        until_the_breaker_opens(&store, &key).await;
        server.go_on();
        until_it_answers(&store, &key).await;
        assert_eq!(load(&store, &key).await, Some(record));
    });
}

#[test]
fn what_a_network_does_ends_in_time_and_leaves_no_trace() {
    let server = Server::start(&[]);
    run(async {
        let proxy = Proxy::start(server.port).await;
        let store = open(&format!("redis://127.0.0.1:{}", proxy.port), network()).await;
        let record = record(&[7; 2_000]);
        let key = create(&store, &record).await.unwrap();
        for trouble in Trouble::ALL {
            proxy.set(trouble);
            let start = Instant::now();
            let calls: Vec<_> = (0..64)
                .map(|number| {
                    let (store, record) = (store.clone(), record.clone());
                    tokio::spawn(async move {
                        match number % 2 {
                            0 => store.load(&key, NOW).await.map(drop),
                            _ => create(&store, &record).await.map(drop),
                        }
                    })
                })
                .collect();
            let mut failed = 0;
            for call in calls {
                // What is cut may hold whole answers to others.
                let outcome = call.await.unwrap();
                assert!(trouble == Trouble::Cut || outcome.is_err(), "{trouble:?}");
                if outcome.is_err() {
                    outage(outcome);
                    failed += 1;
                }
            }
            assert!(failed > 0, "{trouble:?}");
            let took = start.elapsed();
            assert!(took < COMMAND + GRACE, "{trouble:?}: {took:?}");
            until_the_breaker_opens(&store, &key).await;
            proxy.set(Trouble::None);
            until_it_answers(&store, &key).await;
            assert_eq!(load(&store, &key).await.as_ref(), Some(&record), "{trouble:?}");
            create(&store, &record).await.unwrap();
        }
    });
}

#[test]
fn a_connection_that_leads_nowhere_is_replaced_though_others_go_on() {
    let server = Server::start(&[]);
    run(async {
        let proxy = Proxy::start(server.port).await;
        let network = network().connections(1).breaker_after(1_000);
        let store = open(&format!("redis://127.0.0.1:{}", proxy.port), network).await;
        let key = create(&store, &record(b"x")).await.unwrap();
        proxy.set(Trouble::HalfOpen);
        outage(store.load(&key, NOW).await);
        proxy.set(Trouble::None);
        // The proxy has swallowed a request of the first connection; its answers would come one too late.
        for _ in 0..3 {
            assert_eq!(load(&store, &key).await.unwrap().sealed, b"x");
        }
    });
}

#[test]
fn a_full_server_keeps_what_it_has_and_takes_more_when_there_is_room() {
    let server = Server::start(&["--maxmemory", "8mb"]);
    run(async {
        let store = open(&server.url(), patient()).await;
        let large = Record { owner: Some("albus".to_owned()), ..record(&[7; 100_000]) };
        let mut keys = Vec::new();
        let error = loop {
            match create(&store, &large).await {
                Ok(key) => keys.push(key),
                error => break outage(error),
            }
        };
        insta::assert_snapshot!(error, @"the Redis server has no memory left; raise `maxmemory`");
        assert!(keys.len() > 10, "{} records", keys.len());
        let limit = |limit| -> () { server.ask(redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(limit)) };
        limit("1mb");
        // It is full, not out of reach: whatever is asked beside goes on.
        for _ in 0..20 {
            assert!(matches!(outage(create(&store, &large).await), RedisError::Full));
        }
        for key in &keys {
            assert_eq!(load(&store, key).await.as_ref(), Some(&large));
        }
        assert!(matches!(outage(store.ready().await), RedisError::Full));
        // Signing out, and noting activity, need no memory.
        assert!(store.touch(&keys[0], Timestamp::MAX, NOW.after(COMMAND)).await.unwrap());
        for key in &keys[..5] {
            assert!(store.delete(key, NOW).await.unwrap(), "what is full can be emptied");
        }
        limit("8mb");
        create(&store, &large).await.unwrap();
        store.ready().await.unwrap();
        while create(&store, &large).await.is_ok() {}
        limit("1mb");
        store.end_all("albus", Some(&keys[7]), NOW).await.unwrap();
        assert!(load(&store, &keys[7]).await.is_some() && load(&store, &keys[8]).await.is_none());
    });
}

#[test]
fn a_primary_that_becomes_a_replica_is_an_outage() {
    let (other, server) = (Server::start(&[]), Server::start(&[]));
    run(async {
        let store = open(&server.url(), patient()).await;
        let key = create(&store, &record(b"x")).await.unwrap();
        () = server.ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(other.port));
        outage(create(&store, &record(b"x")).await);
        // Also reads, which may lag there.
        assert!(matches!(outage(store.load(&key, NOW).await), RedisError::Replica(_)));
        outage(store.ready().await);
        () = server.ask(redis::cmd("REPLICAOF").arg("NO").arg("ONE"));
        until_it_answers(&store, &key).await;
    });
}

/// The write was done there, and the next primary may have it or not.
#[test]
fn a_primary_that_is_demoted_while_a_write_waits_leaves_its_outcome_unknown() {
    let (other, server) = (Server::start(&[]), Server::start(&[]));
    run(async {
        let network = patient().command_timeout(Duration::from_secs(60));
        let durability = RedisDurability::Replicas { count: 1, timeout: Duration::from_secs(50) };
        // The server knows the script from here on, and so does it at once.
        create(&open(&server.url(), patient()).await, &record(b"x")).await.unwrap();
        let options = RedisStore::options(&server.url()).network(network).durability(durability);
        let store = options.open().await.unwrap();
        let writer = tokio::spawn(async move { create(&store, &record(b"x")).await });
        tokio::task::block_in_place(|| {
            store_tests::redis::wait_for("the write to wait", || {
                server.ask::<String>(redis::cmd("INFO").arg("clients")).contains("blocked_clients:1")
            });
            () = server.ask(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(other.port));
        });
        let error = outage(writer.await.unwrap());
        insta::assert_snapshot!(error, @"written, but the Redis server could not say whether replicas or disks have it");
    });
}

/// Its first answer is lost. Done again, it would end what began since.
#[test]
fn an_end_of_all_that_is_sent_again_is_done_once() {
    let server = Server::start(&[]);
    run(async {
        let proxy = Proxy::start(server.port).await;
        let url = format!("redis://127.0.0.1:{}", proxy.port);
        let store = open(&url, patient().command_timeout(Duration::from_secs(60)).retries(10)).await;
        // The server knows the script from here on.
        store.end_all("minerva", None, NOW).await.unwrap();
        let generations = || -> Vec<Vec<u8>> {
            let keys: Vec<String> = server.ask(redis::cmd("KEYS").arg("waxseal:o:*:g"));
            keys.iter().map(|key| server.ask(redis::cmd("GETRANGE").arg(key).arg(0).arg(7))).collect()
        };
        proxy.set(Trouble::Reset);
        let ends = tokio::spawn(async move { store.end_all("albus", None, NOW).await });
        tokio::task::block_in_place(|| {
            store_tests::redis::wait_for("the first attempt", || generations().len() == 2);
        });
        proxy.set(Trouble::None);
        ends.await.unwrap().unwrap();
        assert_eq!(generations(), [1_u64, 1].map(|number| number.to_be_bytes().to_vec()));
    });
}

/// A server that was started again hashes its keys otherwise, and the place in them means nothing any more.
#[test]
fn a_walk_goes_on_through_a_restart_and_meets_each_record() {
    let mut server = Server::start_durable();
    run(async {
        let store = open(&server.url(), patient()).await;
        let mut keys = BTreeSet::new();
        for _ in 0..600 {
            keys.insert(create(&store, &record(b"x")).await.unwrap().public_id());
        }
        let (mut met, mut after, mut pages) = (BTreeSet::new(), None, 0);
        loop {
            let page = store.sealed_otherwise([9; 4], after.as_ref(), 50, NOW).await.unwrap();
            met.extend(page.items.iter().map(|(key, _)| key.public_id()));
            after = page.next;
            pages += 1;
            if pages == 6 {
                assert!(after.is_some(), "half-way");
                tokio::task::block_in_place(|| server.restart());
                let some = RecordKey::new(*keys.first().unwrap(), [0; 32]);
                until_it_answers(&store, &some).await;
            }
            if after.is_none() {
                break;
            }
        }
        assert!(keys == met, "{} of {} were met", met.len(), keys.len());
    });
}

#[test]
fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let server = Server::start(&[]);
    run(async {
        let store = open(&server.url(), patient()).await;
        let key = create(&store, &record(b"x")).await.unwrap();
        () = server.ask(redis::cmd("SCRIPT").arg("FLUSH"));
        assert!(load(&store, &key).await.is_some());
        assert!(store.delete(&key, NOW).await.unwrap());
    });
}

#[test]
fn the_server_expires_records_late_rather_than_early() {
    const SLACK: i64 = 300_000;
    let server = Server::start(&[]);
    run(async {
        let store = open(&server.url(), patient()).await;
        let minute = |minutes: u64| NOW.after(Duration::from_secs(60 * minutes));
        let life = Lifespan::new(NOW, NOW, minute(30), minute(60));
        let record = Record { life, owner: Some("albus".to_owned()), ..record(b"x") };
        let key = create(&store, &record).await.unwrap();
        let left = |key: &str| -> i64 { server.ask(redis::cmd("PTTL").arg(key)) };
        let row = format!("waxseal:{{{}}}", key.public_id());
        let about = |minutes: i64, left: i64| (left - (minutes * 60_000 + SLACK)).abs() < 20_000;
        // However far the given time is from the server's.
        assert!(about(30, left(&row)), "{}", left(&row));
        assert!(store.touch(&key, minute(50), minute(20)).await.unwrap());
        assert!(about(30, left(&row)), "{}", left(&row));
        let keys: Vec<String> = server.ask(redis::cmd("KEYS").arg("waxseal:o:*:s"));
        assert!(keys.len() == 1 && about(60, left(&keys[0])), "the list outlives its sessions: {keys:?}");

        // A second beyond its end and the slack.
        let revision = record.revision.next().unwrap();
        let short =
            Record { revision, life: Lifespan::new(NOW, NOW, minute(6), minute(6)), ..record.clone() };
        let swap = store.update(&key, &record.revision, &short, minute(11)).await.unwrap();
        assert_eq!(swap, waxseal_store::Swap::Done);
        let at_the_end: i64 = server.ask(redis::cmd("EXISTS").arg(&row));
        assert!(at_the_end == 0 || left(&row) <= 1, "what is over by more than the slack goes at once");
    });
}

#[test]
fn lists_lose_entries_that_are_over() {
    let server = Server::start(&[]);
    run(async {
        let store = open(&server.url(), patient()).await;
        let at = |hours: u64| NOW.after(Duration::from_secs(3_600 * hours));
        let of_albus = |from: Timestamp, to: Timestamp| Record {
            life: Lifespan::new(from, from, to, to),
            owner: Some("albus".to_owned()),
            ..record(b"x")
        };
        for day in 0..20 {
            let (from, to) = (at(24 * day), at(24 * day + 12));
            assert_eq!(store.create(&new_key(), &of_albus(from, to), from).await.unwrap(), Creation::Created);
        }
        let lists: Vec<String> = server.ask(redis::cmd("KEYS").arg("waxseal:o:*:s"));
        let entries: usize = server.ask(redis::cmd("ZCARD").arg(&lists[0]));
        assert_eq!(entries, 1, "yesterday's are forgotten with today's");
    });
}

fn primary_and_replica() -> (Server, Server) {
    let primary = Server::start(&[]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]);
    store_tests::redis::wait_for("replication", || {
        replica.ask::<String>(redis::cmd("INFO").arg("replication")).contains("master_link_status:up")
    });
    (primary, replica)
}

/// A store whose writes wait for a replica for so long.
async fn confirmed_within(timeout: Duration, primary: &Server) -> RedisStore {
    let durability = RedisDurability::Replicas { count: 1, timeout };
    RedisStore::options(&primary.url()).network(patient()).durability(durability).open().await.unwrap()
}

#[test]
fn a_write_waits_for_its_replica_if_asked_to() {
    let (primary, replica) = primary_and_replica();
    run(async {
        let store = confirmed_within(Duration::from_secs(20), &primary).await;
        let in_vain = confirmed_within(Duration::from_millis(200), &primary).await;
        let key = create(&store, &record(b"x")).await.unwrap();
        let there: i64 = replica.ask(redis::cmd("EXISTS").arg(format!("waxseal:{{{}}}", key.public_id())));
        assert_eq!(there, 1);
        replica.stand_still();
        let error = outage(create(&in_vain, &record(b"x")).await);
        insta::assert_snapshot!(error, @"written, but confirmed by 0 of 1 replicas");
        assert_eq!(RedisStore::fault(&error), Fault::Unconfirmed);
        assert!(load(&store, &key).await.is_some(), "reads wait for nobody");
        // Also while many writes wait.
        let writers: Vec<_> = (0..200)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { create(&store, &record(b"x")).await })
            })
            .collect();
        for _ in 0..50 {
            assert!(load(&store, &key).await.is_some());
        }
        assert!(writers.iter().any(|writer| !writer.is_finished()), "the reads waited with them");
        replica.go_on();
        for writer in writers {
            let outcome = writer.await.unwrap();
            if outcome.is_err() {
                outage(outcome);
            }
        }
        until_it_answers(&store, &key).await;
        create(&store, &record(b"x")).await.unwrap();
    });
}

/// Otherwise a sign-out that was not confirmed is found done when it is sent again, and lost in a failover.
#[test]
fn an_answer_that_tells_of_earlier_writes_waits_for_the_replica_too() {
    let (primary, replica) = primary_and_replica();
    run(async {
        let store = confirmed_within(Duration::from_secs(20), &primary).await;
        let in_vain = confirmed_within(Duration::from_millis(200), &primary).await;
        let albus = Record { owner: Some("albus".to_owned()), ..record(b"x") };
        let (living, absent) = (create(&store, &albus).await.unwrap(), new_key());
        let next = Record { revision: albus.revision.next().unwrap(), ..albus.clone() };
        assert_eq!(store.update(&living, &albus.revision, &next, NOW).await.unwrap(), Swap::Done);
        let other = albus.revision;
        // Since Redis 7.2, `WAIT` waits for what its own connection wrote last; so each has to write something.
        let changes = || -> u64 {
            let info: String = primary.ask(redis::cmd("INFO").arg("persistence"));
            let changes = info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
            changes.unwrap().parse().unwrap()
        };
        let calls = async |store: &RedisStore| {
            let id = absent.public_id();
            [
                ("a deletion", said(store.delete(&absent, NOW).await), changes()),
                ("an end", said(store.end("albus", id, NOW).await), changes()),
                ("a creation", said(store.create(&living, &albus, NOW).await), changes()),
                ("an update of none", said(store.update(&absent, &other, &next, NOW).await), changes()),
                // Sent twice, by the network.
                ("the same update", said(store.update(&living, &other, &next, NOW).await), changes()),
                ("an older update", said(store.update(&living, &other, &albus, NOW).await), changes()),
                ("a confirmation", said(store.confirm(&living, NOW).await), changes()),
                ("a confirmation of none", said(store.confirm(&absent, NOW).await), changes()),
            ]
        };
        let mut before = changes();
        let mut answers = Vec::new();
        for (call, answer, after) in calls(&store).await {
            assert!(after > before, "{call} has written nothing");
            before = after;
            answers.push(answer.unwrap());
        }
        assert_eq!(answers, ["false", "false", "Taken", "Gone", "Done", "Conflict", "()", "()"]);
        assert_eq!(load(&store, &living).await, Some(next.clone()), "nothing was changed");
        assert_eq!(load(&store, &absent).await, None);

        replica.stand_still();
        for (call, answer, _) in calls(&in_vain).await {
            let error = answer.expect_err(call);
            assert_eq!(RedisStore::fault(&error), Fault::Unconfirmed, "{call}: {error:?}");
        }
        // Also on a server that is full.
        () = primary.ask(redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1"));
        for answer in [in_vain.delete(&absent, NOW).await.map(drop), in_vain.confirm(&living, NOW).await] {
            let error = answer.unwrap_err();
            assert_eq!(RedisStore::fault(&error), Fault::Unconfirmed, "full: {error:?}");
        }
        assert!(matches!(outage(create(&in_vain, &record(b"x")).await), RedisError::Full));
    });
}

fn said(outcome: Result<impl std::fmt::Debug, RedisError>) -> Result<String, RedisError> {
    outcome.map(|answer| format!("{answer:?}"))
}

#[test]
#[expect(clippy::print_stderr, reason = "says that it did not run")]
fn a_write_waits_for_the_disk_where_the_server_can_and_is_refused_where_not() {
    let (plain, durable) = (Server::start(&[]), Server::start_durable());
    run(async {
        let disks = |replicas, timeout| RedisDurability::Disks { replicas, timeout };
        let open = |server: &Server, durability| {
            RedisStore::options(&server.url()).network(patient()).durability(durability).open()
        };
        let own = disks(0, Duration::from_secs(20));
        let info: String = plain.ask(redis::cmd("INFO").arg("server"));
        // Valkey calls itself Redis 7.2.
        if info.contains("redis_version:7.0") || info.contains("redis_version:6") {
            let error = outage(open(&durable, own).await);
            insta::assert_snapshot!(error, @"the Redis server cannot do that: waiting for disks needs Redis 7.2 or newer, or Valkey; replicas can be waited for");
            eprintln!("only the refusal was run: this server has no WAITAOF, which is of Redis 7.2");
            return;
        }
        let error = outage(open(&plain, own).await);
        insta::assert_snapshot!(error, @"the Redis server cannot do that: waiting for disks needs `appendonly yes`");
        let store = open(&durable, own).await.unwrap();
        let key = create(&store, &record(b"x")).await.unwrap();
        assert!(load(&store, &key).await.is_some());
        // Long enough for its own disk; there is no other.
        let store = open(&durable, disks(1, Duration::from_secs(2))).await.unwrap();
        let error = outage(create(&store, &record(b"x")).await);
        insta::assert_snapshot!(error, @"written, but confirmed by 1 of 2 disks");
    });
}
