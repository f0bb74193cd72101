//! The sessions of one owner.

use std::cmp::Reverse;
use std::collections::HashSet;

use waxseal_store::{Cursor, Found, Listed, Page, PublicId, RecordKey, Timestamp};

use super::record_store::RecordStore;
use crate::error::Error;
use crate::store_error::StoreError;

/// The size of a page of a list. With the most pages that are read, it limits how many sessions are looked through; few
/// owners have more.
const PAGE_SIZE: usize = 1_000;
const MAX_PAGES: usize = 100;

impl RecordStore {
    pub(crate) async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, StoreError> {
        self.store.list(owner, after, limit, now).await
    }

    /// Lists the owner's sessions, the most recently used first, at most `most` of them. `own` is among them if it is
    /// alive.
    pub(crate) async fn last_used(
        &self,
        owner: &str,
        own: Option<PublicId>,
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let (mut used, mut met, mut after) = (Vec::new(), HashSet::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.store.list(owner, after.as_ref(), PAGE_SIZE, now).await?;
            used.extend(page.items.into_iter().filter(|listed| met.insert(listed.public_id)));
            used.sort_by_key(|listed| (Some(listed.public_id) != own, Reverse(listed.life.last_seen)));
            used.truncate(most);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if let Some(own) = own.filter(|own| !met.contains(own))
            && let Some((_, record)) = self.store.owned(owner, own, now).await?
        {
            used.truncate(most.saturating_sub(1));
            used.push(Listed { public_id: own, device: record.device, life: record.life });
        }
        used.sort_by_key(|listed| Reverse(listed.life.last_seen));
        Ok(used)
    }

    pub(crate) async fn end_one(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.end_foreign_of(owner, now).await?;
        let ended = self.store.end(owner, public_id, now).await?;
        if let Some(near) = &self.near {
            match ended {
                true => near.ended(public_id, now),
                // The store may have ended it just now: the answer was lost, and a retry found nothing to end. But public
                // ids are not secret, and this one may be of somebody else, whose session lives.
                false => match near.living_key(public_id) {
                    Some(key) if self.lives(&key, now).await => {}
                    _ => near.maybe_ended(public_id, now),
                },
            }
        }
        Ok(ended)
    }

    async fn lives(&self, key: &RecordKey, now: Timestamp) -> bool {
        matches!(self.store.revalidate(key, now).await, Ok(Some(Found::Living(_))))
    }

    pub(crate) async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.end_foreign_of(owner, now).await?;
        self.store.end_all(owner, keep, now).await?;
        if let Some(near) = &self.near {
            near.owner_ended_at(owner, now);
        }
        Ok(())
    }

    /// If a migration is under way, ends the owner's foreign sessions that could still be taken over. This comes first,
    /// because a session made from a foreign one checks for it after its creation; one that was made earlier ends
    /// together with the owner's others.
    pub(super) async fn end_foreign_of(&self, owner: &str, now: Timestamp) -> Result<(), Error> {
        match &self.claims {
            Some(claims) => Ok(claims.end_owner(owner, now, now).await?),
            None => Ok(()),
        }
    }
}
