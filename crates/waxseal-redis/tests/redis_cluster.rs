//! A cluster that loses a primary, and one that moves slots, while it is used.
//!
//! With more load: `cargo test -p waxseal-redis --features servers --test redis_cluster --release -- --ignored`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use store_tests::records::{NOW, load, new_key, record};
use store_tests::redis::{Cluster, PATIENCE, Server};
use store_tests::{patient, run};
use tokio::task::JoinHandle;
use waxseal_redis::{RedisDurability, RedisError, RedisStore};
use waxseal_store::{Creation, Fault, NetworkOptions, Record, RecordKey, SessionStore, Swap};

/// A session that somebody keeps counting up: the sealed bytes are the number.
struct Counter {
    key: RecordKey,
    owned: bool,
    acknowledged: AtomicU64,
    attempted: AtomicU64,
}

impl Counter {
    async fn new(store: &RedisStore, owner: Option<&str>) -> Arc<Self> {
        let key = new_key();
        let first = Record { owner: owner.map(str::to_owned), ..record(&0_u64.to_be_bytes()) };
        assert_eq!(store.create(&key, &first, NOW).await.unwrap(), Creation::Created);
        let owned = owner.is_some();
        Arc::new(Self { key, owned, acknowledged: AtomicU64::new(0), attempted: AtomicU64::new(0) })
    }

    /// Whether it was counted up; what failed as an outage may have been, too.
    async fn count(&self, store: &RedisStore) -> bool {
        let failed = |error| {
            let fault = RedisStore::fault(&error);
            assert!(matches!(fault, Fault::Outage | Fault::Unconfirmed), "{error:?}");
            false
        };
        let before = match store.load(&self.key, NOW).await {
            Ok(Some(waxseal_store::Found::Living(record))) => record,
            Ok(other) => panic!("nobody ended it: {other:?}"),
            Err(error) => return failed(error),
        };
        let number = u64::from_be_bytes(before.sealed[..].try_into().unwrap()) + 1;
        let sealed = number.to_be_bytes().to_vec();
        let after = Record { revision: before.revision.next().unwrap(), sealed, ..before.clone() };
        self.attempted.fetch_max(number, Ordering::SeqCst);
        match store.update(&self.key, &before.revision, &after, NOW).await {
            Ok(Swap::Done) => {
                self.acknowledged.fetch_max(number, Ordering::SeqCst);
                true
            }
            // An earlier attempt that was given up may be done only now.
            Ok(Swap::Conflict) => false,
            Ok(Swap::Gone) => panic!("nobody ended it"),
            Err(error) => failed(error),
        }
    }

    /// That nothing acknowledged is lost, and nothing is there that nobody wrote.
    async fn check(&self, store: &RedisStore) {
        let found = load(store, &self.key).await.expect("nobody is signed out").sealed;
        let found = u64::from_be_bytes(found[..].try_into().unwrap());
        let (least, most) = (self.acknowledged.load(Ordering::SeqCst), self.attempted.load(Ordering::SeqCst));
        assert!((least..=most).contains(&found), "{found} is not between {least} and {most}");
    }
}

