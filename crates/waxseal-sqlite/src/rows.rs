//! The statements behind the store's methods.

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use waxseal_store::{
    Creation, Cursor, Found, Lifespan, Listed, Page, PublicId, Record, RecordHead, RecordKey, Revision, Swap,
    Timestamp,
};

/// The largest number of rows that one call of [`sealed_otherwise`] reads.
const SCAN: i64 = 1_000;

/// The condition that a row lives at `?3`, by its end and its owner's generation.
macro_rules! living {
    () => {
        "expires > ?3 AND (owner IS NULL OR generation >= \
         coalesce((SELECT generation FROM owners WHERE owners.owner = sessions.owner), 0))"
    };
}

/// The living row of public id `?1` and hash `?2` at `?3`.
macro_rules! found {
    () => {
        concat!("public_id = ?1 AND hash = ?2 AND ", living!())
    };
}

/// The number of the first quarter of an hour, counted from 1970, at whose beginning a record with this end has
/// expired.
macro_rules! quarter {
    ($end:literal) => {
        concat!("((", $end, ") / 900000 + 1)")
    };
}

/// The owner's present generation.
macro_rules! generation_of {
    ($owner:literal) => {
        concat!("coalesce((SELECT generation FROM owners WHERE owner = ", $owner, "), 0)")
    };
}

pub(crate) fn load(
    connection: &Connection,
    key: &RecordKey,
    now: Timestamp,
) -> rusqlite::Result<Option<Found<Record>>> {
    const SQL: &str = concat!(
        "SELECT revision, kid, created, last_seen, expires, absolute_end, owner, device, sealed \
         FROM sessions WHERE ",
        found!()
    );
    let living = read(connection, SQL, place(key, now), |row| record(row, 0))?;
    found(connection, key, now, living)
}

pub(crate) fn revalidate(
    connection: &Connection,
    key: &RecordKey,
    now: Timestamp,
) -> rusqlite::Result<Option<Found<RecordHead>>> {
    const SQL: &str = concat!(
        "SELECT revision, created, last_seen, expires, absolute_end, owner FROM sessions WHERE ",
        found!()
    );
    let living = read(connection, SQL, place(key, now), |row| {
        let (revision, life) = (Revision::from_bytes(row.get(0)?), life(row, 1)?);
        Ok(RecordHead { revision, life, owner: row.get(5)? })
    })?;
    found(connection, key, now, living)
}

pub(crate) fn create(
    connection: &Connection,
    key: &RecordKey,
    record: &Record,
    now: Timestamp,
) -> rusqlite::Result<Creation> {
    const SQL: &str = concat!(
        "INSERT INTO sessions (public_id, hash, revision, kid, created, last_seen, expires, absolute_end, \
         device, sealed, owner, generation, quarter) \
         SELECT ?1, ?2, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ",
        generation_of!("?12"),
        ", ",
        quarter!("?8"),
        " WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE hash = ?2 AND expires > ?3) \
         ON CONFLICT (public_id) DO NOTHING"
    );
    let insert = || {
        connection.prepare_cached(SQL)?.execute(params![
            id_number(key.public_id()),
            key.hash(),
            millis(now),
            record.revision.as_bytes(),
            record.kid,
            millis(record.life.created),
            millis(record.life.last_seen),
            millis(record.life.expires),
            millis(record.life.absolute_end),
            record.device,
            record.sealed,
            record.owner,
        ])
    };
    let made = insert()? == 1 || (forget_dead(connection, key.public_id(), now)? && insert()? == 1);
    Ok(if made { Creation::Created } else { Creation::Taken })
}

pub(crate) fn update(
    connection: &Connection,
    key: &RecordKey,
    expected: &Revision,
    record: &Record,
    now: Timestamp,
) -> rusqlite::Result<Swap> {
    swap(connection, key, expected, key, record, now)
}

