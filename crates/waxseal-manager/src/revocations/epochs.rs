//! Epochs of owners. A sign-in stores the owner's current epoch in the session. When a new epoch begins, all sessions of
//! earlier epochs are over.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use waxseal_store::{Creation, Fault, PublicId, Record, RecordKey, Revision, SessionId, Swap, Timestamp};

use super::entry::entry;
use super::epoch::Epoch;
use super::list::Revocations;
use crate::error::Error;
use crate::store_error::StoreError;

/// The number of attempts when other requests do the same at the same time.
const ATTEMPTS: usize = 5;

/// Entries of one owner that are asked for at once. Usually there is one.
const PAGE_SIZE: usize = 100;

/// An owner as the list names one.
struct Owner {
    hash: [u8; RecordKey::HASH_BYTES],
    /// The text in the owner's column.
    name: String,
}

/// The outcome of replacing an epoch by a new one.
enum Turn {
    Begun(Epoch),
    /// The entry already names another epoch.
    Another,
    NoEntry,
}

impl Revocations {
    /// Returns the owner's present epoch, for a sign-in. Creates its entry if there is none. The entry lives as
    /// long as any session that begins now can live: without it, sessions that were ended would be good again.
    pub(crate) async fn join(&self, owner: &str, now: Timestamp) -> Result<Epoch, Error> {
        let owner = self.owner(owner);
        for _ in 0..ATTEMPTS {
            match self.first(&owner, now).await? {
                None => return self.begin(&owner, Revision::first()?, now).await,
                Some(epoch) if self.prolong_entry(&owner, &epoch, now).await? => {
                    // The epoch may have begun in a write that was not confirmed.
                    self.store.confirm(&owner.key(epoch.public_id), now).await?;
                    return Ok(epoch);
                }
                Some(_) => {}
            }
        }
        Err(Error::Contended)
    }

    /// Keeps the epoch's entry for as long as any session that begins now can live. Does nothing if the store has lost the
    /// entry.
    pub(crate) async fn prolong(&self, owner: &str, epoch: &Epoch, now: Timestamp) -> Result<(), StoreError> {
        self.prolong_entry(&self.owner(owner), epoch, now).await.map(drop)
    }

    /// Ends all of the owner's sessions that have begun.
    ///
    /// # Errors
    ///
    /// The store's error. The outcome is then unknown.
    pub(crate) async fn end_all(&self, owner: &str, now: Timestamp) -> Result<(), Error> {
        let known = self.owner(owner);
        self.end_foreign_of(owner, now).await?;
        if !self.end_but(&known, None, now).await? {
            // Not the first revision, so that sessions from before the list end too.
            self.begin(&known, Revision::first()?.next()?, now).await?;
        }
        self.near.owner_ended_at(owner, now);
        Ok(())
    }

    /// Ends all of the owner's sessions but one, which continues in the returned epoch.
    ///
    /// If that session is in an epoch already, this is one step from that epoch to the next. Of several requests that
    /// try this with copies of one session, one succeeds.
    ///
    /// # Errors
    ///
    /// [`Error::GONE`] if that epoch is over, and the store's errors.
    pub(crate) async fn end_others(
        &self,
        owner: &str,
        mut own: Option<Epoch>,
        now: Timestamp,
    ) -> Result<Epoch, Error> {
        let known = self.owner(owner);
        self.end_foreign_of(owner, now).await?;
        for _ in 0..ATTEMPTS {
            let from = match own {
                Some(epoch) => epoch,
                None => self.join(owner, now).await?,
            };
            // The others end first: if that fails, this session is unchanged.
            self.end_but(&known, Some(from.public_id), now).await?;
            match self.turn(&known, from.public_id, Some(&from.revision), now).await? {
                Turn::Begun(epoch) => {
                    self.near.owner_ended_at(owner, now);
                    return Ok(epoch);
                }
                Turn::Another if own.is_some() => return Err(Error::GONE),
                Turn::Another => {}
                // The store has lost the entry and the ends that it noted, so the present entries count.
                Turn::NoEntry => own = None,
            }
        }
        Err(Error::Contended)
    }