/// Counts all of them up for as long as it is let, several at once.
fn load_with(store: &RedisStore, counters: &[Arc<Counter>], go_on: &Arc<AtomicBool>) -> Vec<JoinHandle<u64>> {
    counters
        .iter()
        .map(|counter| {
            let (store, counter, go_on) = (store.clone(), Arc::clone(counter), Arc::clone(go_on));
            tokio::spawn(async move {
                let mut failures = 0;
                while go_on.load(Ordering::SeqCst) {
                    failures += u64::from(!counter.count(&store).await);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                failures
            })
        })
        .collect()
}

async fn counters(store: &RedisStore, count: usize) -> Vec<Arc<Counter>> {
    let mut counters = Vec::new();
    for number in 0..count {
        let owner = format!("user {}", number % 7);
        counters.push(Counter::new(store, (number % 2 == 0).then_some(&owner)).await);
    }
    counters
}

async fn read_until_found(store: RedisStore, counters: Vec<Arc<Counter>>, deadline: Instant) {
    for counter in counters {
        loop {
            match store.load(&counter.key, NOW).await {
                Ok(found) => {
                    assert!(found.is_some(), "nobody is signed out");
                    break;
                }
                Err(error) => {
                    assert_eq!(RedisStore::fault(&error), Fault::Outage, "{error:?}");
                    assert!(Instant::now() < deadline, "not back in time: {error:?}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Writes wait so long for a replica.
async fn open_durable(cluster: &Cluster, timeout: Duration, network: NetworkOptions) -> RedisStore {
    let durability = RedisDurability::Replicas { count: 1, timeout };
    RedisStore::options(&cluster.url()).network(network).durability(durability).open().await.unwrap()
}

const SURELY: Duration = Duration::from_secs(20);
const SHORTLY: Duration = Duration::from_millis(500);

#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
fn lose_a_primary(idle_sessions: usize, busy_sessions: usize) {
    const BACK_WITHIN: Duration = Duration::from_secs(15);
    let mut cluster = Cluster::start(&["--appendonly", "yes"]);
    cluster.set_node_timeout(Duration::from_secs(2));
    run(async {
        let sure = open_durable(&cluster, SURELY, patient()).await;
        let store = open_durable(&cluster, SHORTLY, patient().command_timeout(4 * SHORTLY)).await;
        let idle = counters(&sure, idle_sessions).await;
        let busy = counters(&sure, busy_sessions).await;
        let go_on = Arc::new(AtomicBool::new(true));
        let load = load_with(&store, &busy, &go_on);
        tokio::time::sleep(Duration::from_secs(5)).await;

        let killed = Instant::now();
        cluster.servers[0].kill();
        let promoted = tokio::task::block_in_place(|| {
            let dead = cluster.servers[0].port;
            store_tests::redis::wait_for("a replica to take over", || {
                cluster.servers[1..3].iter().all(|server| server.works_without(dead))
            });
            killed.elapsed()
        });
        // Back: every session can be read, in all parts of the cluster.
        let deadline = Instant::now() + BACK_WITHIN;
        let all: Vec<_> = idle.iter().chain(&busy).cloned().collect();
        let readers: Vec<_> = all
            .chunks(all.len().div_ceil(16))
            .map(|part| tokio::spawn(read_until_found(store.clone(), part.to_vec(), deadline)))
            .collect();
        for reader in readers {
            reader.await.unwrap();
        }
        let back = killed.elapsed();

        // The promoted replica has none of its own until the old primary comes back as one.
        cluster.servers[0].restart();
        let confirmed = Instant::now();
        for counter in &idle {
            while !counter.count(&store).await {
                assert!(confirmed.elapsed() < PATIENCE, "no write is confirmed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        go_on.store(false, Ordering::SeqCst);
        let mut failures = 0;
        for task in load {
            failures += task.await.unwrap();
        }
        for counter in idle.iter().chain(&busy) {
            counter.check(&sure).await;
        }
        sure.ready().await.unwrap();
        let writes: u64 = busy.iter().map(|counter| counter.acknowledged.load(Ordering::SeqCst)).sum();
        eprintln!(
            "a replica took over after {promoted:?}, all is read after {back:?}; {writes} writes acknowledged, {failures} calls failed, 0 lost"
        );
    });
}

#[test]
fn a_cluster_that_loses_a_primary_is_back_soon_and_loses_nothing_confirmed() {
    lose_a_primary(60, 16);
}

#[test]
#[ignore = "more load"]
fn a_cluster_under_load_that_loses_a_primary_is_back_soon_and_loses_nothing_confirmed() {
    lose_a_primary(500, 128);
}

#[test]
fn a_part_without_a_primary_leaves_the_others_alone() {
    let arguments = ["--cluster-require-full-coverage", "no"];
    let mut cluster = Cluster::start(&arguments);
    run(async {
        let options = RedisStore::options(&cluster.url()).network(patient());
        let store = options.clone().open().await.unwrap();
        let counters = counters(&store, 60).await;
        cluster.servers[3].kill();
        cluster.servers[0].kill();
        let lost = |counter: &Counter| slot_of(&cluster.servers[1], &counter.key) <= 5_460;
        let (lost, kept): (Vec<_>, Vec<_>) = counters.iter().partition(|counter| lost(counter));
        assert!(!lost.is_empty() && !kept.is_empty());
        for _ in 0..3 {
            for (lost, kept) in lost.iter().zip(&kept) {
                let error = store.load(&lost.key, NOW).await.unwrap_err();
                assert_eq!(RedisStore::fault(&error), Fault::Outage, "{error:?}");
                // Its owner's state may lie in the part that is gone.
                if let Err(error) = store.load(&kept.key, NOW).await {
                    assert_eq!(RedisStore::fault(&error), Fault::Outage, "{error:?}");
                }
            }
        }
        for counter in kept.iter().filter(|counter| !counter.owned) {
            assert!(load(&store, &counter.key).await.is_some(), "the other parts go on");
        }
        assert!(store.ready().await.is_err());
        // Also whoever starts now.
        let late = options.open().await.expect("a part is gone, not all");
        let ownerless = kept.iter().find(|counter| !counter.owned).unwrap();
        assert!(load(&late, &ownerless.key).await.is_some());
    });
}

/// A server that is gone refuses connections at once; one that is silent keeps whoever asks it waiting.
#[test]
fn a_primary_that_falls_silent_delays_no_calls_to_the_others() {
    const SPAN: Duration = Duration::from_secs(4);
    let cluster = Cluster::start(&[]);
    run(async {
        let network = NetworkOptions::new()
            .command_timeout(Duration::from_secs(1))
            .half_open_interval(Duration::from_millis(200));
        let store = RedisStore::options(&cluster.url()).network(network).open().await.unwrap();
        let counters: Vec<_> =
            counters(&store, 60).await.into_iter().filter(|counter| !counter.owned).collect();
        let lost = |counter: &Arc<Counter>| slot_of(&cluster.servers[1], &counter.key) <= 5_460;
        let (lost, kept): (Vec<_>, Vec<_>) = counters.into_iter().partition(lost);
        assert!(!lost.is_empty() && !kept.is_empty());
        cluster.servers[0].stand_still();
        let until = Instant::now() + SPAN;
        let silent = async |key: &RecordKey| {
            while Instant::now() < until {
                let error = store.load(key, NOW).await.unwrap_err();
                assert_eq!(RedisStore::fault(&error), Fault::Outage, "{error:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let health = async {
            while Instant::now() < until {
                store.ready().await.unwrap_err();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let others = async {
            while Instant::now() < until {
                for counter in &kept {
                    let found = store.load(&counter.key, NOW).await;
                    assert!(found.expect("the other parts go on").is_some());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::join!(silent(&lost[0].key), health, others);
        cluster.servers[0].go_on();
    });
}

/// Each call gives up before the connection does, and is the only one.
#[test]
fn a_silent_primary_that_was_replaced_is_noticed_by_calls_that_give_up() {
    let cluster = Cluster::start(&[]);
    cluster.set_node_timeout(Duration::from_secs(2));
    run(async {
        let network = NetworkOptions::new()
            .command_timeout(Duration::from_millis(300))
            .half_open_interval(Duration::from_millis(1));
        let store = RedisStore::options(&cluster.url()).network(network).open().await.unwrap();
        let lost = |key: &RecordKey| slot_of(&cluster.servers[1], key) <= 5_460;
        let key = std::iter::repeat_with(new_key).find(lost).unwrap();
        let sure = open_durable(&cluster, SURELY, patient()).await;
        assert_eq!(sure.create(&key, &record(b"x"), NOW).await.unwrap(), Creation::Created);
        cluster.servers[0].stand_still();
        store.load(&key, NOW).await.unwrap_err();
        let silent = cluster.servers[0].port;
        tokio::task::block_in_place(|| {
            store_tests::redis::wait_for("a replica to take over", || {
                cluster.servers[1..3].iter().all(|server| server.works_without(silent))
            });
        });
        let deadline = Instant::now() + Duration::from_secs(5);
        while let Err(error) = store.load(&key, NOW).await {
            assert!(Instant::now() < deadline, "{error:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cluster.servers[0].go_on();
    });
}

fn slot_of(server: &Server, key: &RecordKey) -> u16 {
    server.ask(redis::cmd("CLUSTER").arg("KEYSLOT").arg(format!("waxseal:{{{}}}", key.public_id())))
}

/// Without the entry in its owner's list no "end all" of that list would find it.
#[test]
fn an_owners_list_is_as_durable_as_the_session() {
    let cluster = Cluster::start(&[]);
    run(async {
        let sure = open_durable(&cluster, SURELY, patient()).await;
        let in_vain = open_durable(&cluster, SHORTLY, patient()).await;
        let owned = Record { owner: Some("albus".to_owned()), ..record(b"x") };
        assert_eq!(sure.create(&new_key(), &owned, NOW).await.unwrap(), Creation::Created);
        let lists = |server: &Server| -> Vec<String> { server.ask(redis::cmd("KEYS").arg("waxseal:o:*:s")) };
        let at = cluster.servers[..3].iter().position(|server| !lists(server).is_empty()).unwrap();
        let slots = [0..=5_460, 5_461..=10_922, 10_923..=16_383][at].clone();
        let elsewhere = |key: &RecordKey| !slots.contains(&slot_of(&cluster.servers[0], key));
        let key = std::iter::repeat_with(new_key).find(elsewhere).unwrap();
        // The replica of the server that has the list.
        cluster.servers[3 + at].stand_still();
        let error = in_vain.create(&key, &owned, NOW).await.unwrap_err();
        assert!(matches!(error, RedisError::Unconfirmed { confirmed: 0, .. }), "{error:?}");
        assert_eq!(
            sure.create(&key, &record(b"x"), NOW).await.unwrap(),
            Creation::Created,
            "without an owner"
        );
        cluster.servers[3 + at].go_on();
    });
}

#[test]
fn slots_may_move_while_they_are_used() {
    let cluster = Cluster::start(&[]);
    run(async {
        let store = RedisStore::options(&cluster.url()).network(patient()).open().await.unwrap();
        let counters = counters(&store, 24).await;
        let go_on = Arc::new(AtomicBool::new(true));
        let load = load_with(&store, &counters, &go_on);
        let servers = &cluster.servers;
        // Two sessions may lie in one slot, which moves once.
        let slots: BTreeSet<_> = counters.iter().map(|counter| slot_of(&servers[0], &counter.key)).collect();
        for slot in slots.into_iter().filter(|slot| *slot <= 5_460) {
            let (source, target) = (&servers[0], &servers[1]);
            tokio::task::block_in_place(|| move_slot(slot, source, target, servers));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        go_on.store(false, Ordering::SeqCst);
        let mut failures = 0;
        for task in load {
            failures += task.await.unwrap();
        }
        assert_eq!(failures, 0, "whoever asks is led to where the slot is");
        for counter in &counters {
            counter.check(&store).await;
        }
    });
}

/// Half-way through a move the new server answers only commands that say that they were sent on.
#[test]
fn a_session_is_ended_while_its_owners_slot_moves() {
    let cluster = Cluster::start(&[]);
    run(async {
        let store = RedisStore::options(&cluster.url()).network(patient()).open().await.unwrap();
        let owned = Record { owner: Some("albus".to_owned()), ..record(b"x") };
        let key = new_key();
        assert_eq!(store.create(&key, &owned, NOW).await.unwrap(), Creation::Created);
        let servers = &cluster.servers[..3];
        let list = |server: &Server| {
            let lists: Vec<String> = server.ask(redis::cmd("KEYS").arg("waxseal:o:*:s"));
            lists.into_iter().next()
        };
        let at = servers.iter().position(|server| list(server).is_some()).unwrap();
        let (source, target) = (&servers[at], &servers[(at + 1) % 3]);
        let slot = source.ask(redis::cmd("CLUSTER").arg("KEYSLOT").arg(list(source).unwrap()));
        let moving = Move::begin(slot, source, target);
        moving.keys();
        assert!(store.end("albus", key.public_id(), NOW).await.unwrap(), "it was there");
        assert!(load(&store, &key).await.is_none());
        moving.end(servers);
    });
}

/// As `redis-cli --cluster reshard` does it, with a pause half-way.
fn move_slot(slot: u16, source: &Server, target: &Server, servers: &[Server]) {
    let moving = Move::begin(slot, source, target);
    std::thread::sleep(Move::PAUSE);
    moving.keys();
    moving.end(&servers[..3]);
}

/// The move of a slot.
struct Move<'a> {
    slot: u16,
    source: &'a Server,
    target: &'a Server,
}

impl<'a> Move<'a> {
    const PAUSE: Duration = Duration::from_millis(30);

    fn begin(slot: u16, source: &'a Server, target: &'a Server) -> Self {
        let id = |server: &Server| -> String { server.ask(redis::cmd("CLUSTER").arg("MYID")) };
        let moving = Self { slot, source, target };
        moving.set(target, "IMPORTING", &id(source));
        moving.set(source, "MIGRATING", &id(target));
        moving
    }

    fn keys(&self) {
        loop {
            let mut keys = redis::cmd("CLUSTER");
            keys.arg("GETKEYSINSLOT").arg(self.slot).arg(1);
            let keys: Vec<Vec<u8>> = self.source.ask(&keys);
            let Some(key) = keys.first() else { break };
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(self.target.port).arg(key).arg(0).arg(60_000);
            () = self.source.ask(&migrate);
            std::thread::sleep(Self::PAUSE);
        }
    }

    fn end(&self, primaries: &[Server]) {
        let target: String = self.target.ask(redis::cmd("CLUSTER").arg("MYID"));
        self.set(self.target, "NODE", &target);
        for server in primaries {
            self.set(server, "NODE", &target);
        }
    }

    fn set(&self, server: &Server, state: &str, id: &str) {
        () = server.ask(redis::cmd("CLUSTER").arg("SETSLOT").arg(self.slot).arg(state).arg(id));
    }
}
