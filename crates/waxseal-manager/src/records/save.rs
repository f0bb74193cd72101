//! Saves a session to its record.

use std::ops::ControlFlow;
use std::sync::Arc;

use waxseal_crypto::FreshNonce;
use waxseal_session::backend::Content;
use waxseal_store::{Answers, Creation, Fault, Found, RecordKey, SessionId, Swap, Timestamp};

use super::draft::Draft;
use super::find::{Find, Living};
use super::keyed_id::KeyedId;
use super::record_store::RecordStore;
use super::turns::{MAX_WAIT, Newest, Place};
use super::write::{Base, INQUIRIES};
use crate::active_keys::ActiveKeys;
use crate::any_store::at_once;
use crate::confirmed::Confirmed;
use crate::due::TokenFacts;
use crate::error::Error;
use crate::origin::RecordRef;
use crate::outcome::Outcome;
use crate::refresh::refresh_after;
use crate::store_error::StoreError;

/// How often a save starts again because other requests changed the record.
const ATTEMPTS: u32 = 5;
/// The same for a sign-in, and for a renewal that ends the owner's other sessions. If there are many at once, all of
/// them get done, one after the other; and parallel writes cannot keep a session from ending.
pub(super) const SURE_ATTEMPTS: u32 = 64;

impl RecordStore {
    /// Saves the changes, and returns what the browser should do with its token. `place` is the request's place in the
    /// line of those that change the session, if it has one already.
    pub(crate) async fn save(
        &self,
        draft: &Draft,
        place: &mut Option<Place>,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        self.asking(now);
        if draft.record.as_ref().is_some_and(|record| self.awaits_end(record)) {
            return Err(Error::GONE);
        }
        self.turn(draft, place).await;
        match &draft.closed.ends_others {
            Some(owner) => Box::pin(self.save_alone(draft, owner, place, now)).await,
            None => self.save_any(draft, place, now).await,
        }
    }

    /// Saves what a request has written to the session of `record` and nothing else, if the store answers at once, nobody
    /// else of this process is about to change the session, and the browser keeps its token. `None` if not; nothing was
    /// saved then.
    pub(crate) fn save_at_once(
        &self,
        keys: &ActiveKeys,
        record: &RecordRef,
        place: &Place,
        content: &Content,
        now: Timestamp,
    ) -> Option<Outcome> {
        if self.store.answers() != Answers::AtOnce || !place.is_alone() || self.awaits_end(record) {
            return None;
        }
        let base = Base::new(record.id.clone(), record.revision, record.confirmed?);
        if self.is_due(keys, record, &base, content, now) {
            return None;
        }
        let write = self.write(keys, content, &base, false, now).ok()?;
        let swap = at_once(self.store.update(&base.key, &base.revision, &write.record, now))?;
        matches!(swap, Ok(Swap::Done)).then_some(Outcome::Keep)
    }

    /// Waits for this save's turn among this process's saves of the same session. A save does everything in one turn,
    /// so no two saves wait for each other.
    async fn turn(&self, draft: &Draft, place: &mut Option<Place>) {
        let replaced = draft.replaced.as_ref().filter(|_| draft.closed.signed_in);
        let Some(id) = draft.record.as_ref().map(|record| &record.id).or(replaced) else { return };
        let place = place.get_or_insert_with(|| self.turns.join(id.public_id()));
        place.wait(self.pause.as_ref().map(|pause| || pause(MAX_WAIT))).await;
    }

    /// Ends the owner's other sessions, and gives this one a new id, so that copies with the old id end together with
    /// the others.
    ///
    /// The order matters: the browser's id is still valid after the first step, so the visitor stays signed in if the
    /// second step fails. If another request, perhaps a thief's, renewed the session in between, all sessions with its
    /// public session id end.
    async fn save_alone(
        &self,
        draft: &Draft,
        owner: &str,
        place: &mut Option<Place>,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let saved = self.end_and_renew(draft, owner, place, now).await;
        // The others that save this session need not wait for what follows.
        *place = None;
        // A sign-in that is repeated takes over the existing session.
        if let (Err(error), Some(record), false) = (&saved, &draft.record, draft.closed.signed_in)
            && self.is_lost(error, record, now).await
        {
            self.end_under_every_id(owner, record, now).await?;
        }
        saved
    }

