//! From a session back to its record, and to the browser.

use std::sync::Arc;
use std::time::Duration;

use super::Server;
use super::find::{Find, Living, trace};
use super::seal_token::Minting;
use crate::active_keys::ActiveKeys;
use crate::change::{Change, Operation, Sight};
use crate::content::Content;
use crate::error::{Largest, StoreError};
use crate::metadata::{self, DEVICE, OWNER, RENEWED, SIGNED_IN};
use crate::origin::{Confirmed, RecordRef};
use crate::record::{Creation, Found, Lifespan, Record, Swap, Tombstone};
use crate::sessions::{Outcome, RESEAL_AFTER_SECONDS, refresh_after};
use crate::{Error, Fault, RecordKey, Revision, SessionId, Timestamp};

/// How often a save begins anew when other requests changed the record.
const ATTEMPTS: u32 = 5;
/// The same for a sign-in, and for what renews the one session that stays: of many at once each is done, one after the
/// other, and nobody who goes on writing keeps a session from its end.
const SURE_ATTEMPTS: u32 = 64;
/// How often the store is asked what became of a write whose answer was lost.
const INQUIRIES: u32 = 3;

/// What a request leaves behind of its session.
pub(crate) struct Draft {
    pub(crate) content: Content,
    pub(crate) held: Option<RecordRef>,
    pub(crate) log: Vec<Change>,
    /// `renew()` was called.
    pub(crate) renewed: bool,
    /// `sign_in()` was called.
    pub(crate) signed_in: bool,
    /// The other sessions of this owner are to end, who may not be this one's any more.
    pub(crate) ends_others: Option<String>,
    /// Whose session it was when it was opened.
    pub(crate) owner_before: Option<String>,
    /// The id that the visitor came with, if a sign-in has replaced it.
    pub(crate) replaced: Option<SessionId>,
    /// A session begins, even an empty one, in place of one that is over.
    pub(crate) begins: bool,
    pub(crate) ring: Arc<ActiveKeys>,
}

/// What a save replaces.
struct Base {
    /// The session's; or, if only its key is known, another of its family.
    id: SessionId,
    key: RecordKey,
    revision: Revision,
    known: Confirmed,
}

impl Base {
    fn new(id: SessionId, revision: Revision, known: Confirmed) -> Self {
        Self { key: id.key(), id, revision, known }
    }
}

/// A write that was sent, to be told from another's.
struct Write {
    old: RecordKey,
    expected: Revision,
    /// The new id and what is left under the old one, if the session is renewed.
    renewal: Option<(SessionId, Tombstone)>,
    record: Record,
}

impl Server {
    /// Saves what was changed, and says what the browser should do with its token.
    pub(crate) async fn commit(&self, draft: Draft, now: Timestamp) -> Result<Outcome, Error> {
        self.asking(now);
        match &draft.ends_others {
            Some(owner) => self.save_alone(&draft, owner, now).await,
            None => self.save_any(&draft, now).await,
        }
    }

    /// Ends the owner's other sessions, and gives this one a new id: a copy of the old one ends with the others.
    ///
    /// In this order, while the browser's id is still good: if the second step fails, the visitor stays signed in. Should
    /// somebody else have renewed the session before it, a thief perhaps, all of its family ends.
    async fn save_alone(&self, draft: &Draft, owner: &str, now: Timestamp) -> Result<Outcome, Error> {
        let saved = self.end_and_renew(draft, owner, now).await;
        // A sign-in takes over what there is, when it is repeated.
        if let (Err(error), Some(held), false) = (&saved, &draft.held, draft.signed_in)
            && self.is_lost(error, held, now).await
        {
            self.end_family(owner, held, now).await?;
        }
        saved
    }

    async fn end_and_renew(&self, draft: &Draft, owner: &str, now: Timestamp) -> Result<Outcome, Error> {
        let keep = match (&draft.held, &draft.replaced) {
            (Some(held), _) => match self.store.confirm(&held.id.key(), now).await? {
                // Somebody else has ended it: then it ends nobody.
                None => return Err(self.missing()),
                Some(found) if is_marker(&found) => self.key_owned(draft, owner, &held.id, now).await?,
                Some(_) => Some(held.id.key()),
            },
            (None, Some(old)) => self.key_owned(draft, owner, old, now).await?,
            (None, None) => None,
        };
        self.end_all(owner, keep.as_ref(), now).await?;
        self.save_any(draft, now).await
    }

