//! From a session back to its record, and to the browser.

use std::sync::Arc;
use std::time::Duration;

use super::Server;
use super::find::{Find, Living, trace};
use super::flaw::Flaw;
use super::mint::Minting;
use crate::change::{Change, Operation};
use crate::content::Content;
use crate::error::{Largest, StoreError};
use crate::metadata::{self, OWNER, RENEWED};
use crate::origin::{Held, Known};
use crate::record::{Creation, Life, Record, Swap, Trace};
use crate::ring::Ring;
use crate::sessions::{Outcome, RESEAL_AFTER_SECONDS, refresh_after};
use crate::{Error, Fault, Moment, RecordKey, Revision, SessionId};

/// How often a save begins anew when other requests changed the record.
const ATTEMPTS: u32 = 5;
/// How often the store is asked what became of a write whose answer was lost.
const INQUIRIES: u32 = 3;

/// What a request leaves behind of its session.
pub(crate) struct Draft {
    pub(crate) content: Content,
    pub(crate) held: Option<Held>,
    pub(crate) log: Vec<Change>,
    /// `renew()` was called.
    pub(crate) renewed: bool,
    /// The owner's other sessions are to end.
    pub(crate) ends_others: bool,
    pub(crate) ring: Arc<Ring>,
}

/// What a save replaces.
struct Base {
    id: SessionId,
    revision: Revision,
    known: Known,
}

/// A write that was sent, to be told from another's.
struct Write {
    old: RecordKey,
    expected: Revision,
    /// The new id and what is left under the old one, if the session is renewed.
    renewal: Option<(SessionId, Trace)>,
    record: Record,
}

impl Server {
    /// Saves what was changed, and says what the browser should do with its token.
    pub(crate) async fn commit(&self, draft: Draft, now: Moment) -> Result<Outcome, Error> {
        self.asking(now);
        if draft.ends_others {
            return self.save_alone(&draft, now).await;
        }
        self.save_any(&draft, now).await
    }

    /// Ends the owner's other sessions, and gives this one a new id: a copy of the old one ends with the others.
    async fn save_alone(&self, draft: &Draft, now: Moment) -> Result<Outcome, Error> {
        let owner: String = draft.content.metadata.get(OWNER).ok_or(Error::Owner)?;
        // First, while the browser's id is still good: if the rest fails, the visitor stays signed in.
        let keep = draft.held.as_ref().map(|held| held.id.key());
        self.end_all(&owner, keep.as_ref(), now).await?;
        let saved = self.save_any(draft, now).await;
        if let (Err(Error::Gone | Error::Renewed), Some(held)) = (&saved, &draft.held) {
            // Whoever renewed it in between may be a thief.
            self.end_one(&owner, held.id.handle(), now).await?;
        }
        saved
    }