    async fn end_and_renew(
        &self,
        draft: &Draft,
        owner: &str,
        place: &mut Option<Place>,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let keep = match (&draft.record, &draft.replaced) {
            (Some(record), _) => match self.store.revalidate(&record.id.key(), now).await? {
                // Another request has ended this session, so it may end no others.
                None => return Err(self.missing()),
                Some(Found::Renewed) => self.key_owned(draft, owner, &record.id, now).await?,
                Some(Found::Living(_)) => Some(record.id.key()),
            },
            (None, Some(old)) => self.key_owned(draft, owner, old, now).await?,
            (None, None) => None,
        };
        self.end_all(owner, keep.as_ref(), now).await?;
        self.save_any(draft, place, now).await
    }

    /// The key under which the session of a sign-in with an old id continues.
    async fn key_owned(
        &self,
        draft: &Draft,
        owner: &str,
        old: &SessionId,
        now: Timestamp,
    ) -> Result<Option<RecordKey>, StoreError> {
        if !draft.closed.signed_in {
            return Ok(None);
        }
        Ok(self.store.owned(owner, old.public_id(), now).await?.map(|(key, _)| key))
    }

    /// Checks whether a save failed because the session no longer has the browser's id.
    async fn is_lost(&self, error: &Error, record: &RecordRef, now: Timestamp) -> bool {
        use waxseal_session::Error::{Gone, Renewed};
        match error {
            Error::Session(Gone | Renewed) => true,
            // It is unknown who renewed the session. If it was renewed, the browser's id is no longer valid.
            Error::Unavailable(_) => {
                let found = self.store.revalidate(&record.id.key(), now).await;
                found.is_ok_and(|found| !matches!(found, Some(Found::Living(_))))
            }
            _ => false,
        }
    }

    async fn end_under_every_id(&self, owner: &str, record: &RecordRef, now: Timestamp) -> Result<(), Error> {
        let mut failures = 0;
        loop {
            match self.end_one(owner, record.id.public_id(), now).await {
                Ok(_) => return Ok(()),
                Err(error) => {
                    failures += 1;
                    if failures > INQUIRIES {
                        return Err(error);
                    }
                    self.pause(failures).await;
                }
            }
        }
    }

    async fn save_any(
        &self,
        draft: &Draft,
        place: &mut Option<Place>,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let closed = &draft.closed;
        // Each boxed for itself: otherwise every save would have space for the largest, and be copied with it.
        match &draft.record {
            None if closed.content.is_blank() && !closed.begins => Ok(Outcome::Keep),
            None => match draft.replaced.as_ref().filter(|_| closed.signed_in) {
                Some(old) => Box::pin(self.sign_in_again(draft, old, true, now)).await,
                None => Box::pin(self.create(&draft.keys, &closed.content, now)).await,
            },
            Some(record) => Box::pin(self.replace(draft, record, place, now)).await,
        }
    }

    pub(super) async fn create(
        &self,
        keys: &ActiveKeys,
        content: &Content,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let life = self.life(None, self.lifetimes.of_session(content), now);
        let mut lost = None;
        for attempt in 0..INQUIRIES {
            let id = KeyedId::new(SessionId::generate()?);
            let key = id.key();
            let record = self.record(keys, &key, None, content, life, now)?;
            let revision = record.revision;
            let made = match self.store.create(&key, &record, now).await {
                Ok(Creation::Created) => true,
                Ok(Creation::Taken) => false,
                // This is never sent again. No other request can know this id, so a record that was created expires
                // unused.
                Err(error) if error.fault() == Fault::Outage => {
                    let there = self.has_revision(&key, &revision, now).await;
                    lost = Some(error);
                    if there {
                        self.store.confirm(&key, now).await?;
                    }
                    there
                }
                Err(error) => return Err(error.into()),
            };
            if made {
                let base = Base::new(id, revision, self.just_written(life, now));
                return self.written(keys, &base, content);
            }
            self.pause(attempt).await;
        }
        Err(lost.map_or(Error::Contended, Error::from))
    }

