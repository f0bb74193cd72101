//! Parameters of statements, and columns of their rows.

use std::error::Error;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use waxseal_store::Timestamp;

use crate::error::PostgresError;

type Result<T> = std::result::Result<T, PostgresError>;

/// A parameter's value and type.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Reads a column of any type.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    // The client's own error may quote the value that it could not read; the column is enough.
    row.try_get(at).map_err(|error| PostgresError::row(UnreadableColumn(at, error.source().is_some())))
}

#[derive(Debug, thiserror::Error)]
#[error("column {0} is {kind}", kind = if *.1 { "of another kind" } else { "missing" })]
struct UnreadableColumn(usize, bool);

/// Reads a column of milliseconds.
pub(crate) fn moment(row: &Row, at: usize) -> Result<Timestamp> {
    let millis: i64 = column(row, at)?;
    u64::try_from(millis).map(Timestamp::from_millis).map_err(PostgresError::row)
}