    /// Where a sign-in goes on that comes with an old id.
    async fn key_owned(
        &self,
        draft: &Draft,
        owner: &str,
        old: &SessionId,
        now: Timestamp,
    ) -> Result<Option<RecordKey>, StoreError> {
        if !draft.signed_in {
            return Ok(None);
        }
        Ok(self.store.owned(owner, old.public_id(), now).await?.map(|(key, _)| key))
    }

    /// Whether a save failed because the browser's id is no longer the session's.
    async fn is_lost(&self, error: &Error, held: &RecordRef, now: Timestamp) -> bool {
        match error {
            Error::Gone | Error::Renewed => true,
            // Nobody can tell whose renewal it was. If there was one, the browser's id is worth nothing.
            Error::Unavailable(_) => {
                let found = self.store.confirm(&held.id.key(), now).await;
                found.is_ok_and(|found| found.as_ref().is_none_or(is_marker))
            }
            _ => false,
        }
    }

    async fn end_family(&self, owner: &str, held: &RecordRef, now: Timestamp) -> Result<(), Error> {
        let mut failures = 0;
        loop {
            match self.end_one(owner, held.id.public_id(), now).await {
                Ok(_) => return Ok(()),
                Err(error) => {
                    failures += 1;
                    if failures > INQUIRIES {
                        return Err(error.into());
                    }
                    self.pause(failures).await;
                }
            }
        }
    }

    async fn save_any(&self, draft: &Draft, now: Timestamp) -> Result<Outcome, Error> {
        match &draft.held {
            None if draft.content.is_blank() && !draft.begins => Ok(Outcome::Keep),
            None if draft.log.is_empty() && !draft.renewed => Ok(Outcome::Keep),
            None => match draft.replaced.as_ref().filter(|_| draft.signed_in) {
                Some(old) => self.sign_in_again(draft, old, true, now).await,
                None => self.create(&draft.ring, &draft.content, now).await,
            },
            Some(held) if draft.renewed || !draft.log.is_empty() => self.save(draft, held, now).await,
            Some(held) if self.is_renewal_due(held.known.as_ref(), &draft.content, now) => {
                // Nobody asked for it, so the request does not fail by it; it is due the next time, too.
                self.save(draft, held, now).await.or_else(|error| {
                    tracing::debug!(%error, "a session was not renewed");
                    Ok(Outcome::Keep)
                })
            }
            Some(held) => self.refresh(draft, held, now).await,
        }
    }

    async fn create(&self, ring: &ActiveKeys, content: &Content, now: Timestamp) -> Result<Outcome, Error> {
        let life = self.life(None, content.permanent, now);
        let mut lost = None;
        for attempt in 0..INQUIRIES {
            let (id, revision) = (SessionId::generate()?, Revision::first()?);
            let key = id.key();
            let record = self.record(ring, &key, revision, content, life, now)?;
            let made = match self.store.create(&key, &record, now).await {
                Ok(Creation::Created) => true,
                Ok(Creation::Taken) => false,
                // Never sent again: nobody else can know this id, so what was made of it expires unused.
                Err(error) if error.fault() == Fault::Outage => {
                    let there = self.has_revision(&key, &revision, now).await;
                    lost = Some(error);
                    there
                }
                Err(error) => return Err(error.into()),
            };
            if made {
                let base = Base::new(id, revision, self.just_written(life, now));
                return self.written(ring, &base, content);
            }
            self.pause(attempt).await;
        }
        Err(lost.map_or(Error::Contended, Error::from))
    }