    /// Checks whether a session of the owner that began in `epoch` was ended together with others.
    pub(super) async fn is_over(
        &self,
        owner: &str,
        epoch: Option<&Epoch>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let owner = self.owner(owner);
        if let Some(epoch) = epoch
            && let Some(found) = self.find(&owner.key(epoch.public_id), now).await?
        {
            return Ok(found.revision != epoch.revision);
        }
        // The session began before there was a list, or the store has lost its entries. It is over if any sessions were
        // ended since.
        for public_id in self.entries(&owner, now).await? {
            let found = self.find(&owner.key(public_id), now).await?;
            if found.is_some_and(|found| found.revision.counter() > 1) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Begins another epoch in each of the owner's entries but `keep`. Returns `true` if there was any.
    async fn end_but(&self, owner: &Owner, keep: Option<PublicId>, now: Timestamp) -> Result<bool, Error> {
        let mut any = false;
        for public_id in self.entries(owner, now).await? {
            if keep != Some(public_id) {
                // Another request's new epoch is as good, because it began after this end was requested.
                any |= !matches!(self.turn(owner, public_id, None, now).await?, Turn::NoEntry);
            }
        }
        Ok(any)
    }

    /// Begins another epoch in an entry: in place of `from` if given, otherwise in place of whatever the entry names.
    async fn turn(
        &self,
        owner: &Owner,
        public_id: PublicId,
        from: Option<&Revision>,
        now: Timestamp,
    ) -> Result<Turn, Error> {
        let key = owner.key(public_id);
        let Some(there) = self.find(&key, now).await? else { return Ok(Turn::NoEntry) };
        if from.is_some_and(|from| *from != there.revision) {
            return Ok(Turn::Another);
        }
        let epoch = Epoch { public_id, revision: there.revision.next()? };
        let mut entry = owner.entry(epoch.revision, self.last_end(now), now);
        // Sessions of another server may live longer than those of this one.
        entry.life.expires = entry.life.expires.max(there.life.expires);
        let lost = match self.store.update(&key, &there.revision, &entry, now).await {
            Ok(Swap::Done) => return Ok(Turn::Begun(epoch)),
            Ok(Swap::Conflict) => return Ok(Turn::Another),
            Ok(Swap::Gone) => return Ok(Turn::NoEntry),
            Err(error) if error.fault() == Fault::Outage => error,
            Err(error) => return Err(error.into()),
        };
        match self.find(&key, now).await {
            Ok(Some(found)) if found.revision == epoch.revision => {
                self.store.confirm(&key, now).await?;
                Ok(Turn::Begun(epoch))
            }
            Ok(Some(found)) if found.revision != there.revision => Ok(Turn::Another),
            // Not done, or not done yet.
            Ok(_) | Err(_) => Err(lost.into()),
        }
    }

    /// Creates an entry for the owner.
    async fn begin(&self, owner: &Owner, revision: Revision, now: Timestamp) -> Result<Epoch, Error> {
        let entry = owner.entry(revision, self.last_end(now), now);
        for _ in 0..ATTEMPTS {
            let epoch = Epoch { public_id: SessionId::generate()?.public_id(), revision };
            let key = owner.key(epoch.public_id);
            let lost = match self.store.create(&key, &entry, now).await {
                Ok(Creation::Created) => return Ok(epoch),
                Ok(Creation::Taken) => continue,
                Err(error) if error.fault() == Fault::Outage => error,
                Err(error) => return Err(error.into()),
            };
            // The index must have the entry too: a store may write its index second, and an "end all" reads the index.
            return match self.entries(owner, now).await {
                Ok(entries) if entries.contains(&epoch.public_id) => {
                    self.store.confirm(&key, now).await?;
                    Ok(epoch)
                }
                Ok(_) | Err(_) => Err(lost.into()),
            };
        }
        Err(Error::Contended)
    }

    async fn prolong_entry(&self, owner: &Owner, epoch: &Epoch, now: Timestamp) -> Result<bool, StoreError> {
        self.store.touch(&owner.key(epoch.public_id), self.last_end(now), now).await
    }

    async fn first(&self, owner: &Owner, now: Timestamp) -> Result<Option<Epoch>, StoreError> {
        for public_id in self.entries(owner, now).await? {
            if let Some(found) = self.find(&owner.key(public_id), now).await? {
                return Ok(Some(Epoch { public_id, revision: found.revision }));
            }
        }
        Ok(None)
    }

    /// The public session ids of the owner's entries. There is one, unless several servers saw the owner's first
    /// sign-in at once.
    async fn entries(&self, owner: &Owner, now: Timestamp) -> Result<Vec<PublicId>, StoreError> {
        let (mut public_ids, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.list(&owner.name, after.as_ref(), PAGE_SIZE, now).await?;
            public_ids.extend(page.items.iter().map(|listed| listed.public_id));
            after = page.next;
            if after.is_none() {
                return Ok(public_ids);
            }
        }
    }

    fn owner(&self, name: &str) -> Owner {
        let length = u64::try_from(self.audience.len()).expect("it is at most 255 bytes");
        let hash = Sha256::new()
            .chain_update(b"waxseal/owner\0")
            .chain_update(length.to_be_bytes())
            .chain_update(&self.audience)
            .chain_update(name);
        let hash: [u8; RecordKey::HASH_BYTES] = hash.finalize().into();
        let mut name = "\u{1}epoch ".to_owned();
        for byte in hash {
            write!(name, "{byte:02x}").expect("a text takes all that is written");
        }
        Owner { hash, name }
    }
}

impl Owner {
    /// A separate hash for each entry, because by a store's rules the hash alone may name a record.
    fn key(&self, public_id: PublicId) -> RecordKey {
        let hash = Sha256::new().chain_update(self.hash).chain_update(public_id.as_bytes());
        RecordKey::new(public_id, hash.finalize().into())
    }

    fn entry(&self, revision: Revision, end: Timestamp, now: Timestamp) -> Record {
        // Prolonged by each sign-in, for as long as the owner comes back.
        entry(revision, self.name.clone(), now, end, Timestamp::MAX)
    }
}
