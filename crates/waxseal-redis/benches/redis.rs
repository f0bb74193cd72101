//! What the store in Redis costs: `cargo bench -p waxseal-redis --bench redis`.
//!
//! Starts a redis-server of its own, on loopback, without an append-only file; `ping` is what the way there and back
//! costs by itself. Records carry 512 sealed bytes. Ten million of them are measured too if `WAXSEAL_BENCH_LARGE` is
//! set, which takes some 10 GB of memory and a quarter of an hour.
//!
//! `together` is what many visitors at once get: 256 tasks. Server and clients share the machine's processors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use divan::Bencher;
use divan::counter::ItemsCount;
use store_tests::redis::Server;
use tokio::runtime::Runtime;
use waxseal_redis::RedisStore;
use waxseal_store::{
    Found, Lifespan, NetworkOptions, Record, RecordKey, Revision, SessionId, SessionStore, Swap, Timestamp,
};

fn main() {
    divan::main();
}

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);
const SEALED_BYTES: usize = 512;
const TASKS: usize = 256;
const EACH: usize = 16;

fn sizes() -> Vec<usize> {
    let mut sizes = vec![10_000, 1_000_000];
    if std::env::var_os("WAXSEAL_BENCH_LARGE").is_some() {
        sizes.push(10_000_000);
    }
    sizes
}

fn record(owner: Option<String>) -> Record {
    let life = Lifespan::new(
        NOW,
        NOW,
        Timestamp::from_millis(1_790_001_800_123),
        Timestamp::from_millis(1_790_043_200_123),
    );
    let (revision, device) = (Revision::first().unwrap(), "Firefox on Linux".to_owned());
    Record { revision, kid: [1; 4], life, owner, device, sealed: vec![0xa5; SEALED_BYTES] }
}

/// A server with records, and their keys.
struct Filled {
    server: Server,
    store: RedisStore,
    keys: Vec<RecordKey>,
    runtime: Runtime,
}

impl Filled {
    /// With `owned`, each record has an owner of its own.
    fn new(size: usize, owned: bool) -> Self {
        let server = Server::start(&[]);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let network = NetworkOptions::new().command_timeout(std::time::Duration::from_secs(30));
        let store = runtime.block_on(RedisStore::options(&server.url()).network(network).open()).unwrap();
        let before = used_memory(&server);
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let store = store.clone();
                runtime.spawn(async move {
                    let mut keys = Vec::new();
                    for number in (task..size).step_by(TASKS) {
                        let key = SessionId::generate().unwrap().key();
                        let owner = owned.then(|| format!("user-{number}@example.com"));
                        _ = store.create(&key, &record(owner), NOW).await.unwrap();
                        keys.push(key);
                    }
                    keys
                })
            })
            .collect();
        let keys: Vec<_> = tasks.into_iter().flat_map(|task| runtime.block_on(task).unwrap()).collect();
        report(&server, &keys, used_memory(&server) - before, owned);
        Self { server, store, keys, runtime }
    }

    fn key(&self, n: usize) -> &RecordKey {
        &self.keys[n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.keys.len()]
    }
}

fn used_memory(server: &Server) -> usize {
    let info: String = server.ask(redis::cmd("INFO").arg("memory"));
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.unwrap().trim().parse().unwrap()
}

#[expect(clippy::print_stderr, reason = "figures that divan has no place for")]
fn report(server: &Server, keys: &[RecordKey], bytes: usize, owned: bool) {
    let row: usize =
        server.ask(redis::cmd("MEMORY").arg("USAGE").arg(format!("waxseal:{{{}}}", keys[0].public_id())));
    let owners = if owned { ", each of an owner of its own" } else { "" };
    eprintln!(
        "{} records of {SEALED_BYTES} sealed bytes{owners}: {} bytes each by INFO, a row {row} by MEMORY USAGE",
        keys.len(),
        bytes / keys.len(),
    );
}

