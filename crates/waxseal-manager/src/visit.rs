//! A visitor's session within one request, with its origin and keys.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use waxseal_session::Session;
use waxseal_session::backend::{Closed, Content, FormTokenKeys, ReadOnly, SEED_BYTES, Seed, Terms};
use waxseal_store::{Lifespan, PublicId, Timestamp};

use crate::active_keys::ActiveKeys;
use crate::adoption::foreign::ForeignRef;
use crate::adoption::refusal::ForeignRefusal;
use crate::device_tokens::DeviceTokens;
use crate::origin::{CookieToken, Origin, RecordRef};
use crate::records::keyed_id::KeyedId;
use crate::records::turns::Place;
use crate::revocations::question::Question;

/// One opened session with its origin and the keys that it was opened with, from open to commit.
///
/// [`SessionManager`](crate::SessionManager) opens a token into a visit, and takes the visit in
/// [`commit`](crate::SessionManager::commit). A visit dereferences to the [`Session`], whose clones may be passed on.
///
/// # Example
///
/// ```
/// # use waxseal_crypto::{Keyring, SecretKey};
/// # let keyring = Keyring::new(SecretKey::generate()?);
/// # let sessions = waxseal_manager::SessionManager::cookie(&keyring, "session", "demo")?;
/// let visit = sessions.create();
/// visit.insert("name", "Gandalf")?;
/// assert!(visit.session().is_modified());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Visit {
    session: Session,
    /// The keys that opened the session and will seal it: one keyring for each request.
    pub(crate) keys: Arc<ActiveKeys>,
    /// Boxed, because a visit is moved a dozen times on its way to the handler.
    home: Box<Mutex<Home>>,
}

/// The facts needed to commit a session to the place that it came from.
#[derive(Default)]
pub(crate) struct Home {
    /// The session's origin. `None` if no token was good, so that the session is new.
    pub(crate) origin: Option<Origin>,
    /// When it was opened; `None` if it was not by a good token that can be kept.
    pub(crate) opened: Option<Timestamp>,
    /// Origins of other sessions with good tokens. A sign-out ends them too.
    pub(crate) rivals: Vec<Origin>,
    /// The id that the visitor came with, if a sign-in has replaced it. That may be the visitor's own sign-in, whose
    /// answer was lost.
    pub(crate) replaced: Option<KeyedId>,
    /// The request's place among those that are about to change the session, if it is known to be one of them.
    pub(crate) place: Option<Place>,
    /// The browser is to forget all tokens but this session's.
    pub(crate) forgets_others: bool,
    /// The token that came is still good although its session continues under another id.
    pub(crate) left_behind: bool,
    /// The token came without a proof of its device, and its session is among `rivals`: a sign-in ends it.
    pub(crate) unproven: bool,
    /// The token is to be sealed anew, whatever its age.
    pub(crate) is_outdated: bool,
    /// The last commit saved what was changed.
    pub(crate) saved: bool,
    /// Foreign sessions whose cookies came along. A sign-in and a sign-out end them.
    pub(crate) foreign: Vec<ForeignRef>,
    /// The session was taken over in this request, so the browser is to have a token whatever becomes of the request.
    pub(crate) adopted: bool,
    /// The question about the session that came, if a list of ended sessions says that it is over.
    pub(crate) over: Option<Box<Question>>,
    /// The foreign session that came is good nowhere any more, so the browser need not keep its cookie.
    pub(crate) foreign_is_over: bool,
}

impl Visit {
    /// Makes the visit of an anonymous visitor.
    pub(crate) fn new(keys: Arc<ActiveKeys>, strict: bool) -> Self {
        let session = Session::begin(terms(&keys, strict));
        Self { session, keys, home: Box::default() }
    }

    /// Makes the visit of a good token.
    pub(crate) fn restored(content: Content, origin: Origin, keys: Arc<ActiveKeys>, strict: bool) -> Self {
        let session = Session::restore(content, terms(&keys, strict));
        let home = Home { origin: Some(origin), ..Home::default() };
        Self { session, keys, home: Box::new(Mutex::new(home)) }
    }

