//! The sessions of one owner.

use super::Server;
use crate::error::StoreError;
use crate::record::{Cursor, Listed, Page};
use crate::{Handle, Moment, RecordKey};

impl Server {
    pub(crate) async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Moment,
    ) -> Result<Page<Listed>, StoreError> {
        self.store.list(owner, after, limit, now).await
    }

    pub(crate) async fn end_one(&self, owner: &str, handle: Handle, now: Moment) -> Result<bool, StoreError> {
        let ended = self.store.end(owner, handle, now).await?;
        if let Some(near) = self.near().filter(|_| ended) {
            near.ended(handle, now);
        }
        Ok(ended)
    }

    pub(crate) async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Moment,
    ) -> Result<(), StoreError> {
        self.store.end_all(owner, keep, now).await?;
        if let Some(near) = self.near() {
            near.owner_ended_at(owner, now);
        }
        Ok(())
    }
}
