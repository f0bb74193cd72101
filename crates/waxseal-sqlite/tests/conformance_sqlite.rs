//! The conformance suite on the SQLite store: each case's two handles are two stores on one file, as two processes
//! would have them.

use std::cell::RefCell;

use waxseal_sqlite::{SqliteDurability, SqliteStore};
use waxseal_store::testing::conformance;

#[test]
fn the_sqlite_store_conforms() {
    // Kept to the end, and removed then.
    let folders = RefCell::new(Vec::new());
    conformance(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        folders.borrow_mut().push(folder);
        [(); 2].map(|()| SqliteStore::options(&path).durability(SqliteDurability::Off).open().unwrap())
    });
}
