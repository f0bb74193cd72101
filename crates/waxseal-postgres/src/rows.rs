//! The calls of statements behind the store's methods.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::columns::{Parameter, column, moment};
use crate::connection::Connection;
use crate::error::PostgresError;
use crate::statements::{self, SCAN, named};
use waxseal_store::{
    Creation, Cursor, Found, Lifespan, Listed, Page, PublicId, Record, RecordHead, RecordKey, Revision, Swap,
    Timestamp,
};

type Result<T> = std::result::Result<T, PostgresError>;

pub(crate) async fn load(
    on: &mut Connection<'_>,
    key: &RecordKey,
    now: Timestamp,
) -> Result<Option<Found<Record>>> {
    let row = on.row(&on.statements.load, &Place::of(key, now).parameters()).await?;
    row.map(|row| found(&row, |row| record(row, 0))).transpose()
}

pub(crate) async fn revalidate(
    on: &mut Connection<'_>,
    key: &RecordKey,
    now: Timestamp,
) -> Result<Option<Found<RecordHead>>> {
    let row = on.row(&on.statements.revalidate, &Place::of(key, now).parameters()).await?;
    let confirmed = |row: &Row| {
        Ok(RecordHead { revision: revision(row, 0)?, life: life(row, 1)?, owner: owner(row, 5)? })
    };
    row.map(|row| found(&row, confirmed)).transpose()
}

pub(crate) async fn create(
    on: &mut Connection<'_>,
    key: &RecordKey,
    record: &Record,
    now: Timestamp,
) -> Result<Creation> {
    let (place, columns) = (Place::of(key, now), Columns::of(record));
    let parameters = [&place.parameters()[..], &columns.parameters()].concat();
    let made = on.row(&on.statements.create, &parameters).await?.is_some();
    Ok(if made { Creation::Created } else { Creation::Taken })
}

pub(crate) async fn update(
    on: &mut Connection<'_>,
    key: &RecordKey,
    expected: &Revision,
    record: &Record,
    now: Timestamp,
) -> Result<Swap> {
    let (place, columns) = (Place::of(key, now), Columns::of(record));
    let expected = expected.as_bytes().as_slice();
    let parameters =
        [&place.parameters()[..], &[bytes(&expected), bytes(&place.hash)], &columns.parameters()].concat();
    on.swap(&on.statements.update, &parameters).await
}

pub(crate) async fn touch(
    on: &mut Connection<'_>,
    key: &RecordKey,
    idle_end: Timestamp,
    now: Timestamp,
) -> Result<bool> {
    let (place, idle_end) = (Place::of(key, now), millis(idle_end));
    let parameters = [&place.parameters()[..], &[number(&idle_end)]].concat();
    Ok(on.row(&on.statements.touch, &parameters).await?.is_some())
}

pub(crate) async fn renew(
    on: &mut Connection<'_>,
    old: &RecordKey,
    expected: &Revision,
    new: &RecordKey,
    record: &Record,
    tombstone_expires: Timestamp,
    now: Timestamp,
) -> Result<Swap> {
    let (place, columns) = (Place::of(old, now), Columns::of(record));
    let (expected, new) = (expected.as_bytes().as_slice(), new.hash().as_slice());
    let tombstone_expires = millis(tombstone_expires);
    let parameters = [
        &place.parameters()[..],
        &[bytes(&expected), bytes(&new)],
        &columns.parameters(),
        &[number(&tombstone_expires)],
    ]
    .concat();
    on.swap(&on.statements.renew, &parameters).await
}

pub(crate) async fn delete(on: &mut Connection<'_>, key: &RecordKey, now: Timestamp) -> Result<bool> {
    Ok(on.row(&on.statements.delete, &Place::of(key, now).parameters()).await?.is_some())
}

pub(crate) async fn rewrap(
    on: &mut Connection<'_>,
    key: &RecordKey,
    revision: &Revision,
    kid: [u8; 4],
    sealed: &[u8],
    now: Timestamp,
) -> Result<bool> {
    let (place, revision, kid) = (Place::of(key, now), revision.as_bytes().as_slice(), kid_number(kid));
    let parameters =
        [&place.parameters()[..], &[bytes(&revision), (&kid, Type::INT4), bytes(&sealed)]].concat();
    Ok(on.row(&on.statements.rewrap, &parameters).await?.is_some())
}