    /// Notes when the session was opened.
    pub(crate) fn opened_at(mut self, now: Timestamp) -> Self {
        self.home_mut().opened = Some(now);
        self
    }

    pub(crate) fn read_only(self, why: ReadOnly) -> Self {
        Self { session: self.session.read_only(why, None), ..self }
    }

    /// Makes the visit of an id that a sign-in has replaced.
    pub(crate) fn by_replaced_id(self, id: KeyedId) -> Self {
        let session = self.session.read_only(ReadOnly::Renewed, Some(seed_of(id.as_bytes())));
        let home = Home { replaced: Some(id), ..Home::default() };
        Self { session, home: Box::new(Mutex::new(home)), ..self }
    }

    /// Keeps the request's place until the session is saved. An anonymous visitor needs none.
    pub(crate) fn placed(mut self, place: Option<Place>) -> Self {
        let home = self.home_mut();
        home.place = place.filter(|_| home.origin.is_some());
        self
    }

    /// Makes it the visit of a request that does not prove the device of these sessions. It may end them.
    pub(crate) fn unproven(self, sessions: Vec<Origin>, seed: Option<Seed>) -> Self {
        self.session.note_rivals();
        let session = match seed {
            Some(seed) => self.session.with_fallback_seed(seed),
            None => self.session,
        };
        let home = Home { rivals: sessions, unproven: true, ..Home::default() };
        Self { session, home: Box::new(Mutex::new(home)), ..self }
    }

    /// Makes it the visit of a session that was taken over just now, whose token the browser does not have. That counts
    /// as access: the answer depends on the foreign cookie.
    pub(crate) fn adopted(self) -> Self {
        {
            let mut home = self.home();
            match &mut home.origin {
                Some(Origin::Record(record)) => record.is_outdated = true,
                Some(_) => home.is_outdated = true,
                None => {}
            }
            home.adopted = home.origin.is_some();
            home.foreign_is_over = home.adopted;
        }
        self.session.note_access();
        self
    }

    /// Makes it the visit of a request whose foreign session was refused. That counts as access, too.
    pub(crate) fn refused_foreign(self, why: ForeignRefusal) -> Self {
        self.home().foreign_is_over = why.is_final();
        self.session.note_access();
        self
    }

    /// Makes it the visit of a session that is over by a list of ended sessions.
    pub(crate) fn after(self, over: Question) -> Self {
        self.home().over = Some(Box::new(over));
        self
    }

    /// Makes it the visit of a session that was given another id a moment ago, by a list of ended sessions.
    pub(crate) fn after_a_renewal(self, over: Question) -> Self {
        let session = self.session.read_only(ReadOnly::Renewed, Some(seed_of(over.id())));
        Self { session, ..self }.after(over)
    }

    /// Has its token sealed anew.
    pub(crate) fn outdated(self) -> Self {
        self.home().is_outdated = true;
        self
    }

    /// Notes the sessions of other good tokens, which the browser keeps.
    pub(crate) fn beside(self, rivals: Vec<Origin>) -> Self {
        if !rivals.is_empty() {
            self.session.note_rivals();
        }
        self.home().rivals = rivals;
        self
    }

    /// Notes the sessions of other good tokens, which the browser is to forget.
    pub(crate) fn among(self, rivals: Vec<Origin>) -> Self {
        let visit = self.beside(rivals);
        {
            let mut home = visit.home();
            home.forgets_others = true;
            if let Some(Origin::Record(record)) = &mut home.origin {
                // The token may lie at this path in the browser or at one that is forgotten now, so it is sent again.
                record.is_outdated = true;
            }
        }
        visit
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The public session id, as in the owner's list. `None` if the session is new, or in state `cookie`.
    #[must_use]
    pub fn public_id(&self) -> Option<PublicId> {
        self.home().record(self.session.began_here()).map(|record| record.id.public_id())
    }

    /// The record's lifespan, if the store was asked in this request.
    #[must_use]
    pub fn lifespan(&self) -> Option<Lifespan> {
        self.home().record(self.session.began_here())?.confirmed.map(|confirmed| confirmed.life)
    }

    /// The tokens of device-bound sessions with the keys of this visit, if the manager has them.
    #[must_use]
    pub fn device_tokens(&self) -> Option<&DeviceTokens> {
        self.keys.device()
    }

    /// Returns `true` if a good token came without a proof of its device, so that its session is not shown.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.home().unproven
    }

