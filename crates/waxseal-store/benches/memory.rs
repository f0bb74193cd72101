//! What the memory store costs: `cargo bench -p waxseal-store --bench memory`; see [`store_tests::filled`].

use std::sync::Arc;

use divan::Bencher;
use store_tests::filled::{Filled, loads, writes_together};
use waxseal_store::MemoryStore;

fn main() {
    divan::main();
}

fn memory(size: usize) -> Filled<MemoryStore> {
    Filled::new(MemoryStore::new().max_records(2 * size).max_bytes(usize::MAX), None, size)
}

#[divan::bench(args = [10_000, 1_000_000], sample_size = 500)]
fn load(bencher: Bencher, size: usize) {
    loads(bencher, &memory(size));
}

#[divan::bench]
fn write_together(bencher: Bencher) {
    writes_together(bencher, &Arc::new(memory(10_000)));
}