    async fn save(&self, draft: &Draft, held: &RecordRef, now: Timestamp) -> Result<Outcome, Error> {
        let mut content = draft.content.clone();
        let mut base = held.known.map(|known| Base::new(held.id.clone(), held.revision, known));
        let attempts = if draft.signed_in || draft.ends_others.is_some() { SURE_ATTEMPTS } else { ATTEMPTS };
        for attempt in 0..=attempts {
            if attempt > 0 {
                self.counts.conflicts.increment(1);
                self.pause(attempt).await;
            }
            let base = match base.take() {
                Some(base) => base,
                None => match self.find(&draft.ring, &held.id, now).await? {
                    Find::Living(living) => {
                        let Living { id, revision, known, content: newer } = *living;
                        if revision != held.revision || attempt > 0 {
                            content = replay(newer, &draft.log, draft.ring.capacity())?;
                        }
                        Base::new(id, revision, known)
                    }
                    Find::Renewed if draft.signed_in => {
                        // Loaded while it was this owner's already, it must not outlive an end that came since, unless
                        // that was its own: of the others.
                        let begins = draft.ends_others.is_some()
                            || draft.owner_before != draft.content.metadata.get(OWNER);
                        return self.sign_in_again(draft, &held.id, begins, now).await;
                    }
                    Find::Renewed => return Err(Error::Renewed),
                    Find::Absent | Find::SignedOut | Find::Closed(_) => return Err(self.missing()),
                },
            };
            // Somebody signed out, and the store is still to be told: it would not find the session under a new id.
            if self.unfinished.has(|| base.key) {
                return Err(self.missing());
            }
            let periodic = !draft.renewed && self.is_renewal_due(Some(&base.known), &content, now);
            if draft.log.is_empty() && !draft.renewed && !periodic {
                // Another request has renewed it meanwhile.
                return self.written(&draft.ring, &base, &content);
            }
            let write = self.write(draft, &mut content, &base, periodic, now)?;
            match self.send(&write, now).await? {
                Swap::Done => {
                    let base = self.done(write, base, now);
                    let changes_class =
                        |change: &Change| matches!(change, Change::Permanent(_) | Change::Reset);
                    if self.is_mirrored()
                        || draft.log.iter().any(changes_class)
                        || self.owes_token(held, &base.id, content.permanent, now)
                    {
                        return self.written(&draft.ring, &base, &content);
                    }
                    self.note(&base);
                    return Ok(Outcome::Keep);
                }
                Swap::Conflict => {}
                // By another sign-in, perhaps.
                Swap::Gone if draft.signed_in => {}
                Swap::Gone => return Err(self.missing()),
            }
        }
        Err(Error::Contended)
    }

    /// Saves a sign-in by an id that another has replaced. If that was the same owner's, whose answer may be lost, what it
    /// left is renewed once more, so that the id in that answer ends; if not, a session `begins`, if it may.
    async fn sign_in_again(
        &self,
        draft: &Draft,
        old: &SessionId,
        begins: bool,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        for attempt in 0..SURE_ATTEMPTS {
            if attempt > 0 {
                self.counts.conflicts.increment(1);
                self.pause(attempt).await;
            }
            let Some((base, there)) = self.find_owned(draft, old, now).await? else {
                if !begins {
                    return Err(self.missing());
                }
                return self.create(&draft.ring, &draft.begun()?, now).await;
            };
            let mut content = draft.replay_over(there)?;
            let write = self.write(draft, &mut content, &base, false, now)?;
            match self.send(&write, now).await? {
                Swap::Done => {
                    let base = self.done(write, base, now);
                    return self.written(&draft.ring, &base, &content);
                }
                // By yet another sign-in, perhaps.
                Swap::Conflict | Swap::Gone => {}
            }
        }
        Err(Error::Contended)
    }

    /// The session of this id's family, under whatever id it is now, if it is of the owner who signs in.
    async fn find_owned(
        &self,
        draft: &Draft,
        old: &SessionId,
        now: Timestamp,
    ) -> Result<Option<(Base, Content)>, Error> {
        let Some(owner) = draft.content.metadata.get::<String>(OWNER) else { return Ok(None) };
        let Some((key, record)) = self.store.owned(&owner, old.public_id(), now).await? else {
            return Ok(None);
        };
        let confirm = self.confirm(now);
        let Ok(content) = self.open(&draft.ring, &key, &record, now) else { return Ok(None) };
        let Record { revision, life, kid, .. } = record;
        if !self.is_alive(&life, content.permanent, now) || self.unfinished.has(|| key) {
            return Ok(None);
        }
        if let Some(near) = self.near() {
            near.confirmed(&key, &revision, confirm.at());
        }
        let known = Confirmed { confirm, life, kid: Some(kid) };
        Ok(Some((Base { id: old.clone(), key, revision, known }, content)))
    }