pub(crate) fn touch(
    connection: &Connection,
    key: &RecordKey,
    idle_end: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    const SAME_QUARTER: &str = concat!(
        "UPDATE sessions SET last_seen = max(last_seen, ?3), \
         expires = max(expires, min(?4, absolute_end)) WHERE ",
        found!(),
        " AND quarter = ",
        quarter!("max(expires, min(?4, absolute_end))")
    );
    const OTHER_QUARTER: &str = concat!(
        "UPDATE sessions SET last_seen = max(last_seen, ?3), \
         expires = max(expires, min(?4, absolute_end)), quarter = ",
        quarter!("max(expires, min(?4, absolute_end))"),
        " WHERE ",
        found!()
    );
    for sql in [SAME_QUARTER, OTHER_QUARTER] {
        let (id, hash, at) = place(key, now);
        if connection.prepare_cached(sql)?.execute((id, hash, at, millis(idle_end)))? == 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn renew(
    connection: &Connection,
    old: &RecordKey,
    expected: &Revision,
    new: &RecordKey,
    record: &Record,
    tombstone_expires: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<Swap> {
    const SQL: &str = "INSERT OR REPLACE INTO tombstones (hash, expires) VALUES (?1, ?2)";
    let outcome = swap(connection, old, expected, new, record, now)?;
    if outcome == Swap::Done {
        connection.prepare_cached(SQL)?.execute((old.hash(), millis(tombstone_expires)))?;
    }
    Ok(outcome)
}

pub(crate) fn delete(connection: &Connection, key: &RecordKey, now: Timestamp) -> rusqlite::Result<bool> {
    const SQL: &str = concat!("DELETE FROM sessions WHERE ", found!());
    Ok(connection.prepare_cached(SQL)?.execute(place(key, now))? == 1)
}

pub(crate) fn rewrap(
    connection: &Connection,
    key: &RecordKey,
    revision: &Revision,
    kid: [u8; 4],
    sealed: &[u8],
    now: Timestamp,
) -> rusqlite::Result<bool> {
    const SQL: &str =
        concat!("UPDATE sessions SET kid = ?5, sealed = ?6 WHERE ", found!(), " AND revision = ?4");
    let (id, hash, at) = place(key, now);
    let parameters = (id, hash, at, revision.as_bytes(), kid, sealed);
    Ok(connection.prepare_cached(SQL)?.execute(parameters)? == 1)
}

pub(crate) fn sealed_otherwise(
    connection: &Connection,
    kid: [u8; 4],
    after: Option<&Cursor>,
    limit: usize,
    now: Timestamp,
) -> rusqlite::Result<Page<(RecordKey, Record)>> {
    const SQL: &str = concat!(
        "SELECT public_id, kid <> ?2 AND ",
        living!(),
        ", hash, revision, kid, created, last_seen, expires, absolute_end, owner, device, sealed \
         FROM sessions WHERE public_id >= ?1 ORDER BY public_id LIMIT ?4"
    );
    let start = after.and_then(|cursor| cursor.as_bytes().first_chunk().copied().map(i64::from_be_bytes));
    let start = start.unwrap_or(i64::MIN);
    let mut statement = connection.prepare_cached(SQL)?;
    let mut rows = statement.query((start, kid, millis(now), SCAN))?;
    let (mut items, mut last, mut seen) = (Vec::new(), None, 0);
    while items.len() < limit {
        let Some(row) = rows.next()? else { break };
        let id: i64 = row.get(0)?;
        (last, seen) = (Some(id), seen + 1);
        if row.get(1)? {
            items.push((RecordKey::new(public_id(id), row.get(2)?), record(row, 3)?));
        }
    }
    let more = seen == SCAN || items.len() == limit;
    let next = last.filter(|_| more).and_then(|id: i64| id.checked_add(1));
    let next = next.map(|id| Cursor::new(id.to_be_bytes().to_vec()));
    Ok(Page { items, next })
}

pub(crate) fn list(
    connection: &Connection,
    owner: &str,
    after: Option<&Cursor>,
    limit: usize,
    now: Timestamp,
) -> rusqlite::Result<Page<Listed>> {
    const SQL: &str = concat!(
        "SELECT generation, public_id, device, created, last_seen, expires, absolute_end FROM sessions \
         WHERE owner = ?1 AND generation >= ",
        generation_of!("?1"),
        " AND (generation, public_id) > (?2, ?3) AND expires > ?4 ORDER BY generation, public_id LIMIT ?5"
    );
    let (generation, id) = after.and_then(list_place).unwrap_or((-1, 0));
    let count = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(SQL)?;
    let mut rows = statement.query((owner, generation, id, millis(now), count))?;
    let (mut items, mut last) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (generation, id): (i64, i64) = (row.get(0)?, row.get(1)?);
        last = [generation.to_be_bytes(), id.to_be_bytes()].concat();
        items.push(Listed { public_id: public_id(id), device: row.get(2)?, life: life(row, 3)? });
    }
    let next = (items.len() >= limit && !last.is_empty()).then(|| Cursor::new(last));
    Ok(Page { items, next })
}

pub(crate) fn owned(
    connection: &Connection,
    owner: &str,
    public_id: PublicId,
    now: Timestamp,
) -> rusqlite::Result<Option<(RecordKey, Record)>> {
    const SQL: &str = concat!(
        "SELECT hash, revision, kid, created, last_seen, expires, absolute_end, owner, device, sealed \
         FROM sessions WHERE public_id = ?1 AND owner = ?2 AND ",
        living!()
    );
    read(connection, SQL, (id_number(public_id), owner, millis(now)), |row| {
        Ok((RecordKey::new(public_id, row.get(0)?), record(row, 1)?))
    })
}

pub(crate) fn end(
    connection: &Connection,
    owner: &str,
    public_id: PublicId,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    const SQL: &str = concat!("DELETE FROM sessions WHERE public_id = ?1 AND owner = ?2 AND ", living!());
    Ok(connection.prepare_cached(SQL)?.execute((id_number(public_id), owner, millis(now)))? == 1)
}

pub(crate) fn end_all(
    connection: &Connection,
    owner: &str,
    keep: Option<&RecordKey>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    const RAISE: &str = "INSERT INTO owners (owner, generation) VALUES (?1, 1) \
         ON CONFLICT (owner) DO UPDATE SET generation = generation + 1 RETURNING generation";
    const KEEP: &str = "UPDATE sessions SET generation = ?3 WHERE public_id = ?1 AND owner = ?2";
    // Read before the generation is raised, while the record still lives.
    let keep = match keep {
        Some(keep) => living(connection, keep, now)?.then_some(keep),
        None => None,
    };
    let raised: i64 = connection.prepare_cached(RAISE)?.query_row([owner], |row| row.get(0))?;
    if let Some(keep) = keep {
        connection.prepare_cached(KEEP)?.execute((id_number(keep.public_id()), owner, raised))?;
    }
    Ok(())
}

pub(crate) fn purge(connection: &Connection, now: Timestamp, limit: usize) -> rusqlite::Result<usize> {
    const SESSIONS: &str = "DELETE FROM sessions WHERE public_id IN \
         (SELECT public_id FROM sessions WHERE quarter <= ?1 / 900000 ORDER BY quarter LIMIT ?2)";
    const TOMBSTONES: &str = "DELETE FROM tombstones WHERE hash IN \
         (SELECT hash FROM tombstones WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";
    let delete = |sql: &str, limit: usize| {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        connection.prepare_cached(sql)?.execute((millis(now), limit))
    };
    let sessions = delete(SESSIONS, limit)?;
    Ok(sessions + delete(TOMBSTONES, limit - sessions)?)
}

/// Compare and swap; moves the record to `new` if that is another key.
fn swap(
    connection: &Connection,
    key: &RecordKey,
    expected: &Revision,
    new: &RecordKey,
    record: &Record,
    now: Timestamp,
) -> rusqlite::Result<Swap> {
    // If owner and quarter stay the same, no index has to be written.
    const SAME: &str = concat!(
        "UPDATE sessions SET hash = ?5, revision = ?6, kid = ?7, created = ?8, last_seen = ?9, expires = ?10, \
         absolute_end = ?11, device = ?12, sealed = ?13 WHERE ",
        found!(),
        " AND revision = ?4 AND owner IS ?14 AND quarter = ",
        quarter!("?10")
    );
    const OTHER: &str = concat!(
        "UPDATE sessions SET hash = ?5, revision = ?6, kid = ?7, created = ?8, last_seen = ?9, expires = ?10, \
         absolute_end = ?11, device = ?12, sealed = ?13, owner = ?14, generation = \
         CASE WHEN owner IS ?14 THEN generation ELSE ",
        generation_of!("?14"),
        " END, quarter = ",
        quarter!("?10"),
        " WHERE ",
        found!(),
        " AND revision = ?4"
    );
    for sql in [SAME, OTHER] {
        let changed = connection.prepare_cached(sql)?.execute(params![
            id_number(key.public_id()),
            key.hash(),
            millis(now),
            expected.as_bytes(),
            new.hash(),
            record.revision.as_bytes(),
            record.kid,
            millis(record.life.created),
            millis(record.life.last_seen),
            millis(record.life.expires),
            millis(record.life.absolute_end),
            record.device,
            record.sealed,
            record.owner,
        ])?;
        if changed == 1 {
            return Ok(Swap::Done);
        }
    }
    Ok(if living(connection, key, now)? { Swap::Conflict } else { Swap::Gone })
}

/// Deletes the row with this public id if it no longer lives; callers treat such a row as absent.
fn forget_dead(connection: &Connection, public_id: PublicId, now: Timestamp) -> rusqlite::Result<bool> {
    const SQL: &str = concat!("DELETE FROM sessions WHERE public_id = ?1 AND NOT (", living!(), ")");
    let mut statement = connection.prepare_cached(SQL)?;
    Ok(statement.execute(params![id_number(public_id), rusqlite::types::Null, millis(now)])? == 1)
}

/// Returns `true` if a record lives under `key`.
fn living(connection: &Connection, key: &RecordKey, now: Timestamp) -> rusqlite::Result<bool> {
    const SQL: &str = concat!("SELECT 1 FROM sessions WHERE ", found!());
    connection.prepare_cached(SQL)?.exists(place(key, now))
}

/// The living record, or the tombstone if there is none. A record moves and leaves its tombstone in one commit. The
/// record is looked up first, so that a move between the two reads cannot hide both.
fn found<T>(
    connection: &Connection,
    key: &RecordKey,
    now: Timestamp,
    living: Option<T>,
) -> rusqlite::Result<Option<Found<T>>> {
    const SQL: &str = "SELECT 1 FROM tombstones WHERE hash = ?1 AND expires > ?2";
    Ok(match living {
        Some(living) => Some(Found::Living(living)),
        None => {
            let buried = connection.prepare_cached(SQL)?.exists((key.hash(), millis(now)))?;
            buried.then_some(Found::Renewed)
        }
    })
}

fn read<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(parameters, row).optional()
}

fn record(row: &Row<'_>, at: usize) -> rusqlite::Result<Record> {
    Ok(Record {
        revision: Revision::from_bytes(row.get(at)?),
        kid: row.get(at + 1)?,
        life: life(row, at + 2)?,
        owner: row.get(at + 6)?,
        device: row.get(at + 7)?,
        sealed: row.get(at + 8)?,
    })
}

/// Four columns: created, last_seen, expires, absolute_end.
fn life(row: &Row<'_>, at: usize) -> rusqlite::Result<Lifespan> {
    Ok(Lifespan {
        created: moment(row, at)?,
        last_seen: moment(row, at + 1)?,
        expires: moment(row, at + 2)?,
        absolute_end: moment(row, at + 3)?,
    })
}

fn moment(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    let millis: i64 = row.get(at)?;
    u64::try_from(millis)
        .map(Timestamp::from_millis)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, millis))
}

