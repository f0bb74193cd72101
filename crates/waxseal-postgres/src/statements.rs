//! The statements' texts, for the schema `waxseal`; [`named`] puts another in its place.
//!
//! Each operation is one statement, so it takes one round trip, is its own transaction, and works behind a pooler in
//! transaction mode. All statements run under READ COMMITTED, PostgreSQL's default, of which two properties matter
//! here:
//!
//! - A statement reads all tables in one snapshot. So it sees either a record or the tombstone that it left, never both
//!   and never neither.
//! - If another transaction has changed a row since the snapshot, the statement waits for that one, and then computes
//!   its conditions and new values again from the present row ("EvalPlanQual"). But what it reads of *other* rows stays
//!   as in the snapshot. So a statement that loses a race changes nothing, and what it read may be out of date. If its
//!   answer depends on that, the statement returns [`Raced`](Outcome::Raced), and is run again.

/// Declares the statements, and a struct that has them for one schema.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $($sql:expr),+;)+) => {
        /// Every statement that runs often enough to be prepared.
        pub(crate) struct Statements {
            $($(#[$doc])* pub(crate) $name: String,)+
        }

        impl Statements {
            pub(crate) fn new(schema: &str) -> Self {
                Self { $($name: named(concat!($($sql),+), schema),)+ }
            }
        }
    };
}

/// Returns `sql` with the store's own names in `schema`.
pub(crate) fn named(sql: &str, schema: &str) -> String {
    sql.replace("waxseal", schema)
}

/// The outcome of a compare-and-swap, as its only column says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Another statement changed a row that this one had found before it could. This one has changed nothing. Its next
    /// snapshot includes that change, so it loses at most one race for each change by others.
    Raced,
    Conflict,
    Gone,
}

impl Outcome {
    pub(crate) fn read(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Done,
            1 => Self::Raced,
            2 => Self::Conflict,
            3 => Self::Gone,
            _ => return None,
        })
    }
}

/// The owner's present generation.
macro_rules! generation_of {
    ($owner:literal) => {
        concat!("coalesce((SELECT o.generation FROM waxseal.owners o WHERE o.owner = ", $owner, "), 0)")
    };
}

/// The condition that row `s` lives at `$3`, by its end and its owner's generation.
///
/// The generation is read in the snapshot. That is recent enough: a row keeps its generation, so a row that is written
/// during an "end all" is absent as soon as that is committed.
macro_rules! living {
    () => {
        concat!("s.expires > $3 AND (s.owner IS NULL OR s.generation >= ", generation_of!("s.owner"), ")")
    };
}

/// The living row of public id `$1` and hash `$2` at `$3`.
macro_rules! found {
    () => {
        concat!("s.public_id = $1 AND s.hash = $2 AND ", living!())
    };
}

/// The tombstone that lies under `$2` at `$3`.
macro_rules! tombstone {
    () => {
        "FROM waxseal.tombstones t WHERE t.hash = $2 AND t.expires > $3"
    };
}

/// Compare and swap: the row under `$2` gets the hash `$5` and new contents if its revision is `$4`.
macro_rules! swapped {
    () => {
        concat!(
            "swapped AS (UPDATE waxseal.sessions s SET hash = $5, revision = $6, kid = $7, created = $8, \
             last_seen = $9, expires = $10, absolute_end = $11, device = $12, sealed = $13, owner = $14, \
             generation = CASE WHEN s.owner IS NOT DISTINCT FROM $14 THEN s.generation ELSE ",
            generation_of!("$14"),
            " END WHERE ",
            found!(),
            " AND s.revision = $4 RETURNING 1)"
        )
    };
}

/// The outcome of a swap. Everything except `swapped` is read in the snapshot.
macro_rules! swap_outcome {
    () => {
        concat!(
            " SELECT CASE WHEN EXISTS (SELECT FROM swapped) THEN 0 \
             WHEN EXISTS (SELECT FROM waxseal.sessions s WHERE ",
            found!(),
            " AND s.revision = $4) THEN 1 WHEN EXISTS (SELECT FROM waxseal.sessions s WHERE ",
            found!(),
            ") THEN 2 ELSE 3 END"
        )
    };
}

