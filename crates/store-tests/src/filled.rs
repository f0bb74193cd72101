//! Full stores, and measurements of calls on them.
//!
//! Records carry 512 sealed bytes, a session of some dozen values. Ten million of them are measured too if
//! `WAXSEAL_BENCH_LARGE` is set, which takes some 15 GB of disk and half an hour.
//!
//! Writes are counted when they are acknowledged, that is after their commit. [`writes_together`] measures many
//! visitors at once: 256 tasks whose updates share commits. [`writes_alone`] measures one writer alone.

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use waxseal_store::{Found, Lifespan, Record, RecordKey, Revision, SessionId, SessionStore, Swap, Timestamp};

/// The time of every call.
pub const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);
/// Sealed bytes of each record.
pub const SEALED_BYTES: usize = 512;
const TASKS: usize = 256;
const EACH: usize = 16;

/// Numbers of records to measure with.
pub fn sizes() -> Vec<usize> {
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
pub struct Filled<S> {
    /// The store.
    pub store: S,
    /// The keys of the store's records.
    pub keys: Vec<RecordKey>,
    /// The runtime that calls it.
    pub runtime: Runtime,
    /// The folder of the store's files.
    pub folder: Option<TempDir>,
}

impl<S: SessionStore + Clone> Filled<S> {
    /// Fills an empty store with `size` records.
    ///
    /// # Panics
    ///
    /// If the store fails.
    #[must_use]
    pub fn new(store: S, folder: Option<TempDir>, size: usize) -> Self {
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
        Self { store, keys, runtime, folder }
    }

    /// The `n`th key of a walk in no particular order.
    pub fn key(&self, n: usize) -> &RecordKey {
        &self.keys[n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.keys.len()]
    }
}

async fn load<S: SessionStore>(store: &S, key: &RecordKey) -> Record {
    match store.load(key, NOW).await.unwrap() {
        Some(Found::Living(record)) => record,
        other => panic!("{other:?}"),
    }
}

/// Loads a record, changes it and writes it. After a conflict, the record stays as the other task left it.
async fn write<S: SessionStore>(store: &S, key: &RecordKey) -> Swap {
    let before = load(store, key).await;
    let after = Record { revision: before.revision.next().unwrap(), ..before.clone() };
    store.update(key, &before.revision, &after, NOW).await.unwrap()
}

/// Measures loading one record after the other.
pub fn loads<S: SessionStore + Clone>(bencher: Bencher, filled: &Filled<S>) {
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(load(&filled.store, black_box(filled.key(n))))
    });
}

/// Measures revalidating one record after the other.
pub fn confirms<S: SessionStore + Clone>(bencher: Bencher, filled: &Filled<S>) {
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(filled.store.revalidate(black_box(filled.key(n)), NOW)).unwrap()
    });
}

/// Measures loading and updating one record after the other.
pub fn writes_alone<S: SessionStore + Clone>(bencher: Bencher, filled: &Filled<S>) {
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        filled.runtime.block_on(write(&filled.store, filled.key(n)))
    });
}

/// Measures loading and updating records from many tasks at once.
pub fn writes_together<S: SessionStore + Clone>(bencher: Bencher, filled: &Arc<Filled<S>>) {
    together(bencher, filled, |filled, n| async move {
        _ = write(&filled.store, filled.key(n)).await;
    });
}

/// Measures `call` from 256 tasks. Each task calls 16 times, one call after the other.
pub fn together<S, F>(bencher: Bencher, filled: &Arc<Filled<S>>, call: fn(Arc<Filled<S>>, usize) -> F)
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