    /// Replaces the record, after replaying the changes over what other requests wrote meanwhile.
    async fn replace(
        &self,
        draft: &Draft,
        record: &RecordRef,
        place: &mut Option<Place>,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let Draft { closed, keys, .. } = draft;
        let attempts =
            if closed.signed_in || closed.ends_others.is_some() { SURE_ATTEMPTS } else { ATTEMPTS };
        for attempt in 0..=attempts {
            if attempt > 0 {
                self.counts.conflicts.increment(1);
                // Another process has written. No request of this process can come between this load and this write.
                let comes_at_once = attempt == 1 && place.as_ref().is_some_and(Place::has_turn);
                if !comes_at_once {
                    self.pause(attempt).await;
                }
            }
            let (base, content) = match self.version(draft, record, place, attempt, now).await? {
                ControlFlow::Continue(version) => version,
                ControlFlow::Break(outcome) => return Ok(outcome),
            };
            // The session was signed out, and the store could not be told yet. It would not find the session under a
            // new id.
            if self.unfinished.has(|| base.key) {
                return Err(self.missing());
            }
            let write = self.write(keys, &content, &base, closed.renewed, now)?;
            match self.send(&write, now).await? {
                Swap::Done => {
                    let base = self.done(write, base, now);
                    if let Some(place) = place.take() {
                        let Base { key, revision, confirmed, .. } = base;
                        place.leave(Newest { key, revision, confirmed, content: content.clone() });
                    }
                    return self.replaced(draft, record, &base, &content, now);
                }
                // The next attempt finds out what happened to the record.
                Swap::Conflict | Swap::Gone => {}
            }
        }
        Err(Error::Contended)
    }

    /// The version to replace and the content to replace it with: in the first attempt what this process knows, else what the
    /// store has now, with the changes replayed over it. Or the outcome, if the session has another id and a sign-in begins
    /// a session or takes it over.
    async fn version(
        &self,
        draft: &Draft,
        record: &RecordRef,
        place: &mut Option<Place>,
        attempt: u32,
        now: Timestamp,
    ) -> Result<ControlFlow<Outcome, (Base, Arc<Content>)>, Error> {
        if attempt == 0
            && let Some(known) = known(draft, record, place)?
        {
            return Ok(ControlFlow::Continue(known));
        }
        let Draft { closed, keys, .. } = draft;
        match self.find(keys, &record.id, &record.revision, now).await? {
            Find::Living(Living { revision, confirmed, content }) => {
                let content = Arc::new(draft.replay_over(content)?);
                Ok(ControlFlow::Continue((Base::new(record.id.clone(), revision, confirmed), content)))
            }
            Find::Renewed if closed.signed_in => {
                // Only a sign-in that sets a new owner, or that ends the owner's other sessions, may begin a session. If
                // the session already belonged to the owner when it was loaded, it may have been ended since, and must
                // not outlive that end.
                let begins = closed.ends_others.is_some() || closed.owner_before != closed.content.owner();
                Ok(ControlFlow::Break(Box::pin(self.sign_in_again(draft, &record.id, begins, now)).await?))
            }
            Find::Renewed => Err(Error::RENEWED),
            Find::Absent | Find::SignedOut | Find::Closed(_) => Err(self.missing()),
        }
    }

    /// The outcome after a save. Keeps the browser's token if it is as good as a new one.
    fn replaced(
        &self,
        draft: &Draft,
        record: &RecordRef,
        base: &Base,
        content: &Content,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let shows_content = self.near.is_some();
        let is_due = !record.id.is(&base.id) || self.is_due(&draft.keys, record, base, content, now);
        if shows_content || draft.closed.log.changes_class() || is_due {
            return self.written(&draft.keys, base, content);
        }
        self.note(&base.key, &base.revision, base.confirmed.at);
        Ok(Outcome::Keep)
    }

