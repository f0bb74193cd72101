//! What the store in PostgreSQL costs: `cargo bench -p waxseal-postgres --bench postgres`; see [`store_tests::filled`].
//! Starts a PostgreSQL of its own.

use std::sync::{Arc, Mutex, PoisonError};

use divan::{Bencher, black_box};
use store_tests::filled::{
    Filled, NOW, SEALED_BYTES, confirms, loads, sizes, together, writes_alone, writes_together,
};
use store_tests::postgres::Cluster;
use tokio::runtime::Runtime;
use waxseal_postgres::{PostgresStore, SynchronousCommit};
use waxseal_store::{NetworkOptions, PublicId, RecordKey, SessionStore, Timestamp};

fn main() {
    divan::main();
    stop();
}

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
fn stop() {
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
    let filled = |(store, runtime)| Arc::new(Filled { store, keys: keys.clone(), runtime, folder: None });
    let [off, on] = stores.map(filled);
    Server { cluster, off, on }
}

fn open(cluster: &Cluster, commit: SynchronousCommit, connections: usize) -> (PostgresStore, Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
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
    let public_id = PublicId::from_bytes(std::array::from_fn(byte));
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
fn revalidate(bencher: Bencher, size: usize) {
    confirms(bencher, &server(size).off);
}

#[divan::bench(args = sizes())]
fn confirm_together(bencher: Bencher, size: usize) {
    together(bencher, &server(size).off, |filled, n| async move {
        black_box(filled.store.revalidate(filled.key(n), NOW).await.unwrap());
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
    writes_together(bencher, &Arc::new(Filled { store, keys, runtime, folder: None }));
}

#[divan::bench(args = sizes(), sample_count = 20)]
fn write_together_on(bencher: Bencher, size: usize) {
    writes_together(bencher, &server(size).on);
}
