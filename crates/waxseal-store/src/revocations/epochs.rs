//! Epochs of owners: who signs in takes the present one along, and another ends all sessions of those before.

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{ATTEMPTS, Revocations, entry};
use crate::change::Operation;
use crate::error::StoreError;
use crate::metadata::{EPOCH, Metadata};
use crate::record::{Creation, Record, Swap};
use crate::value::ValueError;
use crate::{Error, Fault, PublicId, RecordKey, Revision, SessionId, Timestamp};

/// Entries of one owner that are asked for at once: there is one, as a rule.
const PAGE: usize = 100;

/// The epoch that a session began in, as it travels in its metadata. Compared for equality, so no clock has a part in it.
///
/// An entry's handle is random and found by its owner in the store's own index: no name that somebody chooses can take the
/// place of another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// Of the entry that names the owner's present epoch.
    public_id: PublicId,
    /// What it named: the entry's revision, 8 bytes of which are drawn for each epoch.
    pub(super) revision: Revision,
}

/// An owner, as the list knows one.
struct Owner {
    hash: [u8; RecordKey::HASH_BYTES],
    /// What stands in the owner's column.
    name: String,
}

/// What became of putting another epoch in the place of one.
enum Turn {
    Begun(Epoch),
    /// The entry names another already.
    Another,
    NoEntry,
}

impl Epoch {
    const BYTES: usize = PublicId::BYTES + Revision::BYTES;
    /// As large as any, to see whether there is room for one.
    pub(crate) const PLACEHOLDER: Self = Self {
        public_id: PublicId::from_bytes([0; 8]),
        revision: Revision::from_bytes([0; Revision::BYTES]),
    };

    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        // MessagePack's `bin 8`: its mark, its length, its bytes.
        let Some([0xc4, 24, bytes @ ..]) = metadata.encoded(EPOCH) else { return None };
        let (public_id, revision) = bytes.split_first_chunk()?;
        let revision = revision.first_chunk()?;
        Some(Self { public_id: PublicId::from_bytes(*public_id), revision: Revision::from_bytes(*revision) })
    }

    /// Notes in which epoch a session is, if it is in any.
    pub(crate) fn put(epoch: Option<&Self>, metadata: &mut Metadata) -> Result<(), ValueError> {
        let operation = match epoch {
            Some(Self { public_id, revision }) => {
                let head = [0xc4, u8::try_from(Self::BYTES).expect("it is 24")];
                let bytes = [&head[..], public_id.as_bytes(), revision.as_bytes()].concat();
                Operation::Set(Arc::from(bytes))
            }
            None if metadata.encoded(EPOCH).is_none() => return Ok(()),
            None => Operation::Remove,
        };
        metadata.apply(EPOCH, &operation)
    }
}

impl Revocations {
    /// The owner's present epoch, for a sign-in. Its entry is made if there is none, and lives on until the last session
    /// that begins now is over: a purge must not bring back what was ended before.
    pub(crate) async fn join(&self, owner: &str, now: Timestamp) -> Result<Epoch, Error> {
        let owner = self.owner(owner);
        for _ in 0..ATTEMPTS {
            match self.first(&owner, now).await? {
                None => return self.begin(&owner, Revision::first()?, now).await,
                Some(epoch) if self.prolong_entry(&owner, &epoch, now).await? => return Ok(epoch),
                Some(_) => {}
            }
        }
        Err(Error::Contended)
    }

    /// Lets the epoch's entry live until the last session that begins now is over. If the store has lost it, there is
    /// nothing to prolong.
    pub(crate) async fn prolong(&self, owner: &str, epoch: &Epoch, now: Timestamp) -> Result<(), StoreError> {
        self.prolong_entry(&self.owner(owner), epoch, now).await.map(drop)
    }

    /// Ends all of the owner's sessions that have begun.
    ///
    /// # Errors
    ///
    /// The store's: then nobody can tell whether they ended.
    pub(crate) async fn end_all(&self, owner: &str, now: Timestamp) -> Result<(), Error> {
        let known = self.owner(owner);
        if !self.end_but(&known, None, now).await? {
            // Not the first revision, for the sake of those who signed in before there was a list.
            self.begin(&known, Revision::first()?.next()?, now).await?;
        }
        self.near.owner_ended_at(owner, now);
        Ok(())
    }