    async fn save_any(&self, draft: &Draft, now: Moment) -> Result<Outcome, Error> {
        match &draft.held {
            None if draft.content.is_blank() => Ok(Outcome::Keep),
            None if draft.log.is_empty() && !draft.renewed => Ok(Outcome::Keep),
            None => self.create(draft, now).await,
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

    async fn create(&self, draft: &Draft, now: Moment) -> Result<Outcome, Error> {
        let life = self.life(None, draft.content.permanent, now);
        let mut lost = None;
        for attempt in 0..INQUIRIES {
            let (id, revision) = (SessionId::generate()?, Revision::first()?);
            let key = id.key();
            let record = self.record(&draft.ring, &key, revision, &draft.content, life, now)?;
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
                let base = Base { id, revision, known: self.just_written(life, now) };
                return self.written(&draft.ring, &base, &draft.content);
            }
            self.pause(attempt).await;
        }
        Err(lost.map_or(Error::Contended, Error::from))
    }

    async fn save(&self, draft: &Draft, held: &Held, now: Moment) -> Result<Outcome, Error> {
        let mut content = draft.content.clone();
        let mut base = held.known.map(|known| Base { id: held.id.clone(), revision: held.revision, known });
        for attempt in 0..=ATTEMPTS {
            if attempt > 0 {
                self.counts.conflicts.increment(1);
                self.pause(attempt).await;
            }
            let Base { id, revision, known } = match base.take() {
                Some(base) => base,
                None => {
                    let Living { id, revision, known, content: newer, .. } =
                        self.find_again(draft, held, now).await?;
                    if (revision != held.revision || attempt > 0) && !self.flaws.has(Flaw::Overwrites) {
                        content = replay(newer, &draft.log, draft.ring.capacity())?;
                    }
                    Base { id, revision, known }
                }
            };
            let periodic = !draft.renewed && self.is_renewal_due(Some(&known), &content, now);
            if draft.log.is_empty() && !draft.renewed && !periodic {
                // Another request has renewed it meanwhile.
                return self.written(&draft.ring, &Base { id, revision, known }, &content);
            }
            let write =
                self.write(draft, &mut content, &Base { id: id.clone(), revision, known }, periodic, now)?;
            match self.send(&write, now).await? {
                Swap::Done => {
                    let known = self.just_written(write.record.life, now);
                    if draft.renewed {
                        self.note_gone(&write.old, known.confirm);
                    }
                    let id = write.renewal.map_or(id, |(new, _)| new);
                    let base = Base { id, revision: write.record.revision, known };
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
                Swap::Gone if self.flaws.has(Flaw::MakesAgain) => {
                    let _ = self.store.create(&write.old, &write.record, now).await?;
                }
                Swap::Gone => return Err(self.missing()),
            }
        }
        Err(Error::Contended)
    }

    /// The write that puts `content` in the place of `base`.
    fn write(
        &self,
        draft: &Draft,
        content: &mut Content,
        base: &Base,
        periodic: bool,
        now: Moment,
    ) -> Result<Write, Error> {
        let (old, revision) = (base.id.key(), base.revision.next()?);
        let begun = (!draft.renewed).then_some(base.known.life.created);
        let life = self.life(begun, content.permanent, now);
        let life = Life { last_seen: life.last_seen.max(base.known.life.last_seen), ..life };
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
    async fn send(&self, write: &Write, now: Moment) -> Result<Swap, Error> {
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
            if self.flaws.has(Flaw::RepeatsBlindly) {
                return Ok(Swap::Conflict);
            }
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

    async fn is_done(&self, write: &Write, now: Moment) -> Result<bool, Error> {
        Ok(matches!(self.look(write, now).await?, Fate::Done))
    }

    async fn look(&self, write: &Write, now: Moment) -> Result<Fate, StoreError> {
        use crate::record::Found::{Living, Renewed};
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

    async fn has_revision(&self, key: &RecordKey, revision: &Revision, now: Moment) -> bool {
        let found = self.store.confirm(key, now).await;
        matches!(found, Ok(Some(crate::Found::Living(found))) if found.revision == *revision)
    }

    async fn find_again(&self, draft: &Draft, held: &Held, now: Moment) -> Result<Living, Error> {
        match self.find(&draft.ring, &held.id, now).await? {
            Find::Living(living) => Ok(*living),
            Find::Renewed => Err(Error::Renewed),
            Find::Absent | Find::SignedOut | Find::Closed(_) => Err(self.missing()),
        }
    }

    /// Not noted as gone: that is final, and this may be a record that a key still to come opens, or the marker of a
    /// sign-in, whose old id must be met as one.
    fn missing(&self) -> Error {
        self.counts.gone.increment(1);
        Error::Gone
    }

    fn just_written(&self, life: Life, now: Moment) -> Known {
        Known { confirm: self.confirm(now), life, kid: None }
    }

    fn note(&self, base: &Base) {
        if let Some(near) = self.near() {
            near.confirmed(&base.id.key(), &base.revision, base.known.confirm.at());
        }
    }

    /// The token of what the store has now.
    fn written(&self, ring: &Ring, base: &Base, content: &Content) -> Result<Outcome, Error> {
        self.note(base);
        let Known { confirm, life, .. } = base.known;
        let Life { created, absolute_end, .. } = life;
        let (id, revision) = (&base.id, &base.revision);
        self.mint(ring, &Minting { id, revision, content, created, absolute_end, confirm })
    }

    /// What is due although nothing was changed: a new token, a record under the new key. Only if the store was asked
    /// in this request, or an ended session's copy could be kept alive for ever.
    async fn refresh(&self, draft: &Draft, held: &Held, now: Moment) -> Result<Outcome, Error> {
        let flawed = |confirm| Known { confirm, life: self.life(None, false, now), kid: None };
        let Some(known) = held.known.or_else(|| self.unconfirmed(now).map(flawed)) else {
            return Ok(Outcome::Keep);
        };
        let (ring, content) = (&draft.ring, &draft.content);
        let reseal = held.is_reseal_due(now);
        if reseal || known.kid.is_some_and(|kid| kid != ring.kid()) {
            self.rewrap(ring, held, content, &known, now).await;
        }
        let base = Base { id: held.id.clone(), revision: held.revision, known };
        if !self.owes_token(held, &base.id, content.permanent, now) {
            return Ok(Outcome::Keep);
        }
        self.written(ring, &base, content)
    }

    /// Whether [`commit`](Self::commit) would do anything for a session that was not changed.
    pub(crate) fn is_due(&self, held: &Held, content: &Content, ring: &Ring, now: Moment) -> bool {
        let is_due = |known: &Known| {
            self.is_renewal_due(Some(known), content, now)
                || known.kid.is_some_and(|kid| kid != ring.kid())
                || self.owes_token(held, &held.id, content.permanent, now)
        };
        self.unconfirmed(now).is_some() || held.known.as_ref().is_some_and(is_due)
    }

    /// Whether the browser's token should be replaced: it is not of this id and revision, its key is an old one, its
    /// copy has seen half of the grace, or the browser would forget it while its session goes on.
    fn owes_token(&self, held: &Held, id: &SessionId, permanent: bool, now: Moment) -> bool {
        let age = now.as_secs().saturating_sub(held.times.sealed());
        let ages = |mirror: &super::Mirror| age >= (mirror.freshness.grace.as_secs() / 2).max(1);
        held.is_outdated
            || (permanent && age >= refresh_after(self.lifetimes.of(permanent).idle))
            || !held.id.is(id)
            || held.is_reseal_due(now)
            || self.mirror.as_ref().is_some_and(ages)
            || self.unconfirmed(now).is_some()
    }

    /// Seals the record anew with the ring's first key, if it is still the same. If not, whoever changed it has.
    async fn rewrap(&self, ring: &Ring, held: &Held, content: &Content, known: &Known, now: Moment) {
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
    fn is_renewal_due(&self, known: Option<&Known>, content: &Content, now: Moment) -> bool {
        let (Some(every), Some(known)) = (self.renew_every, known) else { return false };
        let since = content
            .metadata
            .get::<u64>(RENEWED)
            .map_or(known.life.created, |seconds| Moment::from_millis(seconds.saturating_mul(1_000)));
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

impl Held {
    /// A key that was just promoted elsewhere must not make two servers re-seal each other's copies.
    fn is_reseal_due(&self, now: Moment) -> bool {
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