/// Microseconds of the server's processors since it started.
fn server_micros(server: &Server) -> f64 {
    let info: String = server.ask(redis::cmd("INFO").arg("cpu"));
    let seconds = |name: &str| -> f64 {
        info.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
    };
    1e6 * (seconds("used_cpu_sys:") + seconds("used_cpu_user:"))
}

/// One server for each size, with and without owners.
fn filled(size: usize, owned: bool) -> Arc<Filled> {
    type Servers = HashMap<(usize, bool), Arc<Filled>>;
    static SERVERS: Mutex<Option<Servers>> = Mutex::new(None);
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let servers = servers.get_or_insert_default();
    Arc::clone(servers.entry((size, owned)).or_insert_with(|| Arc::new(Filled::new(size, owned))))
}

async fn load(store: &RedisStore, key: &RecordKey) -> Record {
    match store.load(key, NOW).await.unwrap() {
        Some(Found::Living(record)) => record,
        other => panic!("{other:?}"),
    }
}

/// Loads, changes, writes; one that others were faster with stays as they left it.
async fn write(store: &RedisStore, key: &RecordKey) -> Swap {
    let before = load(store, key).await;
    let after = Record { revision: before.revision.next().unwrap(), ..before.clone() };
    store.update(key, &before.revision, &after, NOW).await.unwrap()
}

/// Many tasks at once; says what a call costs the server.
#[expect(clippy::print_stderr, reason = "figures that divan has no place for")]
fn together(bencher: Bencher, filled: &Arc<Filled>, what: &str, writes: bool) {
    let (start, mut n) = (server_micros(&filled.server), 0);
    bencher.counter(ItemsCount::new(TASKS * EACH)).bench_local(|| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (filled, first) = (Arc::clone(filled), n);
                n += EACH;
                filled.clone().runtime.spawn(async move {
                    for number in first..first + EACH {
                        if writes {
                            _ = write(&filled.store, filled.key(number)).await;
                        } else {
                            load(&filled.store, filled.key(number)).await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            filled.runtime.block_on(task).unwrap();
        }
    });
    let micros = (server_micros(&filled.server) - start) / n as f64;
    eprintln!("{what}, {} records: {micros:.1} µs of the server's processor each", filled.keys.len());
}

#[divan::bench(sample_size = 100)]
fn ping(bencher: Bencher) {
    let filled = filled(10_000, false);
    let client = redis::Client::open(filled.server.url()).unwrap();
    let connection = filled.runtime.block_on(client.get_multiplexed_async_connection()).unwrap();
    bencher.bench_local(|| {
        let mut connection = connection.clone();
        filled.runtime.block_on(async {
            let _: String = redis::cmd("PING").query_async(&mut connection).await.unwrap();
        });
    });
}

#[divan::bench(args = sizes(), sample_size = 100)]
fn load_alone(bencher: Bencher, size: usize) {
    let (filled, mut n) = (filled(size, false), 0);
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(load(&filled.store, filled.key(n)))
    });
}

#[divan::bench(args = sizes(), sample_size = 100)]
fn confirm_alone(bencher: Bencher, size: usize) {
    let (filled, mut n) = (filled(size, false), 0);
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(filled.store.revalidate(filled.key(n), NOW)).unwrap()
    });
}

#[divan::bench(args = sizes(), sample_size = 100)]
fn write_alone(bencher: Bencher, size: usize) {
    let (filled, mut n) = (filled(size, false), 0);
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(write(&filled.store, filled.key(n)))
    });
}

#[divan::bench(args = sizes())]
fn load_together(bencher: Bencher, size: usize) {
    together(bencher, &filled(size, false), "a load", false);
}

#[divan::bench(args = sizes())]
fn write_together(bencher: Bencher, size: usize) {
    together(bencher, &filled(size, false), "a load and an update", true);
}

/// Each record has an owner of its own, as if every visitor were signed in.
#[divan::bench(args = [10_000, 1_000_000])]
fn load_owned_together(bencher: Bencher, size: usize) {
    together(bencher, &filled(size, true), "a load of an owner's", false);
}
