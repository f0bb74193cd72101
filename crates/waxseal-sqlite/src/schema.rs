//! The tables and their migrations.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::SqliteError;

/// "WaxS": marks the file as a session database, for the program `file` and for [`Marks::check`].
const APPLICATION_ID: i32 = 0x5761_7853;

/// Each step migrates from the schema of its number to the next. Steps of a published release are never changed.
const STEPS: &[&str] = &[
    // One row for each session. Its key is the public session id (`family` before step 2), a random number that a
    // renewal keeps. So a record is found in one tree, a renewal changes the row in place, and no key of 40 bytes is
    // repeated in an index.
    "CREATE TABLE sessions (
        family       INTEGER PRIMARY KEY,
        hash         BLOB    NOT NULL,
        revision     BLOB    NOT NULL,
        expires      INTEGER NOT NULL,
        -- The quarter of an hour in whose course it expires is over: indexed in place of `expires`, which every
        -- write moves. So most writes change one page, and purging lags by a quarter of an hour.
        quarter      INTEGER NOT NULL,
        absolute_end INTEGER NOT NULL,
        created      INTEGER NOT NULL,
        last_seen    INTEGER NOT NULL,
        kid          BLOB    NOT NULL,
        owner        TEXT,
        generation   INTEGER NOT NULL,
        device       TEXT    NOT NULL,
        sealed       BLOB    NOT NULL
    ) STRICT;
    CREATE INDEX sessions_by_quarter ON sessions (quarter);
    CREATE INDEX sessions_by_owner ON sessions (owner, generation) WHERE owner IS NOT NULL;

    -- What renewing left under old ids, for a minute.
    CREATE TABLE traces (
        hash      BLOB    PRIMARY KEY,
        renewed   INTEGER NOT NULL,
        expires   INTEGER NOT NULL,
        to_family INTEGER,
        to_hash   BLOB,
        sealed    BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX traces_by_end ON traces (expires);

    -- Owners who ended all their sessions at least once.
    CREATE TABLE owners (
        owner      TEXT    PRIMARY KEY,
        generation INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;",
    // A tombstone does not lead to the new id: it only says until when the old id is refused.
    "ALTER TABLE sessions RENAME COLUMN family TO public_id;

    -- The old ids of renewed sessions, each for a minute.
    CREATE TABLE tombstones (
        hash    BLOB    PRIMARY KEY,
        expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tombstones_by_end ON tombstones (expires);
    INSERT INTO tombstones SELECT hash, min(expires, renewed + 60000) FROM traces;
    DROP TABLE traces;",
];

/// The marks by which a file is recognised before anything in it is changed.
pub(crate) struct Marks {
    application: i32,
    tables: i64,
    version: i64,
}

/// Reads a file's marks.
pub(crate) fn look(connection: &Connection) -> rusqlite::Result<Marks> {
    // In one transaction, because another process may be making the tables.
    let transaction = connection.unchecked_transaction()?;
    Ok(Marks {
        application: pragma(&transaction, "application_id")?,
        tables: transaction.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?,
        version: pragma(&transaction, "user_version")?,
    })
}

impl Marks {
    /// Refuses a file of another program or of a newer release, and if it must not be migrated also of an older one.
    pub(crate) fn check(&self, path: &Path, existing: bool) -> Result<(), SqliteError> {
        let (path, known, found) = (|| path.to_owned(), version(STEPS), self.version);
        match self.application {
            APPLICATION_ID if found > known => Err(SqliteError::Newer { path: path(), found, known }),
            APPLICATION_ID if existing && found < known => {
                Err(SqliteError::Unmigrated { path: path(), found, known })
            }
            APPLICATION_ID => Ok(()),
            0 if self.tables == 0 && existing => {
                Err(SqliteError::Unmigrated { path: path(), found: 0, known })
            }
            0 if self.tables == 0 => Ok(()),
            _ => Err(SqliteError::Foreign { path: path() }),
        }
    }
}

/// Creates or migrates the tables in one transaction. Of several processes only one does it.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    run(connection, STEPS)
}

fn run(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    if pragma::<i64>(connection, "user_version")? >= version(steps) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: another process may have been first.
    let found: i64 = pragma(&transaction, "user_version")?;
    for step in steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    if found < version(steps) {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version(steps))?;
    }
    transaction.commit()
}

fn version(steps: &[&str]) -> i64 {
    i64::try_from(steps.len()).expect("a handful of steps")
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<T> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_schema_is_migrated_by_the_steps_it_lacks() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, &["CREATE TABLE a (x)"]).unwrap();
        connection.execute("INSERT INTO a VALUES (7)", ()).unwrap();
        let steps = ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y", "UPDATE a SET y = x + 1"];
        run(&mut connection, &steps).unwrap();
        run(&mut connection, &steps).unwrap();
        let row = connection.query_row("SELECT x, y FROM a", (), |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row.unwrap(), (7, 8));
        assert_eq!(pragma::<i64>(&connection, "user_version").unwrap(), 3);
    }

    #[test]
    fn a_file_of_the_first_version_keeps_its_sessions_and_old_ids_for_a_minute() {
        let mut connection = Connection::open_in_memory().unwrap();
        run(&mut connection, &STEPS[..1]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO sessions (family, hash, revision, expires, quarter, absolute_end, created, last_seen, \
                 kid, generation, device, sealed) VALUES (7, x'01', x'02', 9, 1, 9, 1, 1, x'03', 0, '', x'04');
                 INSERT INTO traces VALUES (x'05', 1000, 61000, NULL, NULL, NULL);
                 INSERT INTO traces VALUES (x'06', 1000, 3601000, 7, x'01', x'08');",
            )
            .unwrap();
        run(&mut connection, STEPS).unwrap();
        let count = |sql| connection.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM sessions WHERE public_id = 7 AND hash = x'01'"), 1);
        assert_eq!(count("SELECT count(*) FROM tombstones WHERE expires = 61000"), 2);
    }

    #[test]
    fn a_file_that_must_not_be_migrated_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        let open = || crate::SqliteStore::options(&path).existing().open();
        assert!(open().is_err() && !path.exists());
        std::fs::write(&path, "").unwrap();
        assert!(matches!(open(), Err(SqliteError::Unmigrated { found: 0, .. })));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        run(&mut Connection::open(&path).unwrap(), &STEPS[..1]).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = open().expect_err("it is of an older release");
        assert!(matches!(error, SqliteError::Unmigrated { found: 1, known: 2, .. }), "{error}");
        assert!(std::fs::read(&path).unwrap() == before);
        crate::SqliteStore::open(&path).unwrap();
        open().unwrap();
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(run(&mut connection, &["CREATE TABLE a (x)", "no statement"]).is_err());
        let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0));
        assert_eq!((tables, pragma(&connection, "user_version")), (Ok(0), Ok(0)));
    }
}