    /// What `base` is after a write that was done.
    fn done(&self, write: Write, base: Base, now: Timestamp) -> Base {
        let known = self.just_written(write.record.life, now);
        match write.renewal {
            Some((new, trace)) => {
                if trace.pointer.is_none() {
                    self.note_gone(&write.old, known.confirm);
                }
                Base::new(new, write.record.revision, known)
            }
            None => Base { revision: write.record.revision, known, ..base },
        }
    }

    /// The write that puts `content` in the place of `base`.
    fn write(
        &self,
        draft: &Draft,
        content: &mut Content,
        base: &Base,
        periodic: bool,
        now: Timestamp,
    ) -> Result<Write, Error> {
        let (old, revision) = (base.key, base.revision.next()?);
        let begun = (!draft.renewed).then_some(base.known.life.created);
        let life = self.life(begun, content.permanent, now);
        let life = Lifespan { last_seen: life.last_seen.max(base.known.life.last_seen), ..life };
        let renewal = if draft.renewed || periodic {
            let when = match periodic {
                true => Operation::Set(metadata::encode(&now.as_secs())),
                false => Operation::Remove,
            };
            let in_metadata = |source| Error::Value { key: RENEWED.to_owned(), source };
            content.metadata.apply(RENEWED, &when).map_err(in_metadata)?;
            let new = base.id.renewed()?;
            let trace = trace(&draft.ring, &old, &new, periodic, now)?;
            Some((new, trace))
        } else {
            None
        };
        let key = renewal.as_ref().map_or(old, |(new, _)| new.key());
        let record = self.record(&draft.ring, &key, revision, content, life, now)?;
        Ok(Write { old, expected: base.revision, renewal, record })
    }

    /// Sends a write, and finds out what became of it if its answer is lost. It is sent again only while the record
    /// is what it was: as both compare with that, at most one of them is done.
    async fn send(&self, write: &Write, now: Timestamp) -> Result<Swap, Error> {
        let Write { old, expected, renewal, record } = write;
        let mut inquiries = 0;
        loop {
            let answer = match renewal {
                None => self.store.update(old, expected, record, now).await,
                Some((new, trace)) => self.store.renew(old, expected, &new.key(), record, trace, now).await,
            };
            let error = match answer {
                // Our own earlier try may be what it conflicts with.
                Ok(swap) if swap != Swap::Done && inquiries > 0 && self.is_done(write, now).await? => {
                    return Ok(Swap::Done);
                }
                Ok(Swap::Conflict) if inquiries > 0 => return Err(unknown()),
                Ok(swap) => return Ok(swap),
                Err(error) if error.fault() == Fault::Outage => error,
                // This try was not done; an earlier one may have been.
                Err(error) if inquiries > 0 && error.fault() == Fault::Refused => error,
                Err(error) => return Err(error.into()),
            };
            inquiries += 1;
            if inquiries > INQUIRIES {
                return Err(error.into());
            }
            self.pause(inquiries).await;
            match self.look(write, now).await {
                Ok(Fate::Done) => return Ok(Swap::Done),
                Ok(Fate::NotYet) => {}
                Ok(Fate::Gone) => return Ok(Swap::Gone),
                // Someone else's write came after it, or before: nobody can tell.
                Ok(Fate::Unknown) | Err(_) => return Err(error.into()),
            }
        }
    }

    async fn is_done(&self, write: &Write, now: Timestamp) -> Result<bool, Error> {
        Ok(matches!(self.look(write, now).await?, Fate::Done))
    }

