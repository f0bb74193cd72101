//! The tables and their migrations, in one script that this crate or an administrator runs.

use std::fmt::Write;

use crate::columns::column;
use crate::connection::Connection;
use crate::error::PostgresError;
use crate::options::PostgresOptions;
use crate::statements::named;

/// Each step migrates to the next version. Steps of a published release are never changed.
const STEPS: &[&str] = &["
    -- One row per session, found by the family of its ids, a random number that renewing keeps. Times are
    -- milliseconds since 1970. Names are bytes of UTF-8, whatever the database's encoding.
    CREATE TABLE waxseal.sessions (
        family       bigint  PRIMARY KEY,
        expires      bigint  NOT NULL,
        -- The quarter of an hour in whose course it expires is over: indexed in place of `expires`, which every
        -- write moves. What changes no indexed value and finds room on its page touches no index (HOT).
        quarter      bigint  NOT NULL GENERATED ALWAYS AS (expires / 900000 + 1) STORED,
        absolute_end bigint  NOT NULL,
        created      bigint  NOT NULL,
        last_seen    bigint  NOT NULL,
        generation   bigint  NOT NULL,
        kid          integer NOT NULL,
        hash         bytea   NOT NULL,
        revision     bytea   NOT NULL,
        device       bytea   NOT NULL,
        owner        bytea,
        sealed       bytea   NOT NULL
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
    -- Sealed bytes cannot be compressed; nobody needs to try.
    ALTER TABLE waxseal.sessions ALTER COLUMN sealed SET STORAGE EXTERNAL;
    CREATE INDEX sessions_by_quarter ON waxseal.sessions (quarter);
    CREATE INDEX sessions_by_owner ON waxseal.sessions (owner, generation, family) WHERE owner IS NOT NULL;

    -- What renewing left under old ids, for a minute.
    CREATE TABLE waxseal.traces (
        hash      bytea  PRIMARY KEY,
        renewed   bigint NOT NULL,
        expires   bigint NOT NULL,
        to_family bigint,
        to_hash   bytea,
        sealed    bytea
    );
    CREATE INDEX traces_by_end ON waxseal.traces (expires);

    -- Owners who ended all their sessions at least once.
    CREATE TABLE waxseal.owners (
        owner      bytea  PRIMARY KEY,
        generation bigint NOT NULL
    ) WITH (fillfactor = 80);
", "
    ALTER TABLE waxseal.sessions RENAME COLUMN family TO public_id;
    -- An old id leads nowhere: of a renewal remains until when its old id is refused, for a minute.
    UPDATE waxseal.traces SET expires = least(expires, renewed + 60000);
    ALTER TABLE waxseal.traces DROP COLUMN renewed, DROP COLUMN to_family, DROP COLUMN to_hash, DROP COLUMN sealed;
    ALTER TABLE waxseal.traces RENAME TO tombstones;
    ALTER INDEX waxseal.traces_pkey RENAME TO tombstones_pkey;
    ALTER INDEX waxseal.traces_by_end RENAME TO tombstones_by_end;
"];

/// The version that this release works with.
pub(crate) fn known() -> i32 {
    version(STEPS)
}

/// Creates or migrates the tables; does not change tables of this version or a newer one.
pub(crate) fn script(schema: &str) -> String {
    script_of(STEPS, schema)
}

fn script_of(steps: &[&str], schema: &str) -> String {
    let mut script = named(
        "-- The session tables of Waxseal. Running it twice does no harm.
BEGIN;
SET LOCAL statement_timeout = '10min';
-- Of several at once, one does it.
SELECT pg_advisory_xact_lock(hashtextextended('waxseal sessions in waxseal', 0));
DO $$ BEGIN
    IF to_regnamespace('waxseal') IS NULL THEN CREATE SCHEMA waxseal; END IF;
    IF to_regclass('waxseal.version') IS NULL THEN
        CREATE TABLE waxseal.version (version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now());
    END IF;
",
        schema,
    );
    for (version, step) in (1..).zip(steps) {
        let guarded = format!(
            "    IF coalesce((SELECT max(version) FROM waxseal.version), 0) < {version} THEN{step}    \
             INSERT INTO waxseal.version VALUES ({version});\n    END IF;\n"
        );
        script += &named(&guarded, schema);
    }
    script += "END $$;\nCOMMIT;\n";
    script
}

/// The rights that a role needs that serves sessions but does not own the tables.
pub(crate) fn grants(schema: &str, role: &str) -> String {
    let mut grants = String::new();
    for (right, what) in [
        ("USAGE", "SCHEMA waxseal"),
        ("SELECT", "waxseal.version"),
        ("SELECT, INSERT, UPDATE, DELETE", "waxseal.sessions, waxseal.tombstones, waxseal.owners"),
    ] {
        let what = named(what, schema);
        _ = writeln!(grants, "GRANT {right} ON {what} TO {role};");
    }
    grants
}

/// Migrates the tables to this release's version, or returns an error that says why it cannot.
pub(crate) async fn prepare(on: &mut Connection<'_>, options: &PostgresOptions) -> Result<(), PostgresError> {
    let known = known();
    let (schema, found) = (on.schema.to_owned(), version_of(on).await?);
    match found {
        _ if found > known => return Err(PostgresError::Newer { schema, found, known }),
        _ if found == known => {}
        _ if options.existing => return Err(PostgresError::Unmigrated { schema, found, known }),
        _ if options.migrate => on.batch(&script(&schema)).await?,
        _ => return Err(PostgresError::Older { schema, found, known }),
    }
    check_rights(on).await
}

/// The version of the tables; 0 if there are none.
async fn version_of(on: &mut Connection<'_>) -> Result<i32, PostgresError> {
    let look = "SELECT to_regclass('waxseal.version') IS NOT NULL, to_regclass('waxseal.sessions') IS NOT NULL \
         OR to_regclass('waxseal.tombstones') IS NOT NULL OR to_regclass('waxseal.owners') IS NOT NULL \
         FROM (SELECT to_regnamespace('waxseal') AS there) s";
    let rows = on.rows_once(&named(look, on.schema), &[]).await?;
    let Some(row) = rows.first() else { return Ok(0) };
    let (ours, tables): (bool, bool) = (column(row, 0)?, column(row, 1)?);
    if !ours && tables {
        return Err(PostgresError::Foreign(on.schema.to_owned()));
    }
    if !ours {
        return Ok(0);
    }
    let max = named("SELECT coalesce(max(version), 0) FROM waxseal.version", on.schema);
    let rows = match on.rows_once(&max, &[]).await {
        // A table of that name exists without that column.
        Err(PostgresError::Cannot { code, .. }) if code == "42703" => {
            return Err(PostgresError::Foreign(on.schema.to_owned()));
        }
        rows => rows?,
    };
    rows.first().map_or(Ok(0), |row| column(row, 0))
}

/// Checks now that this user has the rights that sessions need, and not only when the first visitor comes.
async fn check_rights(on: &mut Connection<'_>) -> Result<(), PostgresError> {
    let lacking = "SELECT format('%s on %s', right_, table_) \
         FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) right_, \
         unnest(ARRAY['waxseal.sessions', 'waxseal.tombstones', 'waxseal.owners']) table_ \
         WHERE NOT has_table_privilege(table_, right_)";
    let rows = on.rows_once(&named(lacking, on.schema), &[]).await?;
    let lacking: Vec<String> = rows.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?;
    if lacking.is_empty() {
        return Ok(());
    }
    Err(PostgresError::Rights(format!("this user lacks {}", lacking.join(", "))))
}

fn version(steps: &[&str]) -> i32 {
    i32::try_from(steps.len()).expect("a handful of steps")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_done_once_and_in_its_turn_and_in_one_transaction() {
        let script = script_of(&[" A waxseal.a; ", " B waxseal.b; "], "shop");
        let lines = [
            "BEGIN;",
            "pg_advisory_xact_lock",
            "CREATE SCHEMA shop",
            "CREATE TABLE shop.version",
            "max(version) FROM shop.version), 0) < 1 THEN A shop.a;",
            "INSERT INTO shop.version VALUES (1);",
            "max(version) FROM shop.version), 0) < 2 THEN B shop.b;",
            "INSERT INTO shop.version VALUES (2);",
            "COMMIT;",
        ];
        let mut rest = script.as_str();
        for line in lines {
            let (_, after) = rest.split_once(line).unwrap_or_else(|| panic!("no {line} in {rest}"));
            rest = after;
        }
    }
}