    /// Returns `true` if the session was [taken over](crate::Snapshot::adopt) in this request.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.home().adopted
    }

    /// Returns `true` if the foreign session that the request was to take over is over: it was
    /// [taken over](crate::Snapshot::adopt), or refused as one that was taken over before, has expired, or was ended by its
    /// owner. The browser need not keep its cookie then.
    #[must_use]
    pub fn is_foreign_over(&self) -> bool {
        self.home().foreign_is_over
    }

    /// Returns `true` if the last commit has saved what was changed. What only shows a page may be dropped when the store
    /// is away.
    #[must_use]
    pub fn was_saved(&self) -> bool {
        self.home().saved
    }

    /// Returns `true` if the browser should forget every token but this session's after the commit.
    ///
    /// This is so if other good tokens came with it. In state `cookie` it is also so if the old token is still good
    /// after a sign-out, or after a sign-in under a name that `can_be_planted`. Under any other name the later sign-in
    /// counts.
    #[must_use]
    pub fn forgets_others(&self, can_be_planted: bool) -> bool {
        let home = self.home();
        home.forgets_others || home.left_behind && can_be_planted
    }

    pub(crate) fn home(&self) -> MutexGuard<'_, Home> {
        // Nothing can panic while the lock is held.
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, of a visit that nobody else has.
    fn home_mut(&mut self) -> &mut Home {
        self.home.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of the session that came, unless that session was dropped.
    pub(crate) fn record(&self) -> Option<RecordRef> {
        self.home().record(self.session.began_here()).cloned()
    }

    /// The token of the session that came, unless that session was dropped.
    pub(crate) fn cookie_token(&self) -> Option<CookieToken> {
        self.home().cookie_token(self.session.began_here()).cloned()
    }

    /// Takes the foreign sessions that came along, which a sign-in replaces.
    pub(crate) fn take_foreign(&self) -> Vec<ForeignRef> {
        std::mem::take(&mut self.home().foreign)
    }
}

impl Home {
    /// Takes the sessions that are to end with `closed`.
    pub(crate) fn take_ending(&mut self, closed: &Closed) -> Vec<Origin> {
        // Who signs in without a proof is the owner come back, or a thief who signs out the owner, as he may.
        if !(closed.ended || closed.signed_in && self.unproven) {
            return Vec::new();
        }
        self.replaced = None;
        let mut ending: Vec<_> = self.origin.take().into_iter().collect();
        ending.append(&mut self.rivals);
        if closed.ended {
            ending.extend(std::mem::take(&mut self.foreign).into_iter().map(Origin::Foreign));
        }
        ending
    }

    /// The record of the session that came, unless that session was dropped and a new one began.
    pub(crate) fn record(&self, is_new: bool) -> Option<&RecordRef> {
        match &self.origin {
            Some(Origin::Record(record)) if !is_new => Some(record),
            _ => None,
        }
    }

    /// The token of the session that came, unless that session was dropped and a new one began.
    pub(crate) fn cookie_token(&self, is_new: bool) -> Option<&CookieToken> {
        match &self.origin {
            Some(Origin::Cookie(token)) if !is_new => Some(token),
            _ => None,
        }
    }
}

fn terms(keys: &Arc<ActiveKeys>, strict: bool) -> Terms {
    let form_token_keys: Arc<dyn FormTokenKeys> = keys.clone();
    Terms { limit: keys.capacity(), strict, form_token_keys: Some(form_token_keys) }
}

/// The seed of form tokens for a visitor whose id was replaced. No seed can be kept, so it is derived from the id, and
/// not by SHA-256 of the id alone, which the store knows.
fn seed_of(id: &[u8]) -> Seed {
    let digest: [u8; 32] = Sha256::new().chain_update("form of an old id").chain_update(id).finalize().into();
    *digest.first_chunk::<SEED_BYTES>().expect("a hash is longer than a seed")
}

impl Deref for Visit {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visit").field("session", &self.session).finish_non_exhaustive()
    }
}
