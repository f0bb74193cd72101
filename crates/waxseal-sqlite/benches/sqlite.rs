//! What the store in a file costs: `cargo bench -p waxseal-sqlite --bench sqlite`; see [`store_tests::filled`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use divan::Bencher;
use rusqlite::Connection;
use store_tests::filled::{Filled, SEALED_BYTES, confirms, loads, sizes, writes_alone, writes_together};
use waxseal_sqlite::{SqliteDurability, SqliteStore};

fn main() {
    divan::main();
}

/// By size, and whether every commit is forced to the disk.
type Stores = HashMap<(usize, bool), Arc<Filled<SqliteStore>>>;

fn sqlite(size: usize, durability: SqliteDurability) -> Arc<Filled<SqliteStore>> {
    static STORES: Mutex<Option<Stores>> = Mutex::new(None);
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let full = durability == SqliteDurability::Full;
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

mod normal {
    use super::*;

    #[divan::bench(args = sizes(), sample_size = 500)]
    fn load(bencher: Bencher, size: usize) {
        loads(bencher, &sqlite(size, SqliteDurability::Normal));
    }

    #[divan::bench(args = sizes(), sample_size = 500)]
    fn revalidate(bencher: Bencher, size: usize) {
        confirms(bencher, &sqlite(size, SqliteDurability::Normal));
    }

    #[divan::bench(args = sizes(), sample_size = 100)]
    fn write_alone(bencher: Bencher, size: usize) {
        writes_alone(bencher, &sqlite(size, SqliteDurability::Normal));
    }

    #[divan::bench(args = sizes())]
    fn write_together(bencher: Bencher, size: usize) {
        writes_together(bencher, &sqlite(size, SqliteDurability::Normal));
    }
}

mod full {
    use super::*;

    #[divan::bench]
    fn write_alone(bencher: Bencher) {
        writes_alone(bencher, &sqlite(10_000, SqliteDurability::Full));
    }

    #[divan::bench]
    fn write_together(bencher: Bencher) {
        writes_together(bencher, &sqlite(10_000, SqliteDurability::Full));
    }
}
