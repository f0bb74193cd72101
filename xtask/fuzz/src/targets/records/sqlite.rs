//! Rows in an SQLite file that another program has written.

use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use waxseal_sqlite::{SqliteDurability, SqliteStore};
use waxseal_store::SessionStore;

use super::{MOMENT, ask, id, record, runtime};
use crate::target::Target;

/// The columns of a row, in lines: hash, revision, kid, five numbers, owner, device, sealed.
pub(crate) struct Rows {
    runtime: Runtime,
    store: SqliteStore,
    other: Connection,
    _folder: TempDir,
}

impl Rows {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("sessions.db");
        let store = SqliteStore::options(&path).durability(SqliteDurability::Off).open().expect("a new file");
        let runtime = runtime();
        let made = runtime.block_on(store.create(&id().key(), &record(b"sealed".to_vec()), MOMENT));
        assert!(made.is_ok(), "a new file has room: {made:?}");
        let other = Connection::open(&path).expect("the file that was made");
        other.pragma_update(None, "synchronous", "OFF").expect("a setting of SQLite");
        Self { runtime, store, other, _folder: folder }
    }
}

impl Target for Rows {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let hash =
            id().key().hash().iter().map(|&byte| if byte == b'\n' { b'.' } else { byte }).collect::<Vec<_>>();
        let rest = b"\n0123456789abcdef\nkey1\n9007199254740991\n1790000000000\n1790000000000\n9007199254740991\n0\nuser-7\nFirefox\nsealed";
        vec![
            [&hash[..], rest].concat(),
            b"\n\n\n-1\n-9223372036854775808\n9223372036854775807\n0\n0\n\n\n".to_vec(),
        ]
    }

    fn read(&mut self, input: &[u8]) -> String {
        let columns: Vec<_> = input.splitn(11, |&byte| byte == b'\n').collect();
        let column = |at: usize| columns.get(at).copied().unwrap_or_default();
        let number = |at| {
            str::from_utf8(column(at)).ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(i64::MAX)
        };
        let text = |at| String::from_utf8_lossy(column(at)).into_owned();
        let key = id().key();
        let is_known = key.hash()[..4] == *column(0).get(..4).unwrap_or_default();
        // Found by its hash, or the rest is never read.
        let hash = if is_known { column(0) } else { &key.hash()[..] };
        let written = self.other.prepare_cached(
            "UPDATE sessions SET hash = ?1, revision = ?2, kid = ?3, expires = ?4, last_seen = ?5, created = ?6,
             absolute_end = ?7, generation = ?8, owner = ?9, device = ?10, sealed = ?11",
        );
        let written = written.and_then(|mut update| {
            update.execute(params![
                hash,
                column(1),
                column(2),
                number(3),
                number(4),
                number(5),
                number(6),
                number(7),
                text(8),
                text(9),
                column(10)
            ])
        });
        assert_eq!(written, Ok(1), "the row is there");
        // The table of owners is empty.
        let is_over = number(3) <= MOMENT.as_millis().cast_signed() || number(7) < 0;
        self.runtime.block_on(ask(&self.store, &key, is_over))
    }
}
