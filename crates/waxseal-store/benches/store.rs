//! What a store costs: `cargo bench -p waxseal-store --features sqlite --bench store`.
//!
//! Records carry 512 sealed bytes, a session of some dozen values. Ten million of them are measured too if
//! `WAXSEAL_BENCH_LARGE` is set, which takes some 15 GB of disk and half an hour.
//!
//! With the feature `postgres` too, a PostgreSQL of our own is started and measured with them.
//!
//! Writes are counted when they are acknowledged, that is after their commit. `write_together` is what many
//! visitors at once get: 256 tasks whose updates share commits; `write_alone` what one gets when nobody else writes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use waxseal_store::{
    Durability, Found, Lifespan, MemoryStore, Record, RecordKey, Revision, SessionId, SessionStore,
    SqliteStore, Swap, Timestamp,
};

fn main() {
    divan::main();
    #[cfg(all(feature = "postgres", unix))]
    postgres::stop();
}

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);
const SEALED_BYTES: usize = 512;
const TASKS: usize = 256;
const EACH: usize = 16;

/// How many records there are.
fn sizes() -> Vec<usize> {
    let mut sizes = vec![10_000, 1_000_000];
    if std::env::var_os("WAXSEAL_BENCH_LARGE").is_some() {
        sizes.push(10_000_000);
    }
    sizes
}

fn record() -> Record {
    let life = Lifespan::new(NOW, NOW, Timestamp::from_millis(1_790_001_800_123), Timestamp::MAX);
    let (revision, device) = (Revision::first().unwrap(), "Firefox on Linux".to_owned());
    Record { revision, kid: [1; 4], life, owner: None, device, sealed: vec![0xa5; SEALED_BYTES] }
}

/// A store with records, and their keys.
struct Filled<S> {
    store: S,
    keys: Vec<RecordKey>,
    runtime: Runtime,
    _folder: Option<TempDir>,
}

impl<S: SessionStore + Clone> Filled<S> {
    fn new(store: S, folder: Option<TempDir>, size: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let store = store.clone();
                runtime.spawn(async move {
                    let mut keys = Vec::new();
                    for _ in (task..size).step_by(TASKS) {
                        let key = SessionId::generate().unwrap().key();
                        _ = store.create(&key, &record(), NOW).await.unwrap();
                        keys.push(key);
                    }
                    keys
                })
            })
            .collect();
        let keys = tasks.into_iter().flat_map(|task| runtime.block_on(task).unwrap()).collect();
        Self { store, keys, runtime, _folder: folder }
    }

    /// Some key or other: the `n`th of a walk that jumps about.
    fn key(&self, n: usize) -> &RecordKey {
        &self.keys[n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.keys.len()]
    }
}

async fn load<S: SessionStore>(store: &S, key: &RecordKey) -> Record {
    match store.load(key, NOW).await.unwrap() {
        Some(Found::Living(record)) => record,
        other => panic!("{other:?}"),
    }
}

/// Loads, changes, writes; one that others were faster with stays as they left it.
async fn write<S: SessionStore>(store: &S, key: &RecordKey) -> Swap {
    let before = load(store, key).await;
    let after = Record { revision: before.revision.next().unwrap(), ..before.clone() };
    store.update(key, &before.revision, &after, NOW).await.unwrap()
}

/// By size, and whether every commit is forced to the disk.
type Stores = HashMap<(usize, bool), Arc<Filled<SqliteStore>>>;

fn sqlite(size: usize, durability: Durability) -> Arc<Filled<SqliteStore>> {
    static STORES: Mutex<Option<Stores>> = Mutex::new(None);
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let full = durability == Durability::Full;
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        let store = SqliteStore::options(&path).durability(durability).open().unwrap();
        let filled = Filled::new(store, Some(folder), size);
        report(size, &path);
        Arc::new(filled)
    };
    Arc::clone(stores.get_or_insert_default().entry((size, full)).or_insert_with(make))
}

/// By SQLite's own count: part of the file may still be in its log.
#[expect(clippy::print_stderr, reason = "a figure that divan has no place for")]
fn report(records: usize, path: &Path) {
    let count = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bytes: i64 = Connection::open(path).unwrap().query_row(count, (), |row| row.get(0)).unwrap();
    eprintln!("{records} records of {SEALED_BYTES} sealed bytes: {} bytes each", bytes / records as i64);
}

fn memory(size: usize) -> Filled<MemoryStore> {
    Filled::new(MemoryStore::new().max_records(2 * size).max_bytes(usize::MAX), None, size)
}

fn loads<S: SessionStore + Clone>(bencher: Bencher, filled: &Filled<S>) {
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(load(&filled.store, black_box(filled.key(n))))
    });
}

fn confirms<S: SessionStore + Clone>(bencher: Bencher, filled: &Filled<S>) {
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(filled.store.confirm(black_box(filled.key(n)), NOW)).unwrap()
    });
}

