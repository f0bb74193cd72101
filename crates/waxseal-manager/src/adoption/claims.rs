//! Claims on foreign sessions, kept in the store of the sessions.
//!
//! A claim says that a foreign session was taken over, and with which revision its id here was derived. It is created
//! only once, so of all requests with a foreign cookie one makes a session. It lives until the foreign session can
//! no longer be read.
//!
//! Besides claims, the store holds the time of the sign-out of each owner who signed out. The old framework may sign a
//! session again at any time, so one session may have many cookies, each with its own claim; all those from before the
//! sign-out are refused.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use waxseal_store::{Creation, Fault, Found, PublicId, RecordHead, RecordKey, Revision, Swap, Timestamp};

use super::counts::{Counts, Outcome};
use super::foreign::{Foreign, ForeignRef};
use super::refusal::ForeignRefusal;
use super::terms::Adoption;
use crate::any_store::AnyStore;
use crate::records::unfinished::Unfinished;
use crate::revocations::entry::{CLOCKS_APART, ENDED, entry, id_owner};
use crate::store_error::StoreError;

/// How long after a claim another request with the same cookie gets the same session: a parallel request of one page,
/// or one whose response was lost.
const JOINING: Duration = Duration::from_secs(60);
/// How far the old framework's clock may be ahead when an owner's sessions are ended.
const CLOCK_AHEAD: Duration = Duration::from_secs(60);
/// How often other requests may be faster at changing one claim. A session that the old app still serves is taken over
/// at most once a minute, so even a second time is unlikely.
const MAX_RACES: usize = 4;
/// The most ends that wait for the store, of each kind.
const MAX_WAITING: usize = 1_000_000;

/// The claims of an app.
pub(crate) struct Claims {
    store: Arc<dyn AnyStore>,
    audience: String,
    pub(crate) terms: Adoption,
    /// Foreign sessions that are over, under the keys of their claims.
    ended: Unfinished<Ended>,
    /// Owners who signed out although the store could not be told yet, each with the time of the sign-out.
    ended_owners: Unfinished,
    counts: Arc<Counts>,
}

/// Which other sessions end with a session. A greater value reaches further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// None: the old app has signed the session out, which says nothing about other browsers.
    Alone,
    /// Also the owner's foreign sessions that could still have been taken over at this time. It is the time of the
    /// sign-out, because the store may be told later.
    Untaken(Timestamp),
}

/// The end of a foreign session, as the store has to be told of it. A sign-out is greater than a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ended {
    /// The time of its sign-out, and its replay id, by which the session that was made from it is found. `None` if a
    /// sign-in replaced it.
    signed_out: Option<(Timestamp, [u8; Foreign::REPLAY_ID_BYTES])>,
    /// The time at which its claim expires.
    end: Timestamp,
}

/// The session that was made from a foreign one, which is now signed out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) replay_id: [u8; Foreign::REPLAY_ID_BYTES],
    /// The revision of its claim.
    pub(crate) claim: Revision,
    /// The time of the sign-out.
    pub(crate) since: Timestamp,
}

/// What the store says about a foreign session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Free,
    /// It was taken over within the last minute, with this revision.
    Held(Revision),
    /// It was taken over with this revision, and may be taken over again if the old app still serves it.
    Renewable(Revision),
    Refused(ForeignRefusal),
}

/// At each attempt to change a claim, another request had changed it.
#[derive(Debug, thiserror::Error)]
#[error("other requests were faster at a claim, {MAX_RACES} times in a row")]
struct Raced;

impl Claims {
    pub(crate) fn new(
        store: Arc<dyn AnyStore>,
        audience: &str,
        terms: Adoption,
        counts: Arc<Counts>,
    ) -> Self {
        let (ended, ended_owners) = (Unfinished::new(MAX_WAITING), Unfinished::new(MAX_WAITING));
        Self { store, audience: audience.to_owned(), terms, ended, ended_owners, counts }
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        self.counts.count(outcome);
    }

    /// Asks the store about a foreign session and its owner.
    pub(crate) async fn look(&self, foreign: &ForeignRef, now: Timestamp) -> Result<Claim, StoreError> {
        let key = self.key(foreign);
        if self.ended.has(|| key) {
            return Ok(Claim::Refused(ForeignRefusal::Replayed));
        }
        if self.owner_ended(foreign, now).await? {
            return Ok(Claim::Refused(ForeignRefusal::OwnerEnded));
        }
        let claim = self.find(&key, now).await?.map_or(Claim::Free, |found| held(&found, now));
        Ok(match claim {
            Claim::Renewable(_) if !foreign.lives_on => Claim::Refused(ForeignRefusal::Replayed),
            claim => claim,
        })
    }