pub(crate) async fn sealed_otherwise(
    on: &mut Connection<'_>,
    kid: [u8; 4],
    after: Option<&Cursor>,
    limit: usize,
    now: Timestamp,
) -> Result<Page<(RecordKey, Record)>> {
    let start = after.and_then(|cursor| cursor.as_bytes().first_chunk().copied().map(i64::from_be_bytes));
    let (start, kid, now) = (start.unwrap_or(i64::MIN), kid_number(kid), millis(now));
    let limit = i64::try_from(limit).unwrap_or(SCAN).min(SCAN);
    let sql = statements::sealed_otherwise(on.schema, limit);
    let rows = on.rows_once(&sql, &[number(&start), (&kid, Type::INT4), number(&now)]).await?;
    let (mut items, mut edge, mut seen) = (Vec::new(), None, 0);
    for row in &rows {
        (edge, seen) = (column(row, 0)?, column::<i64>(row, 1)?);
        if let Some(id) = column::<Option<i64>>(row, 2)? {
            let hash = fixed(row, 3)?;
            items.push((RecordKey::new(public_id(id), hash), record(row, 4)?));
        }
    }
    let full = i64::try_from(items.len()).is_ok_and(|found| found >= limit);
    // A full page ends at its last item, and an empty scan ends where it began.
    let last = if full { items.last().map(|(key, _)| id_number(key.public_id())) } else { edge };
    let next = last.filter(|_| full || seen == SCAN).and_then(|id: i64| id.checked_add(1));
    let next = next.map(|id| Cursor::new(id.to_be_bytes().to_vec()));
    Ok(Page { items, next })
}

pub(crate) async fn list(
    on: &mut Connection<'_>,
    owner: &str,
    after: Option<&Cursor>,
    limit: usize,
    now: Timestamp,
) -> Result<Page<Listed>> {
    let (generation, id) = after.and_then(list_place).unwrap_or((-1, 0));
    let (owner, now) = (owner.as_bytes(), millis(now));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters = [bytes(&owner), number(&generation), number(&now), number(&id)];
    let rows = on.rows_once(&statements::list(on.schema, limit), &parameters).await?;
    let (mut items, mut last) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        let (generation, id): (i64, i64) = (column(row, 0)?, column(row, 1)?);
        last = [generation.to_be_bytes(), id.to_be_bytes()].concat();
        items.push(Listed { public_id: public_id(id), device: text(row, 2)?, life: life(row, 3)? });
    }
    let full = i64::try_from(items.len()).is_ok_and(|found| found >= limit);
    let next = (full && !last.is_empty()).then(|| Cursor::new(last));
    Ok(Page { items, next })
}

pub(crate) async fn owned(
    on: &mut Connection<'_>,
    owner: &str,
    public_id: PublicId,
    now: Timestamp,
) -> Result<Option<(RecordKey, Record)>> {
    let (id, owner, now) = (id_number(public_id), owner.as_bytes(), millis(now));
    let row = on.row(&on.statements.owned, &[number(&id), bytes(&owner), number(&now)]).await?;
    row.map(|row| Ok((RecordKey::new(public_id, fixed(&row, 9)?), record(&row, 0)?))).transpose()
}

pub(crate) async fn end(
    on: &mut Connection<'_>,
    owner: &str,
    public_id: PublicId,
    now: Timestamp,
) -> Result<bool> {
    let (id, owner, now) = (id_number(public_id), owner.as_bytes(), millis(now));
    let row = on.row(&on.statements.end, &[number(&id), bytes(&owner), number(&now)]).await?;
    Ok(row.is_some())
}

pub(crate) async fn end_all(
    on: &mut Connection<'_>,
    owner: &str,
    keep: Option<&RecordKey>,
    now: Timestamp,
) -> Result<()> {
    // No id is equal to NULL.
    let id = keep.map(|keep| id_number(keep.public_id()));
    let hash = keep.map(|keep| keep.hash().as_slice());
    let (owner, now) = (owner.as_bytes(), millis(now));
    let parameters = [(&id as _, Type::INT8), bytes(&hash), number(&now), bytes(&owner)];
    on.row(&on.statements.end_all, &parameters).await.map(drop)
}

