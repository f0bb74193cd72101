//! The space that records take.

use crate::columns::column;
use crate::connection::Connection;
use crate::error::PostgresError;
use crate::statements::named;
use waxseal_store::Usage;

/// Reads the records with the lowest public ids. PostgreSQL cannot be asked for the size of its disk.
pub(crate) async fn usage(on: &mut Connection<'_>) -> Result<Usage, PostgresError> {
    let lowest = format!(
        "SELECT count(*), max(public_id) FROM \
         (SELECT public_id FROM waxseal.sessions ORDER BY public_id LIMIT {}) lowest",
        Usage::SAMPLE
    );
    let row = on.row_once(&named(&lowest, on.schema)).await?;
    let (seen, last): (i64, Option<i64>) = (column(&row, 0)?, column(&row, 1)?);
    // PostgreSQL orders ids as signed numbers.
    let ids = last.map_or(0, |last| last.abs_diff(i64::MIN));
    Ok(Usage::default().sampled(u64::try_from(seen).unwrap_or(0), ids))
}
