//! Records that an older key has sealed.

use waxseal_crypto::Times;
use waxseal_store::{Cursor, Timestamp};

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
        for (key, mut record) in page.items.into_iter().filter(|(_, record)| !record.sealed.is_empty()) {
            let Ok((content, before)) = self.open_within(u32::MAX, keys, &key, &mut record, now) else {
                continue;
            };
            // The times stay: a tool that rewraps does not have to know the lifetimes of the app's servers.
            let times = Times::new(before.created(), now.as_secs(), before.idle(), before.absolute());
            let mut payload = Vec::with_capacity(content.planned_size());
            content.write(&mut payload);
            let sealed = keys.record().seal(&payload, &key.bound(&record.revision), times)?;
            done += usize::from(self.store.rewrap(&key, &record.revision, keys.kid(), &sealed, now).await?);
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