/// Runs one of the [purges](statements::PURGES), and returns the number of rows that it deleted.
pub(crate) async fn purge(on: &mut Connection<'_>, sql: &str, now: Timestamp, limit: usize) -> Result<usize> {
    let sql = named(sql, on.schema).replace("{limit}", &limit.to_string());
    on.execute_once(&sql, &[number(&millis(now))]).await
}

fn number(value: &i64) -> Parameter<'_> {
    (value, Type::INT8)
}

fn bytes<T: ToSql + Sync>(value: &T) -> Parameter<'_> {
    (value, Type::BYTEA)
}

/// `$1` to `$3` of most statements.
struct Place<'a> {
    public_id: i64,
    hash: &'a [u8],
    now: i64,
}

impl<'a> Place<'a> {
    fn of(key: &'a RecordKey, now: Timestamp) -> Self {
        Self { public_id: id_number(key.public_id()), hash: key.hash(), now: millis(now) }
    }

    fn parameters(&self) -> [Parameter<'_>; 3] {
        [number(&self.public_id), bytes(&self.hash), number(&self.now)]
    }
}

/// A record, in the form of the statements' parameters.
struct Columns<'a> {
    revision: &'a [u8],
    kid: i32,
    times: [i64; 4],
    device: &'a [u8],
    sealed: &'a [u8],
    owner: Option<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn of(record: &'a Record) -> Self {
        let Lifespan { created, last_seen, expires, absolute_end } = record.life;
        Self {
            revision: record.revision.as_bytes(),
            kid: kid_number(record.kid),
            times: [created, last_seen, expires, absolute_end].map(millis),
            device: record.device.as_bytes(),
            sealed: &record.sealed,
            owner: record.owner.as_deref().map(str::as_bytes),
        }
    }

    fn parameters(&self) -> [Parameter<'_>; 9] {
        let [created, last_seen, expires, absolute_end] = &self.times;
        [
            bytes(&self.revision),
            (&self.kid, Type::INT4),
            number(created),
            number(last_seen),
            number(expires),
            number(absolute_end),
            bytes(&self.device),
            bytes(&self.sealed),
            bytes(&self.owner),
        ]
    }
}

/// A row of `load` or `revalidate`: a tombstone has no revision.
fn found<T>(row: &Row, living: impl FnOnce(&Row) -> Result<T>) -> Result<Found<T>> {
    match column::<Option<&[u8]>>(row, 0)? {
        Some(_) => living(row).map(Found::Living),
        None => Ok(Found::Renewed),
    }
}

/// Nine columns: revision, four times, sealed, kid, owner, device.
fn record(row: &Row, at: usize) -> Result<Record> {
    Ok(Record {
        revision: revision(row, at)?,
        life: life(row, at + 1)?,
        sealed: column(row, at + 5)?,
        kid: column::<i32>(row, at + 6)?.to_be_bytes(),
        owner: owner(row, at + 7)?,
        device: text(row, at + 8)?,
    })
}

/// Four columns: created, last_seen, expires, absolute_end.
fn life(row: &Row, at: usize) -> Result<Lifespan> {
    Ok(Lifespan {
        created: moment(row, at)?,
        last_seen: moment(row, at + 1)?,
        expires: moment(row, at + 2)?,
        absolute_end: moment(row, at + 3)?,
    })
}

fn revision(row: &Row, at: usize) -> Result<Revision> {
    fixed(row, at).map(Revision::from_bytes)
}

fn owner(row: &Row, at: usize) -> Result<Option<String>> {
    column::<Option<&[u8]>>(row, at)?.map(|_| text(row, at)).transpose()
}

fn text(row: &Row, at: usize) -> Result<String> {
    String::from_utf8(column(row, at)?).map_err(|error| PostgresError::row(error.utf8_error()))
}

fn fixed<const BYTES: usize>(row: &Row, at: usize) -> Result<[u8; BYTES]> {
    column::<&[u8]>(row, at)?.try_into().map_err(PostgresError::row)
}

fn list_place(cursor: &Cursor) -> Option<(i64, i64)> {
    let (generation, rest) = cursor.as_bytes().split_first_chunk()?;
    Some((i64::from_be_bytes(*generation), i64::from_be_bytes(*rest.first_chunk()?)))
}

fn kid_number(kid: [u8; 4]) -> i32 {
    i32::from_be_bytes(kid)
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