    /// Checks whether the browser's token has to be replaced after a save. The record was then sealed just now.
    fn is_due(
        &self,
        keys: &ActiveKeys,
        record: &RecordRef,
        base: &Base,
        content: &Content,
        now: Timestamp,
    ) -> bool {
        let saved = Confirmed { seal: None, ..base.confirmed };
        let facts = record.facts(&saved, keys.kid(), now);
        TokenFacts { refresh_after: self.refresh_after(content), ..facts }.is_due()
    }

    /// Seals a new token of a session that was not changed, and its record with the new key. This needs an answer of
    /// the store in this request; otherwise the copy of an ended session could be kept alive forever. The answer must
    /// also be recent: the token of an id that was replaced since would displace the new one. If a token `is_owed`, it
    /// is sent unless the session is known to be over, because the browser has no token yet.
    pub(crate) async fn refresh(
        &self,
        keys: &ActiveKeys,
        record: &RecordRef,
        content: &Content,
        is_owed: bool,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let Some(confirmed) = record.confirmed.filter(|_| !self.awaits_end(record)) else {
            return Ok(Outcome::Keep);
        };
        if record.is_reseal_due(now) || confirmed.seal.is_some_and(|seal| seal.is_due(keys.kid(), now)) {
            self.rewrap(keys, record, content, &confirmed, now).await;
        }
        let as_before = Confirmed { seal: None, ..confirmed };
        if !record.facts(&as_before, keys.kid(), now).is_due() {
            return Ok(Outcome::Keep);
        }
        let limits = self.lifetimes.of_session(content);
        let confirmed = match self.revalidate(record, content.owner().as_deref(), limits, now).await {
            Ok(confirmed) => confirmed,
            Err(Error::Contended | Error::Unavailable(_) | Error::Store(_)) if is_owed => confirmed,
            Err(error) => {
                tracing::debug!(%error, "a session's token was not sealed anew");
                return Ok(Outcome::Keep);
            }
        };
        // This process was told of the end while it asked the store.
        if self.awaits_end(record) {
            return Ok(Outcome::Keep);
        }
        self.written(keys, &Base::new(record.id.clone(), record.revision, confirmed), content)
    }

    /// The age from which activity is noted in the token of a session with this content, in seconds, if it is: that
    /// depends on the grace of its copy, and on how long the browser keeps it.
    pub(super) fn refresh_after(&self, content: &Content) -> Option<u64> {
        let browsers = content.permanent.then(|| refresh_after(self.lifetimes.of_session(content).idle));
        let copys = self.near.as_ref().map(|near| (near.freshness().grace.as_secs() / 2).max(1));
        browsers.into_iter().chain(copys).min()
    }

    /// Seals the record anew with the first key, if it still has the same revision. Otherwise the request that changed
    /// it has done so.
    async fn rewrap(
        &self,
        keys: &ActiveKeys,
        record: &RecordRef,
        content: &Content,
        confirmed: &Confirmed,
        now: Timestamp,
    ) {
        let key = record.id.key();
        let bound = key.bound(&record.revision);
        let sealed = FreshNonce::draw().map_err(Error::from);
        let sealed = sealed.and_then(|nonce| self.seal(nonce, keys, &bound, content, &confirmed.life, now));
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) => return tracing::warn!(%error, "a session's record was not sealed anew"),
        };
        if let Err(error) = self.store.rewrap(&key, &record.revision, keys.kid(), &sealed, now).await {
            tracing::debug!(%error, "a session's record was not sealed anew");
        }
    }
}

/// The version that a save replaces and the content to replace it with, if this process knows that version. It is the one
/// that the request has loaded, or a newer one that an earlier save has left.
fn known(
    draft: &Draft,
    record: &RecordRef,
    place: &mut Option<Place>,
) -> Result<Option<(Base, Arc<Content>)>, Error> {
    let newer = place.as_mut().and_then(|place| place.take_newer(&record.id.key(), &record.revision));
    let Some(Newest { revision, confirmed, content, .. }) = newer else {
        let base = |known| Base::new(record.id.clone(), record.revision, known);
        return Ok(record.confirmed.map(|known| (base(known), draft.closed.content.clone())));
    };
    let content = draft.replay_over(Arc::unwrap_or_clone(content))?;
    Ok(Some((Base::new(record.id.clone(), revision, confirmed), Arc::new(content))))
}