fn writes_alone<S: SessionStore + Clone>(bencher: Bencher, filled: &Filled<S>) {
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(write(&filled.store, filled.key(n)))
    });
}

fn writes_together<S: SessionStore + Clone>(bencher: Bencher, filled: &Arc<Filled<S>>) {
    together(bencher, filled, |filled, n| async move {
        _ = write(&filled.store, filled.key(n)).await;
    });
}

/// 256 tasks, of which each calls 16 times, one call after the other.
fn together<S, F>(bencher: Bencher, filled: &Arc<Filled<S>>, call: fn(Arc<Filled<S>>, usize) -> F)
where
    S: SessionStore + Clone,
    F: Future<Output = ()> + Send + 'static,
{
    let mut n = 0;
    bencher.counter(ItemsCount::new(TASKS * EACH)).bench_local(|| {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (task, first) = (Arc::clone(filled), n);
                n += EACH;
                filled.runtime.spawn(async move {
                    for number in first..first + EACH {
                        call(Arc::clone(&task), number).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            filled.runtime.block_on(task).unwrap();
        }
    });
}

mod sqlite_normal {
    use super::*;

    #[divan::bench(args = sizes(), sample_size = 500)]
    fn load(bencher: Bencher, size: usize) {
        loads(bencher, &sqlite(size, Durability::Normal));
    }

    #[divan::bench(args = sizes(), sample_size = 500)]
    fn confirm(bencher: Bencher, size: usize) {
        confirms(bencher, &sqlite(size, Durability::Normal));
    }

    #[divan::bench(args = sizes(), sample_size = 100)]
    fn write_alone(bencher: Bencher, size: usize) {
        writes_alone(bencher, &sqlite(size, Durability::Normal));
    }

    #[divan::bench(args = sizes())]
    fn write_together(bencher: Bencher, size: usize) {
        writes_together(bencher, &sqlite(size, Durability::Normal));
    }
}

mod sqlite_full {
    use super::*;

    #[divan::bench]
    fn write_alone(bencher: Bencher) {
        writes_alone(bencher, &sqlite(10_000, Durability::Full));
    }

    #[divan::bench]
    fn write_together(bencher: Bencher) {
        writes_together(bencher, &sqlite(10_000, Durability::Full));
    }
}

#[cfg(all(feature = "postgres", unix))]
#[path = "../tests/postgres_support/mod.rs"]
mod postgres_support;

#[cfg(all(feature = "postgres", unix))]
mod postgres {
    use waxseal_store::{NetworkOptions, PostgresStore, SynchronousCommit};

    use super::postgres_support::Cluster;
    use super::*;

    /// A server, and stores that acknowledge before and after the disk has it.
    struct Server {
        cluster: Cluster,
        off: Arc<Filled<PostgresStore>>,
        on: Arc<Filled<PostgresStore>>,
    }

    static SERVERS: Mutex<Vec<(usize, Arc<Server>)>> = Mutex::new(Vec::new());

    fn server(size: usize) -> Arc<Server> {
        let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        match servers.iter().find(|(there, _)| *there == size) {
            Some((_, server)) => Arc::clone(server),
            None => {
                let server = Arc::new(start(size));
                servers.push((size, Arc::clone(&server)));
                server
            }
        }
    }

    /// What is static is never dropped by itself, and a server ends with its drop. Before, it says what all the
    /// updates have left.
    #[expect(clippy::print_stderr, reason = "figures that divan has no place for")]
    pub(super) fn stop() {
        let servers = std::mem::take(&mut *SERVERS.lock().unwrap_or_else(PoisonError::into_inner));
        for (size, server) in servers {
            let hot = "SELECT n_tup_upd || ' updates, of which ' || n_tup_hot_upd * 100 / greatest(n_tup_upd, 1) \
                 || ' % touched no index' FROM pg_stat_all_tables WHERE relid = 'waxseal.sessions'::regclass";
            let updates = server.off.runtime.block_on(async {
                report(&server.cluster, size).await;
                server.cluster.sql(hot).await
            });
            eprintln!("after {}", updates.concat());
        }
    }

    fn start(size: usize) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let cluster = Cluster::start(&["shared_buffers=1GB", "max_wal_size=3GB"]);
        let stores = [SynchronousCommit::Off, SynchronousCommit::On].map(|commit| open(&cluster, commit, 8));
        let keys = runtime.block_on(fill(&cluster, size));
        let filled =
            |(store, runtime)| Arc::new(Filled { store, keys: keys.clone(), runtime, _folder: None });
        let [off, on] = stores.map(filled);
        Server { cluster, off, on }
    }

    fn open(cluster: &Cluster, commit: SynchronousCommit, connections: usize) -> (PostgresStore, Runtime) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let patience = std::time::Duration::from_secs(60);
        let network = NetworkOptions::new().command_timeout(patience).connections(connections);
        let options = PostgresStore::options(&cluster.url("postgres")).synchronous_commit(commit);
        let store = runtime.block_on(options.network(network).open()).unwrap();
        (store, runtime)
    }

    /// Fills the table by one statement, and returns keys from all over it, up to half a million.
    async fn fill(cluster: &Cluster, size: usize) -> Vec<RecordKey> {
        let (start, end) = (NOW.as_millis(), NOW.as_millis() + 1_800_000);
        cluster
            .sql(&format!(
                "INSERT INTO waxseal.sessions (public_id, hash, revision, kid, created, last_seen, expires, \
                 absolute_end, device, generation, sealed) \
                 SELECT ('x' || substr(md5(n::text), 1, 16))::bit(64)::bigint, sha256(n::text::bytea), \
                 '\\x0000000000000001a5a5a5a5a5a5a5a5', 1, {start}, {start}, {end}, {}, 'Firefox on Linux', 0, \
                 decode(repeat('a5', {SEALED_BYTES}), 'hex') FROM generate_series(1, {size}) n",
                Timestamp::MAX.as_millis()
            ))
            .await;
        report(cluster, size).await;
        cluster.sql("VACUUM ANALYZE waxseal.sessions").await;
        cluster.sql("CHECKPOINT").await;
        let percent = 100.0_f64.min(50_000_000.0 / size as f64);
        let keys = format!(
            "SELECT encode(int8send(public_id) || hash, 'hex') FROM waxseal.sessions \
             TABLESAMPLE BERNOULLI ({percent})"
        );
        cluster.sql(&keys).await.iter().map(|key| read_key(key)).collect()
    }

    fn read_key(hex: &str) -> RecordKey {
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        let public_id = waxseal_store::PublicId::from_bytes(std::array::from_fn(byte));
        RecordKey::new(public_id, std::array::from_fn(|at| byte(8 + at)))
    }

    #[expect(clippy::print_stderr, reason = "a figure that divan has no place for")]
    async fn report(cluster: &Cluster, size: usize) {
        let bytes = cluster.sql("SELECT pg_total_relation_size('waxseal.sessions')").await;
        let bytes: usize = bytes[0].parse().unwrap();
        eprintln!("{size} records of {SEALED_BYTES} sealed bytes in PostgreSQL: {} bytes each", bytes / size);
    }

    #[divan::bench(args = sizes(), sample_size = 100)]
    fn load(bencher: Bencher, size: usize) {
        loads(bencher, &server(size).off);
    }

    #[divan::bench(args = sizes(), sample_size = 100)]
    fn confirm(bencher: Bencher, size: usize) {
        confirms(bencher, &server(size).off);
    }

    #[divan::bench(args = sizes())]
    fn confirm_together(bencher: Bencher, size: usize) {
        together(bencher, &server(size).off, |filled, n| async move {
            black_box(filled.store.confirm(filled.key(n), NOW).await.unwrap());
        });
    }

    #[divan::bench(args = sizes())]
    fn touch_together_on(bencher: Bencher, size: usize) {
        together(bencher, &server(size).on, |filled, n| async move {
            black_box(filled.store.touch(filled.key(n), NOW, NOW).await.unwrap());
        });
    }

    #[divan::bench(args = sizes(), sample_size = 20)]
    fn write_alone_off(bencher: Bencher, size: usize) {
        writes_alone(bencher, &server(size).off);
    }

    #[divan::bench(args = sizes(), sample_size = 5)]
    fn write_alone_on(bencher: Bencher, size: usize) {
        writes_alone(bencher, &server(size).on);
    }

    #[divan::bench(args = sizes())]
    fn write_together_off(bencher: Bencher, size: usize) {
        writes_together(bencher, &server(size).off);
    }

    /// By the number of connections.
    #[divan::bench(args = [2, 8, 32, 64], sample_count = 20)]
    fn write_together_on_connections(bencher: Bencher, connections: usize) {
        let server = server(10_000);
        let (store, runtime) = open(&server.cluster, SynchronousCommit::On, connections);
        let keys = server.on.keys.clone();
        writes_together(bencher, &Arc::new(Filled { store, keys, runtime, _folder: None }));
    }

    #[divan::bench(args = sizes(), sample_count = 20)]
    fn write_together_on(bencher: Bencher, size: usize) {
        writes_together(bencher, &server(size).on);
    }
}

mod in_memory {
    use super::*;

    #[divan::bench(args = [10_000, 1_000_000], sample_size = 500)]
    fn load(bencher: Bencher, size: usize) {
        loads(bencher, &memory(size));
    }

    #[divan::bench]
    fn write_together(bencher: Bencher) {
        writes_together(bencher, &Arc::new(memory(10_000)));
    }
}