    async fn look(&self, write: &Write, now: Timestamp) -> Result<Fate, StoreError> {
        use Found::{Living, Renewed};
        if let Some((new, _)) = &write.renewal
            && let Some(Living(found)) = self.store.confirm(&new.key(), now).await?
        {
            return Ok(if found.revision == write.record.revision { Fate::Done } else { Fate::Unknown });
        }
        Ok(match self.store.confirm(&write.old, now).await? {
            Some(Living(found)) if found.revision == write.record.revision => Fate::Done,
            Some(Living(found)) if found.revision == write.expected => Fate::NotYet,
            Some(Living(_) | Renewed(_)) => Fate::Unknown,
            None => Fate::Gone,
        })
    }

    async fn has_revision(&self, key: &RecordKey, revision: &Revision, now: Timestamp) -> bool {
        let found = self.store.confirm(key, now).await;
        matches!(found, Ok(Some(Found::Living(found))) if found.revision == *revision)
    }

    /// Not noted as gone: that is final, and this may be a record that a key still to come opens, or the marker of a
    /// sign-in, whose old id must be met as one.
    fn missing(&self) -> Error {
        self.counts.gone.increment(1);
        Error::Gone
    }

    fn just_written(&self, life: Lifespan, now: Timestamp) -> Confirmed {
        Confirmed { confirm: self.confirm(now), life, kid: None }
    }

    fn note(&self, base: &Base) {
        if let Some(near) = self.near() {
            near.confirmed(&base.key, &base.revision, base.known.confirm.at());
        }
    }

    /// The token of what the store has now.
    fn written(&self, ring: &ActiveKeys, base: &Base, content: &Content) -> Result<Outcome, Error> {
        self.note(base);
        let Confirmed { confirm, life, .. } = base.known;
        let Lifespan { created, absolute_end, .. } = life;
        let (id, revision) = (&base.id, &base.revision);
        self.mint(ring, &Minting { id, revision, content, created, absolute_end, confirm })
    }

    /// What is due although nothing was changed: a new token, a record under the new key. Only if the store was asked
    /// in this request, or an ended session's copy could be kept alive for ever.
    async fn refresh(&self, draft: &Draft, held: &RecordRef, now: Timestamp) -> Result<Outcome, Error> {
        let Some(known) = held.known else { return Ok(Outcome::Keep) };
        let (ring, content) = (&draft.ring, &draft.content);
        let reseal = held.is_reseal_due(now);
        if reseal || known.kid.is_some_and(|kid| kid != ring.kid()) {
            self.rewrap(ring, held, content, &known, now).await;
        }
        let base = Base::new(held.id.clone(), held.revision, known);
        if !self.owes_token(held, &base.id, content.permanent, now) {
            return Ok(Outcome::Keep);
        }
        self.written(ring, &base, content)
    }

    /// Whether [`commit`](Self::commit) would do anything for a session that was not changed.
    pub(crate) fn is_due(
        &self,
        held: &RecordRef,
        content: &Content,
        ring: &ActiveKeys,
        now: Timestamp,
    ) -> bool {
        let is_due = |known: &Confirmed| {
            self.is_renewal_due(Some(known), content, now)
                || known.kid.is_some_and(|kid| kid != ring.kid())
                || self.owes_token(held, &held.id, content.permanent, now)
        };
        held.known.as_ref().is_some_and(is_due)
    }

    /// Whether the browser's token should be replaced: it is not of this id and revision, its key is an old one, its
    /// copy has seen half of the grace, or the browser would forget it while its session goes on.
    fn owes_token(&self, held: &RecordRef, id: &SessionId, permanent: bool, now: Timestamp) -> bool {
        let age = now.as_secs().saturating_sub(held.times.sealed());
        let ages = |mirror: &super::Mirror| age >= (mirror.freshness.grace.as_secs() / 2).max(1);
        held.is_outdated
            || (permanent && age >= refresh_after(self.lifetimes.of(permanent).idle))
            || !held.id.is(id)
            || held.is_reseal_due(now)
            || self.mirror.as_ref().is_some_and(ages)
    }