    /// Claims a foreign session with `revision`, if its claim is `before`: free or renewable. Of all requests that try
    /// this, one succeeds.
    ///
    /// # Errors
    ///
    /// The store's errors. The session may have been claimed nevertheless, now or later; the next request then joins
    /// it.
    pub(crate) async fn claim(
        &self,
        foreign: &ForeignRef,
        before: Claim,
        revision: Revision,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = self.key(foreign);
        let end = self.end_of_claim(foreign);
        let entry = entry(revision, id_owner(&key), now, end, end);
        let claimed = match before {
            Claim::Renewable(before) => {
                self.store.update(&key, &before, &entry, now).await.map(|swap| swap == Swap::Done)
            }
            _ => self.store.create(&key, &entry, now).await.map(|creation| creation == Creation::Created),
        };
        match claimed {
            Ok(claimed) => Ok(claimed),
            Err(error) if error.fault() == Fault::Outage => match self.find(&key, now).await {
                // Not done, or not done yet.
                Ok(Some(found)) if before == Claim::Renewable(found.revision) => Err(error),
                Ok(Some(found)) if found.revision == revision => {
                    self.store.confirm(&key, now).await.map(|()| true)
                }
                Ok(Some(_)) => Ok(false),
                Ok(None) | Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Until when a claim of this session, or its end, has to be known. An old app prolongs what is in its store for as
    /// long as it runs, so such a session may be alive until nothing is read any more.
    fn end_of_claim(&self, foreign: &ForeignRef) -> Timestamp {
        let end = if foreign.is_unique { foreign.end.max(self.terms.until) } else { foreign.end };
        end.after(CLOCKS_APART)
    }

    /// Ends a foreign session at a sign-out, together with the owner's foreign sessions that could still be taken over
    /// and, with `end_made`, the session that was made from it. While the store is unavailable, this process refuses
    /// it, and the store is told later.
    pub(crate) async fn sign_out<F>(
        &self,
        foreign: &ForeignRef,
        now: Timestamp,
        end_made: impl Fn(Made) -> F,
    ) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        if let Some(owner) = &foreign.owner {
            self.sign_out_owner(owner, now, now).await?;
        }
        self.end(foreign, Some((now, foreign.replay_id)), now, end_made).await
    }

    /// Ends a foreign session that a sign-in replaces, in the same way.
    pub(crate) async fn replace(&self, foreign: &ForeignRef, now: Timestamp) -> Result<(), StoreError> {
        self.end(foreign, None, now, |_| ready(Ok(()))).await
    }

    async fn end<F>(
        &self,
        foreign: &ForeignRef,
        signed_out: Option<(Timestamp, [u8; Foreign::REPLAY_ID_BYTES])>,
        now: Timestamp,
        end_made: impl Fn(Made) -> F,
    ) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let (key, ended) = (self.key(foreign), Ended { signed_out, end: self.end_of_claim(foreign) });
        match self.keep_end(&key, &ended, now, end_made).await {
            Err(error) if self.ended.add(key, ended) => {
                tracing::warn!(%error, "a foreign session was ended and the store did not confirm it; it will be told again");
                Ok(())
            }
            kept => kept,
        }
    }

    /// Ends the owner's foreign sessions that could still be taken over at `since`. Called before the owner's other
    /// sessions are ended, so that no new one can be made in between.
    pub(crate) async fn end_owner(
        &self,
        owner: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.note_owner(&self.owner_key(owner), since, now).await
    }

    /// The same at a sign-out. While the store is unavailable, this process refuses these foreign sessions, and the
    /// store is told later.
    pub(crate) async fn sign_out_owner(
        &self,
        owner: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.end_owner(owner, since, now).await {
            Err(error) if !self.ended_owners.add(self.owner_key(owner), since) => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns `true` if the owner's sessions were ended after this one began.
    pub(crate) async fn owner_ended(&self, foreign: &ForeignRef, now: Timestamp) -> Result<bool, StoreError> {
        let Some(owner) = &foreign.owner else { return Ok(false) };
        let key = self.owner_key(owner);
        let ahead = if foreign.lives_on { Duration::ZERO } else { CLOCK_AHEAD };
        let reaches = |since: Timestamp| foreign.began <= since.after(ahead);
        if self.ended_owners.get(|| key).is_some_and(reaches) {
            return Ok(true);
        }
        Ok(self.find(&key, now).await?.is_some_and(|found| reaches(found.life.last_seen)))
    }

    /// How many ends wait for the store.
    pub(crate) fn ends_waiting(&self) -> usize {
        self.ended.len() + self.ended_owners.len()
    }

    /// Tells the store of the ends that it missed during an outage. Returns how many are left.
    pub(crate) async fn finish<F>(
        &self,
        now: Timestamp,
        end_made: impl Fn(Made) -> F,
    ) -> Result<usize, StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let end_made = &end_made;
        let ended = self.ended.finish(|key, ended| async move {
            self.keep_end(&key, &ended, now, end_made).await.map(|()| true)
        });
        let owners = self
            .ended_owners
            .finish(|key, since| async move { self.note_owner(&key, since, now).await.map(|()| true) });
        let (ended, owners) = (ended.await, owners.await);
        // Errors are returned only here, so that an end of one kind that the store refuses does not hold up the other
        // kind.
        Ok(ended? + owners?)
    }

    /// Marks a claim as ended, even if another request takes the session over at the same time. May be sent again.
    ///
    /// `end_made` runs first: once the claim says that its session is over, the session that was made from it cannot be
    /// found.
    async fn keep_end<F>(
        &self,
        key: &RecordKey,
        ended: &Ended,
        now: Timestamp,
        end_made: impl Fn(Made) -> F,
    ) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let Ended { signed_out, end } = *ended;
        let over = entry(ENDED, id_owner(key), now, end, end);
        for _ in 0..MAX_RACES {
            if now >= end || self.store.create(key, &over, now).await? == Creation::Created {
                return Ok(());
            }
            let Some(found) = self.find(key, now).await? else { continue };
            let claim = found.revision;
            if claim == ENDED {
                return Ok(());
            }
            if let Some((since, replay_id)) = signed_out {
                end_made(Made { replay_id, claim, since }).await?;
            }
            if self.store.update(key, &claim, &over, now).await? == Swap::Done {
                return Ok(());
            }
        }
        Err(StoreError::new(Fault::Locked, Raced))
    }

    /// Notes that the owner signed out at `since`. May be sent again: the later time counts.
    async fn note_owner(&self, key: &RecordKey, since: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let end = self.last_end(since);
        if now >= end {
            return Ok(());
        }
        if self.store.touch(key, end, since).await? {
            return self.store.confirm(key, now).await;
        }
        let entry = entry(ENDED, id_owner(key), since, end, self.last_end(Timestamp::MAX));
        match self.store.create(key, &entry, now).await? {
            Creation::Created => Ok(()),
            Creation::Taken => {
                self.store.touch(key, end, since).await?;
                self.store.confirm(key, now).await
            }
        }
    }

    /// The time at which the last foreign session that had begun by `since` expires.
    fn last_end(&self, since: Timestamp) -> Timestamp {
        since.min(self.terms.switched).after(self.terms.lifetime).after(CLOCKS_APART)
    }

    async fn find(&self, key: &RecordKey, now: Timestamp) -> Result<Option<RecordHead>, StoreError> {
        Ok(match self.store.revalidate(key, now).await? {
            Some(Found::Living(found)) => Some(found),
            Some(Found::Renewed) | None => None,
        })
    }

    fn key(&self, foreign: &ForeignRef) -> RecordKey {
        self.key_of(b"waxseal/import\0", &foreign.replay_id)
    }

    fn owner_key(&self, owner: &str) -> RecordKey {
        self.key_of(b"waxseal/import owner\0", owner.as_bytes())
    }

    fn key_of(&self, kind: &[u8], of: &[u8]) -> RecordKey {
        let length = u64::try_from(self.audience.len()).expect("it is at most 255 bytes");
        let hash = Sha256::new()
            .chain_update(kind)
            .chain_update(length.to_be_bytes())
            .chain_update(&self.audience)
            .chain_update(of);
        let hash: [u8; RecordKey::HASH_BYTES] = hash.finalize().into();
        let public_id = hash.first_chunk().expect("a hash is longer than a public id");
        RecordKey::new(PublicId::from_bytes(*public_id), hash)
    }
}

fn held(found: &RecordHead, now: Timestamp) -> Claim {
    let is_young = now < found.life.created.after(JOINING);
    match found.revision {
        ENDED => Claim::Refused(ForeignRefusal::Replayed),
        revision if is_young => Claim::Held(revision),
        revision => Claim::Renewable(revision),
    }
}
