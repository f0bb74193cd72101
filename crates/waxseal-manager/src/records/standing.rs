//! What is known about a record, for those who watch its session.

use waxseal_store::{Found, RecordHead, RecordKey, Revision, Timestamp};

use super::near_cache::Standing;
use super::record_store::RecordStore;
use crate::confirmed::ConfirmedAt;
use crate::store_error::StoreError;

impl RecordStore {
    /// What this process knows about the session under `key` without asking: `Some(None)` if it has ended,
    /// `Some(Some(time))` if it was last known to be alive at that time, and `None` if nothing is known.
    pub(crate) fn remembered(&self, key: &RecordKey, owner: Option<&str>) -> Option<Option<Timestamp>> {
        if self.unfinished.has(|| *key) {
            return Some(None);
        }
        match self.near.as_ref()?.standing(key, owner) {
            Standing::Ended => Some(None),
            Standing::Living(at) => Some(Some(at)),
            Standing::Unknown => None,
        }
    }

    /// Asks the store for the head of the record under `key`.
    pub(crate) async fn head(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, StoreError> {
        self.asking(now);
        let found = self.store.revalidate(key, now).await?;
        let at = ConfirmedAt::by_answer(now);
        match &found {
            Some(Found::Living(head)) => self.note(key, &head.revision, at),
            Some(Found::Renewed) => {}
            None => self.note_gone(key, &Revision::UNKNOWN, at),
        }
        Ok(found)
    }
}
