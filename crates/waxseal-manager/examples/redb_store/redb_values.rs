//! Keys and values in a file of redb.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableTable, TableDefinition};
use waxseal_key_value::{KeyAndValue, KeyValue, SESSION_PREFIX};
use waxseal_store::{Timestamp, Usage};

const SESSIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("sessions");

/// A redb database, which one process has open. Clones share it.
#[derive(Clone)]
pub(crate) struct RedbValues {
    database: Arc<Database>,
}

impl RedbValues {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, redb::Error> {
        Self::over(Database::create(path)?)
    }

    pub(crate) fn over(database: Database) -> Result<Self, redb::Error> {
        let write = database.begin_write()?;
        write.open_table(SESSIONS)?;
        write.commit()?;
        Ok(Self { database: Arc::new(database) })
    }
}

impl KeyValue for RedbValues {
    type Error = redb::Error;

    const ORDERED: bool = true;

    // A read takes microseconds, so it may do without a thread of its own.
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let table = self.database.begin_read()?.open_table(SESSIONS)?;
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    async fn swap(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        _expires: Timestamp,
    ) -> Result<bool, redb::Error> {
        let database = Arc::clone(&self.database);
        let (key, before, after) = (key.to_vec(), before.map(<[u8]>::to_vec), after.map(<[u8]>::to_vec));
        // A commit waits for the disk. The thread finishes it although nobody may wait for it any more.
        let swap = move || swap(&database, &key, before.as_deref(), after.as_deref());
        let swapped = tokio::task::spawn_blocking(swap).await;
        swapped.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic()))
    }

    async fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<KeyAndValue>, redb::Error> {
        let table = self.database.begin_read()?.open_table(SESSIONS)?;
        let mut found = Vec::new();
        for pair in table.range::<&[u8]>((Bound::Excluded(after), Bound::Unbounded))?.take(limit) {
            let (key, value) = pair?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }

    async fn usage(&self) -> Result<Usage, redb::Error> {
        let table = self.database.begin_read()?.open_table(SESSIONS)?;
        let (mut seen, mut last) = (0, [0; 8]);
        for pair in table.range(SESSION_PREFIX..)?.take(Usage::SAMPLE as usize) {
            let (key, _) = pair?;
            let Some(id) = key.value().strip_prefix(SESSION_PREFIX) else { break };
            (seen, last) = (seen + 1, id.try_into().unwrap_or_default());
        }
        Ok(Usage::default().sampled(seen, u64::from_be_bytes(last)))
    }
}

/// Swaps a value in a transaction. redb has one at a time that writes, so nothing comes between.
fn swap(
    database: &Database,
    key: &[u8],
    before: Option<&[u8]>,
    after: Option<&[u8]>,
) -> Result<bool, redb::Error> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(SESSIONS)?;
        if table.get(key)?.as_ref().map(|value| value.value()) != before {
            return Ok(false);
        }
        match after {
            Some(value) => table.insert(key, value)?,
            None => table.remove(key)?,
        };
    }
    write.commit()?;
    Ok(true)
}