fn place(key: &RecordKey, now: Timestamp) -> (i64, &[u8; RecordKey::HASH_BYTES], i64) {
    (id_number(key.public_id()), key.hash(), millis(now))
}

fn list_place(cursor: &Cursor) -> Option<(i64, i64)> {
    let (generation, rest) = cursor.as_bytes().split_first_chunk()?;
    Some((i64::from_be_bytes(*generation), i64::from_be_bytes(*rest.first_chunk()?)))
}

fn id_number(public_id: PublicId) -> i64 {
    i64::from_be_bytes(*public_id.as_bytes())
}

fn public_id(number: i64) -> PublicId {
    PublicId::from_bytes(number.to_be_bytes())
}

fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).expect("a moment has 53 bits")
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use crate::SqliteStore;
    use crate::file::File;

    #[test]
    fn a_statement_is_planned_once_whatever_limit_is_bound_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::new(SqliteStore::options(folder.path().join("sessions.db")));
        file.create().unwrap();
        let reader = file.reader().unwrap();
        let mut walk = reader.prepare("SELECT 1 FROM sessions WHERE public_id >= ?1 LIMIT ?2").unwrap();
        for limit in 1..4 {
            assert!(!walk.exists((0, limit)).unwrap());
        }
        assert_eq!(walk.get_status(StatementStatus::RePrepare), 0);
    }
}
