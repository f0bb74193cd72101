//! The space that records take.

use rusqlite::Connection;

use waxseal_store::Usage;

/// Reads the records with the lowest public ids, and the file's header. `max_pages` is the file's largest size.
pub(crate) fn usage(connection: &Connection, max_pages: Option<u64>) -> rusqlite::Result<Usage> {
    const LOWEST: &str =
        "SELECT count(*), max(public_id) FROM (SELECT public_id FROM sessions ORDER BY public_id LIMIT ?1)";
    let (seen, last): (i64, Option<i64>) = connection
        .prepare_cached(LOWEST)?
        .query_row([Usage::SAMPLE as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let usage = Usage::default().sampled(seen.unsigned_abs(), last.map_or(0, ids_up_to));
    let Some(max_pages) = max_pages else { return Ok(usage) };
    let pages = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // Deleted records leave free pages, which new records use.
    let used = pages("page_count")? - pages("freelist_count")?;
    Ok(usage.fullness(used as f64 / max_pages as f64))
}

/// The number of ids up to this one. SQLite orders them as signed numbers.
fn ids_up_to(last: i64) -> u64 {
    last.abs_diff(i64::MIN)
}
