//! The conformance suite on the memory store.

use waxseal_store::MemoryStore;
use waxseal_store::testing::{Conformance, FaultyStore, conformance};

fn two_clones() -> [MemoryStore; 2] {
    let store = MemoryStore::new();
    [store.clone(), store]
}

#[test]
fn the_memory_store_conforms() {
    conformance(two_clones);
}

/// As the book shows it, for whoever writes a store.
mod own {
    use waxseal_store::MemoryStore as MyStore;

    #[test]
    fn my_store_conforms() {
        waxseal_store::testing::conformance(|| {
            let store = MyStore::new();
            [store.clone(), store] // two handles on one new, empty store
        });
    }
}

#[test]
fn the_suite_runs_on_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let suite = Conformance::new().spawn_with(|task| drop(tokio::spawn(task))).rounds(3);
    runtime.block_on(suite.run(async || two_clones()));
}

#[test]
fn a_store_that_is_told_to_fail_and_is_not_told_conforms() {
    conformance(|| {
        let store = FaultyStore::new(MemoryStore::new());
        [store.clone(), store]
    });
}