statements! {
    /// The record under a key, or the tombstone, which has no revision. With LIMIT 1 it does not look for a tombstone
    /// if there is a record.
    load = "SELECT s.revision, s.created, s.last_seen, s.expires, s.absolute_end, s.sealed, s.kid, s.owner, \
            s.device FROM waxseal.sessions s WHERE ", found!(),
           " UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL ", tombstone!(), " LIMIT 1";

    /// As `load`, without the sealed bytes.
    revalidate = "SELECT s.revision, s.created, s.last_seen, s.expires, s.absolute_end, s.owner \
               FROM waxseal.sessions s WHERE ", found!(),
              " UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL ", tombstone!(), " LIMIT 1";

    /// A row that no longer lives is replaced. The conflict is decided by the present row, even if it was made just
    /// now.
    create = "INSERT INTO waxseal.sessions AS s (public_id, hash, revision, kid, created, last_seen, expires, \
              absolute_end, device, sealed, owner, generation) \
              SELECT $1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, ", generation_of!("$12"),
             " WHERE NOT EXISTS (SELECT ", tombstone!(), ") ON CONFLICT (public_id) DO UPDATE SET \
              hash = excluded.hash, revision = excluded.revision, kid = excluded.kid, \
              created = excluded.created, last_seen = excluded.last_seen, expires = excluded.expires, \
              absolute_end = excluded.absolute_end, device = excluded.device, sealed = excluded.sealed, \
              owner = excluded.owner, generation = excluded.generation \
              WHERE NOT (", living!(), ") RETURNING 1";

    update = "WITH ", swapped!(), swap_outcome!();

    /// A swap to another hash that leaves a tombstone.
    renew = "WITH ", swapped!(), ", left_behind AS (INSERT INTO waxseal.tombstones (hash, expires) \
             SELECT $2, $15 FROM swapped ON CONFLICT (hash) DO UPDATE SET expires = excluded.expires)",
            swap_outcome!();

    /// Does not wait for a disk or a standby, whatever the level: a crash loses only notes of the last second, which
    /// the visitor's next note replaces. Notes are more than half of all writes. (The setting applies until the end of
    /// this statement's transaction, and PostgreSQL reads it at the commit.)
    touch = "WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) \
             UPDATE waxseal.sessions s SET last_seen = greatest(s.last_seen, $3), \
             expires = greatest(s.expires, least($4, s.absolute_end)) FROM lazily WHERE ", found!(), " RETURNING 1";

    /// If a renewal came first, the row has another hash by then and stays.
    delete = "DELETE FROM waxseal.sessions s WHERE ", found!(), " RETURNING 1";

    rewrap = "UPDATE waxseal.sessions s SET kid = $5, sealed = $6 WHERE ", found!(),
             " AND s.revision = $4 RETURNING 1";

    owned = "SELECT s.revision, s.created, s.last_seen, s.expires, s.absolute_end, s.sealed, s.kid, s.owner, \
             s.device, s.hash FROM waxseal.sessions s WHERE s.public_id = $1 AND s.owner = $2 AND ", living!();

    end = "DELETE FROM waxseal.sessions s WHERE s.public_id = $1 AND s.owner = $2 AND ", living!(),
          " RETURNING 1";

    /// Raises the owner's generation, and the kept row's as well. The kept row is found by its hash in the snapshot,
    /// and then named by its public id, which no renewal changes. Whether it lived until this raise is decided by the
    /// present row, because another "end all" may have ended it since the snapshot.
    end_all = "WITH kept AS (SELECT s.public_id FROM waxseal.sessions s WHERE ", found!(), " AND s.owner = $4), \
               raised AS (INSERT INTO waxseal.owners AS o (owner, generation) VALUES ($4, 1) \
               ON CONFLICT (owner) DO UPDATE SET generation = o.generation + 1 RETURNING generation) \
               UPDATE waxseal.sessions s SET generation = CASE WHEN s.generation >= raised.generation - 1 \
               THEN raised.generation ELSE s.generation END FROM kept, raised \
               WHERE s.public_id = kept.public_id AND s.owner = $4";
}

/// The largest number of rows that one call of `sealed_otherwise` reads.
pub(crate) const SCAN: i64 = 1_000;
/// The largest number of rows that one statement of a purge deletes. It holds their locks for a few milliseconds.
pub(crate) const BATCH: usize = 1_000;

/// The rows from public id `$1` on whose kid is not `$2`, and the place where the scan ended, in at least one row. The
/// limits are in the text, so that the planner knows how few rows are wanted.
pub(crate) fn sealed_otherwise(schema: &str, limit: i64) -> String {
    let sql = concat!(
        "WITH scan AS (SELECT s.public_id, s.kid <> $2 AND ",
        living!(),
        " AS wanted FROM waxseal.sessions s WHERE s.public_id >= $1 ORDER BY s.public_id LIMIT {scan}), \
         page AS (SELECT public_id FROM scan WHERE wanted ORDER BY public_id LIMIT {limit}) \
         SELECT scanned.last, scanned.seen, s.public_id, s.hash, s.revision, s.created, s.last_seen, s.expires, \
         s.absolute_end, s.sealed, s.kid, s.owner, s.device \
         FROM (SELECT max(public_id) AS last, count(*) AS seen FROM scan) scanned LEFT JOIN page ON true \
         LEFT JOIN waxseal.sessions s ON s.public_id = page.public_id ORDER BY s.public_id"
    );
    named(sql, schema).replace("{scan}", &SCAN.to_string()).replace("{limit}", &limit.to_string())
}

/// Living rows of owner `$1` after generation `$2` and public id `$4`.
pub(crate) fn list(schema: &str, limit: i64) -> String {
    let sql = concat!(
        "SELECT s.generation, s.public_id, s.device, s.created, s.last_seen, s.expires, s.absolute_end \
         FROM waxseal.sessions s WHERE s.owner = $1 AND s.generation >= ",
        generation_of!("$1"),
        " AND (s.generation, s.public_id) > ($2, $4) AND s.expires > $3 \
         ORDER BY s.generation, s.public_id LIMIT {limit}"
    );
    named(sql, schema).replace("{limit}", &limit.to_string())
}

/// Deletes up to `{limit}` rows of each table that have expired at `$1` and that nobody has locked, so several
/// processes may purge at once. Locking a row reads it again, so a row that a touch has just extended stays.
pub(crate) const PURGES: [&str; 2] = [
    "WITH over_ AS MATERIALIZED (SELECT public_id FROM waxseal.sessions WHERE quarter <= $1 / 900000 \
     ORDER BY quarter LIMIT {limit} FOR UPDATE SKIP LOCKED) \
     DELETE FROM waxseal.sessions s USING over_ WHERE s.public_id = over_.public_id",
    "WITH over_ AS MATERIALIZED (SELECT hash FROM waxseal.tombstones WHERE expires <= $1 \
     ORDER BY expires LIMIT {limit} FOR UPDATE SKIP LOCKED) \
     DELETE FROM waxseal.tombstones t USING over_ WHERE t.hash = over_.hash",
];
