//! The conformance suite on the SQLite store: each case's two handles are two stores on one file, as two processes
//! would have them.

use std::cell::RefCell;
use std::time::Duration;

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
        // The two may wait long for each other on a busy machine.
        let options = SqliteStore::options(&path).busy_timeout(Duration::from_secs(60));
        [(); 2].map(|()| options.clone().durability(SqliteDurability::Off).open().unwrap())
    });
}