    /// Seals the record anew with the ring's first key, if it is still the same. If not, whoever changed it has.
    async fn rewrap(
        &self,
        ring: &ActiveKeys,
        held: &RecordRef,
        content: &Content,
        known: &Confirmed,
        now: Timestamp,
    ) {
        let key = held.id.key();
        let sealed = match self.seal(ring, &key, &held.revision, content, &known.life, now) {
            Ok(sealed) => sealed,
            Err(error) => return tracing::warn!(%error, "a session's record was not sealed anew"),
        };
        if let Err(error) = self.store.rewrap(&key, &held.revision, ring.kid(), &sealed, now).await {
            tracing::debug!(%error, "a session's record was not sealed anew");
        }
    }

    /// Whether a periodic renewal is due of a session that the store has confirmed in this request.
    fn is_renewal_due(&self, known: Option<&Confirmed>, content: &Content, now: Timestamp) -> bool {
        let (Some(every), Some(known)) = (self.renew_every, known) else { return false };
        let since = content
            .metadata
            .get::<u64>(RENEWED)
            .map_or(known.life.created, |seconds| Timestamp::from_millis(seconds.saturating_mul(1_000)));
        now >= since.after(every)
    }

    /// A moment of chance, longer with every attempt, so that those who met once do not meet again.
    async fn pause(&self, attempt: u32) {
        let Some(pause) = &self.pause else { return };
        let mut random = [0; 2];
        // Without randomness everybody waits the same; the next seal says what is wrong.
        let _ = getrandom::fill(&mut random);
        let most = 2_000_u64 << attempt.min(6);
        let micros = most * u64::from(u16::from_ne_bytes(random)) / u64::from(u16::MAX);
        pause(Duration::from_micros(micros)).await;
    }
}

/// What became of a write whose answer was lost.
enum Fate {
    Done,
    NotYet,
    Gone,
    Unknown,
}

impl Draft {
    /// A session of whoever has signed in, and of nothing that was there before.
    fn begun(&self) -> Result<Content, Error> {
        let mut content = self.replay_over(Content::default())?;
        content.permanent = self.content.permanent;
        // What was so before is not in the log.
        for name in [OWNER, SIGNED_IN, DEVICE] {
            if let Some(value) = self.content.metadata.encoded(name) {
                Change::Metadata(name, Operation::Set(value.into())).apply(&mut content)?;
            }
        }
        Ok(content)
    }

    /// Does again over what a lost answer left what the request did. Who came with an old id was shown an empty session: so
    /// what there was then is no conflict, and a default is not put over what is there.
    fn replay_over(&self, content: Content) -> Result<Content, Error> {
        let limit = self.ring.capacity();
        if self.held.is_some() {
            return replay(content, &self.log, limit);
        }
        let stays = |change: &&Change| match change {
            Change::Seen(_, Sight::Absent) => false,
            Change::Key(key, Operation::SetDefault(_)) => !content.entries.contains(key),
            _ => true,
        };
        let log: Vec<_> = self.log.iter().filter(stays).cloned().collect();
        replay(content, &log, limit)
    }
}

/// Whether an id was left for good.
fn is_marker<T>(found: &Found<T>) -> bool {
    matches!(found, Found::Renewed(Tombstone { pointer: None, .. }))
}

impl RecordRef {
    /// A key that was just promoted elsewhere must not make two servers re-seal each other's copies.
    fn is_reseal_due(&self, now: Timestamp) -> bool {
        self.needs_reseal && now.as_secs().saturating_sub(self.times.sealed()) >= RESEAL_AFTER_SECONDS
    }
}

/// Does again over a newer state what the request did.
fn replay(mut content: Content, log: &[Change], limit: usize) -> Result<Content, Error> {
    for change in log {
        change.apply(&mut content)?;
    }
    let size = content.planned_size();
    if size > limit {
        return Err(Error::TooLarge { size, limit, largest: Largest::of(content.entries.sizes()) });
    }
    Ok(content)
}

fn unknown() -> Error {
    #[derive(Debug, thiserror::Error)]
    #[error("a write's answer was lost, and another request has written since")]
    struct Lost;
    StoreError::new(Fault::Outage, Lost).into()
}