    /// Ends all of the owner's sessions but one, which goes on in the epoch that is returned. If that one is in an epoch
    /// already, this is one step, from that to the next: of all who try it with copies of one session, one succeeds.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] if that epoch is over, and the store's.
    pub(crate) async fn end_others(
        &self,
        owner: &str,
        mut own: Option<Epoch>,
        now: Timestamp,
    ) -> Result<Epoch, Error> {
        let known = self.owner(owner);
        for _ in 0..ATTEMPTS {
            let from = match own {
                Some(epoch) => epoch,
                None => self.join(owner, now).await?,
            };
            // The others first: if that fails, this one is what it was.
            self.end_but(&known, Some(from.public_id), now).await?;
            match self.turn(&known, from.public_id, Some(&from.revision), now).await? {
                Turn::Begun(epoch) => {
                    self.near.owner_ended_at(owner, now);
                    return Ok(epoch);
                }
                Turn::Another if own.is_some() => return Err(Error::Gone),
                Turn::Another => {}
                // The store has lost it, and what it said of ends: what is there now counts.
                Turn::NoEntry => own = None,
            }
        }
        Err(Error::Contended)
    }

    /// Whether a session of the owner's that began in `epoch` was ended with others.
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
        // It began before there was a list, or the store has lost what it had: over if any were ended since.
        for public_id in self.entries(&owner, now).await? {
            let found = self.find(&owner.key(public_id), now).await?;
            if found.is_some_and(|found| found.revision.counter() > 1) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Begins another epoch in each of the owner's entries but this one. Whether there was any.
    async fn end_but(&self, owner: &Owner, keep: Option<PublicId>, now: Timestamp) -> Result<bool, Error> {
        let mut any = false;
        for public_id in self.entries(owner, now).await? {
            if keep != Some(public_id) {
                // Another's turn is as good: it came after this one was asked for.
                any |= !matches!(self.turn(owner, public_id, None, now).await?, Turn::NoEntry);
            }
        }
        Ok(any)
    }

    /// Begins another epoch in an entry, in the place of `from` if that is said and else of whatever it names.
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
        // Another server's sessions may live longer than those of this one.
        entry.life.expires = entry.life.expires.max(there.life.expires);
        let lost = match self.store.update(&key, &there.revision, &entry, now).await {
            Ok(Swap::Done) => return Ok(Turn::Begun(epoch)),
            Ok(Swap::Conflict) => return Ok(Turn::Another),
            Ok(Swap::Gone) => return Ok(Turn::NoEntry),
            Err(error) if error.fault() == Fault::Outage => error,
            Err(error) => return Err(error.into()),
        };
        match self.find(&key, now).await {
            Ok(Some(found)) if found.revision == epoch.revision => Ok(Turn::Begun(epoch)),
            Ok(Some(found)) if found.revision != there.revision => Ok(Turn::Another),
            // Not done, or not yet.
            Ok(_) | Err(_) => Err(lost.into()),
        }
    }

    /// Makes an entry for the owner.
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
            // Not only whether it is there: a store may write its index second, and who ends all looks there.
            return match self.entries(owner, now).await {
                Ok(entries) if entries.contains(&epoch.public_id) => Ok(epoch),
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

    /// Where the owner's entries are: one, unless several servers saw the owner's first sign-in at once.
    async fn entries(&self, owner: &Owner, now: Timestamp) -> Result<Vec<PublicId>, StoreError> {
        let (mut handles, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.list(&owner.name, after.as_ref(), PAGE, now).await?;
            handles.extend(page.items.iter().map(|listed| listed.public_id));
            after = page.next;
            if after.is_none() {
                return Ok(handles);
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
    /// A hash of its own for each entry: by a store's rules, it alone may name a record.
    fn key(&self, public_id: PublicId) -> RecordKey {
        let hash = Sha256::new().chain_update(self.hash).chain_update(public_id.as_bytes());
        RecordKey::new(public_id, hash.finalize().into())
    }

    fn entry(&self, revision: Revision, end: Timestamp, now: Timestamp) -> Record {
        entry(revision, self.name.clone(), now, end)
    }
}
