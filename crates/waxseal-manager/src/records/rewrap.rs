//! Records that an older key has sealed.

use waxseal_store::{Cursor, Record, Timestamp};

use super::record_store::RecordStore;
use crate::active_keys::ActiveKeys;
use crate::error::Error;
use crate::store_error::StoreError;

impl RecordStore {
    /// Seals some of the records that another key has sealed anew with the first key. Returns their number, and the
    /// position to continue from.
    pub(crate) async fn rewrap_some(
        &self,
        keys: &ActiveKeys,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(usize, Option<Cursor>), Error> {
        let page = self.store.sealed_otherwise(keys.kid(), after, limit, now).await?;
        let mut done = 0;
        // Records of a list of revoked sessions hold nothing sealed.
        for (key, record) in page.items.iter().filter(|(_, record)| !record.sealed.is_empty()) {
            let Ok((content, _)) = self.open(keys, key, record, now) else { continue };
            let Record { revision, life, .. } = record;
            let sealed = self.seal(keys, key, revision, &content, life, now)?;
            done += usize::from(self.store.rewrap(key, revision, keys.kid(), &sealed, now).await?);
        }
        Ok((done, page.next))
    }

    /// Counts the records that are sealed with this key among some of those that are not sealed with the first key.
    /// Returns the number, and the position to continue from.
    pub(crate) async fn count_sealed_by(
        &self,
        keys: &ActiveKeys,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(usize, Option<Cursor>), StoreError> {
        let page = self.store.sealed_otherwise(keys.kid(), after, limit, now).await?;
        Ok((page.items.iter().filter(|(_, record)| record.kid == kid).count(), page.next))
    }
}
