//! Opens, makes and commits sessions.

mod carried;
mod maintenance;
mod opened;
mod outcome;
mod owners;
mod rivals;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use waxseal_crypto::{Context, Keyring, Limits};

pub use self::opened::{Opened, Pending, Snapshot};
pub use self::outcome::Outcome;
use crate::active_keys::{ActiveKeys, Contexts, ID_ALONE, KeptContexts, Refusals};
use crate::change::Change;
use crate::error::Rejected;
use crate::origin::{CookieToken, Origin};
use crate::revocations::Revocations;
use crate::server::{Access, Capacities, Draft, Server, WhenAway};
use crate::session::{Phase, ReadOnly, Session, State};
use crate::{Error, Lifetimes, SessionStore};

/// A key that was just promoted elsewhere must not make two servers re-seal each other's copies.
pub(crate) const RESEAL_AFTER_SECONDS: u64 = 60;
/// Activity is noted when a twentieth of the idle time has passed since the last seal, and a minute or half of it at
/// least.
const REFRESH_SHARE: u64 = 20;
const REFRESH_AFTER_SECONDS: u64 = 60;

/// Opens tokens into sessions and seals sessions into tokens: a token is text that a browser carries.
///
/// Made once and shared, in one of three states:
///
/// | state | in the token | in the store |
/// |---|---|---|
/// | [`cookie`](Self::cookie) | the whole session | nothing |
/// | [`store`](Self::store) | an id | the session |
/// | [`mirrored`](Self::mirrored) | the whole session, and which revision of it | the session: the truth |
///
/// A token cannot be read or changed by whoever holds it. What state `cookie` cannot do is to refuse an older copy of
/// a token before that copy's time is over, or to keep what two requests write at once; the others do both, by the rules
/// of `docs/states.md`.
///
/// Its keys can be [changed](Self::set_keyring) while it works. It counts, through the `metrics` facade, the tokens
/// that each key opened and those that were refused: `waxseal_cookies_opened_total{kid}`, by which an operator sees
/// when an old key may go, and `waxseal_cookies_refused_total{reason}`.
///
/// # Example
///
/// ```
/// # use std::time::SystemTime;
/// use waxseal_crypto::{Keyring, SecretKey};
/// use waxseal_store::{Access, Outcome, SessionManager};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let keyring = Keyring::new(SecretKey::generate()?);
/// let sessions = SessionManager::cookie(&keyring, "__Host-session", "wizard")?;
///
/// let session = sessions.create();
/// session.insert("name", "Gandalf")?;
/// let Outcome::Set { token, .. } = sessions.commit(&session, SystemTime::now()).await? else { panic!() };
///
/// let session = sessions.open(token.as_bytes(), Access::Read, SystemTime::now())?.load(SystemTime::now()).await?;
/// assert_eq!(session.get::<String>("name")?.as_deref(), Some("Gandalf"));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SessionManager {
    name: String,
    audience: String,
    contexts: Contexts,
    ring: RwLock<Arc<ActiveKeys>>,
    refusals: Refusals,
    lifetimes: Lifetimes,
    capacities: Capacities,
    /// In states `store` and `mirrored`.
    server: Option<Server>,
    /// In state `cookie`, if what was handed out can be taken back.
    revocations: Option<Revocations>,
}

impl SessionManager {
    /// State `cookie`, for the cookie called `cookie` (its complete name) of the app called `audience`: a
    /// token made for one pair is a stranger to every other.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] if either is longer than 255 bytes.
    pub fn cookie(keyring: &Keyring, cookie: &str, audience: &str) -> Result<Self, Error> {
        Self::new(keyring, "session", cookie, audience, None)
    }

    /// State `cookie`: lets sessions be taken back, by a list in `store` of those that were ended before their time, and by an
    /// epoch for each owner: a random number that each session carries from its sign-in on, and that changes when all are
    /// ended. `destroy()`, `renew()`, [`end_all`](Self::end_all) and [`end_others`](Self::end_others) then hold for copies
    /// too, within 5 seconds for requests that read, and at once for those that act; and what is saved or renewed meanwhile is
    /// an [`Error::Gone`] or [`Error::Renewed`]. What it costs is one or two small reads for each visitor, process and 5
    /// seconds, and for every request that acts.
    ///
    /// A session's epoch takes 32 bytes of those kept for metadata. A list of an owner's sessions, and an end by handle, need
    /// another state.
    #[must_use]
    pub fn revocable(mut self, store: impl SessionStore) -> Self {
        if self.server.is_none() {
            let list = Revocations::new(Arc::new(store), &self.audience, self.lifetimes, self.capacities);
            self.revocations = Some(list);
        }
        self
    }

    /// State `store`: the token is a signed id, and every request asks `store`.
    ///
    /// # Errors
    ///
    /// As for [`cookie`](Self::cookie).
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// use waxseal_store::{Access, MemoryStore, Outcome, SessionManager};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let keyring = Keyring::new(SecretKey::generate()?);
    /// # let now = SystemTime::now();
    /// let sessions = SessionManager::store(&keyring, "__Host-session", "wizard", MemoryStore::new())?;
    /// let session = sessions.create();
    /// session.sign_in("user-7", now)?;
    /// let Outcome::Set { token, .. } = sessions.commit(&session, now).await? else { panic!() };
    ///
    /// sessions.end_all("user-7", now).await?;
    /// let session = sessions.open(token.as_bytes(), Access::Read, now)?.load(now).await?;
    /// assert!(session.is_new(), "the visitor is a stranger");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn store(
        keyring: &Keyring,
        cookie: &str,
        audience: &str,
        store: impl SessionStore,
    ) -> Result<Self, Error> {
        let server = Server::new(Arc::new(store), false);
        Self::new(keyring, ID_ALONE, cookie, audience, Some(server))
    }

    /// State `mirrored`: the token is the whole session, and `store` has the truth. What only reads is served from the
    /// token while that was confirmed within the [window](Self::window); what acts asks first.
    ///
    /// # Errors
    ///
    /// As for [`cookie`](Self::cookie).
    pub fn mirrored(
        keyring: &Keyring,
        cookie: &str,
        audience: &str,
        store: impl SessionStore,
    ) -> Result<Self, Error> {
        let server = Server::new(Arc::new(store), true);
        Self::new(keyring, "session/mirrored", cookie, audience, Some(server))
    }

    fn new(
        keyring: &Keyring,
        purpose: &'static str,
        cookie: &str,
        audience: &str,
        server: Option<Server>,
    ) -> Result<Self, Error> {
        let kept = match &server {
            None => None,
            Some(_) => Some(KeptContexts {
                record: Context::new("record")?.with_audience(audience)?,
                pointer: Context::new("pointer")?.with_audience(audience)?,
            }),
        };
        let token = Context::new(purpose)?.with_name(cookie)?.with_audience(audience)?;
        let csrf = Context::new("csrf")?.with_audience(audience)?;
        let contexts = Contexts { purpose, token, csrf, kept };
        let ring = RwLock::new(Arc::new(ActiveKeys::new(keyring, &contexts)));
        let (name, refusals) = (cookie.to_owned(), Refusals::new());
        Ok(Self {
            name,
            audience: audience.to_owned(),
            contexts,
            ring,
            refusals,
            lifetimes: Lifetimes::default(),
            capacities: Capacities::default(),
            server,
            revocations: None,
        })
    }

    /// Changes the keys, at once and for every session opened or created from now on. Those at work are committed
    /// with the keys they were opened with.
    ///
    /// The handles of the counters are asked for here, so whoever records metrics sets that up before.
    pub fn set_keyring(&self, keyring: &Keyring) {
        let ring = Arc::new(ActiveKeys::new(keyring, &self.contexts));
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    /// The keys as they are now, for all the tokens that one request brings.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(self, self.ring())
    }

    /// The complete name of the cookie that tokens are made for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets how long sessions live.
    #[must_use]
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        if let Some(server) = &mut self.server {
            server.lifetimes = lifetimes;
        }
        if let Some(list) = &mut self.revocations {
            list.lifetimes = lifetimes;
        }
        self
    }

    /// State `mirrored`: for how long after a confirm a copy is shown without asking; 5 seconds unless told otherwise.
    /// Zero asks every time.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        if let Some(server) = &mut self.server {
            server.set_freshness(|freshness| freshness.window = window);
        }
        self
    }

    /// State `mirrored`: for how long after its last confirm a copy can be read while the store is away; 5 minutes
    /// unless told otherwise, a quarter of an hour at most, and never longer than the idle time. Zero fails at once.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        const MOST: Duration = Duration::from_secs(15 * 60);
        if let Some(server) = &mut self.server {
            server.set_freshness(|freshness| freshness.grace = grace.min(MOST));
        }
        self
    }

    /// Sets how many sessions this process remembers the store's last answer about: in state `mirrored`, and where sessions
    /// are [`revocable`](Self::revocable). 65,536 unless set, one at least. A session that is forgotten costs one more
    /// question, and none is shown for longer.
    #[must_use]
    pub fn near_cache(self, entries: usize) -> Self {
        let capacities = Capacities { near_cache: entries, ..self.capacities };
        self.set_capacities(capacities)
    }

    /// Sets how many ended sessions wait for a store that is away; 1,000,000 unless set, about 60 MB. None of them is
    /// forgotten, so a sign-out beyond that is an [`Error::Unavailable`].
    #[must_use]
    pub fn retry_queue(self, ends: usize) -> Self {
        let capacities = Capacities { retry_queue: ends, ..self.capacities };
        self.set_capacities(capacities)
    }

    /// On the server: an `insert` that would replace what another request wrote meanwhile is an
    /// [`Error::Conflict`], instead of the last word.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        if let Some(server) = &mut self.server {
            server.strict = strict;
        }
        self
    }

    /// On the server: gives each session a new id so often, beside every sign-in. Off unless set. The old id leads to the
    /// new one for 20 seconds, and a sign-out's for an hour: so long each renewal takes up a row of the store.
    #[must_use]
    pub fn renew_every(mut self, every: Option<Duration>) -> Self {
        if let Some(server) = &mut self.server {
            server.renew_every = every;
        }
        self
    }

    /// State `store`: what a visitor sees while the store is away.
    #[must_use]
    pub fn when_away(mut self, policy: WhenAway) -> Self {
        if let Some(server) = &mut self.server {
            server.when_away = policy;
        }
        self
    }

    /// Waits between tries with `pause`, the timer of whatever runtime there is. Without it tries follow each other at
    /// once.
    #[must_use]
    pub fn with_pause<F>(mut self, pause: impl Fn(Duration) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(server) = &mut self.server {
            server.pause = Some(Arc::new(move |span| Box::pin(pause(span))));
        }
        self
    }

    /// Whether sessions are kept in a store, so that they can be listed: in states `store` and `mirrored`.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.server.is_some()
    }

    /// Whether a store has to be looked after: in states `store` and `mirrored`, and for
    /// [`revocable`](Self::revocable) sessions.
    #[must_use]
    pub fn needs_upkeep(&self) -> bool {
        self.server.is_some() || self.revocations.is_some()
    }

    /// A session for a visitor without one. Nothing is drawn, kept or sent unless something is put into it.
    #[must_use]
    pub fn create(&self) -> Session {
        self.snapshot().create()
    }

    /// Opens a token, any bytes at all, as it is at the time `now`. Asks nobody; what comes out may have to.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if it is nobody's session: the visitor is a stranger then, and gets [`create`](Self::create).
    pub fn open(&self, token: &[u8], access: Access, now: SystemTime) -> Result<Opened<'_>, Rejected> {
        self.snapshot().open(token, access, now)
    }

    /// Saves the session and closes it: it can still be read, and no longer written. If it cannot be saved, it is as
    /// before the request, and what is written then can be committed once more.
    ///
    /// `now` is read just before. A token is sealed if the session was changed, and, for one that was at least accessed,
    /// if activity is to be noted (a twentieth of its idle time has passed since it was sealed, and a minute at least),
    /// its key is no longer the ring's first, or the browser's copy is not what the store has.
    ///
    /// Do not drop the future half-way: what was asked of the store may happen all the same.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] or [`Error::Random`] if the system has no randomness. On the server, and in state `cookie` with a
    /// list, also [`Error::Unavailable`] if it cannot be told that the session was saved; [`Error::Gone`], [`Error::Renewed`],
    /// [`Error::Conflict`] and [`Error::Contended`], by which nothing was saved; and [`Error::Value`] or
    /// [`Error::TooLarge`] if a change cannot be made to what another request wrote meanwhile.
    pub async fn commit(&self, session: &Session, now: SystemTime) -> Result<Outcome, Error> {
        let (phase, ending, removes) = {
            let mut state = session.lock();
            let phase = state.close();
            if self.server.is_none() && self.revocations.is_none() {
                state.others |= !state.ending.is_empty();
                state.left_behind = state.renewed && state.origin.is_some();
            }
            (phase, std::mem::take(&mut state.ending), state.removes)
        };
        // Boxed, so that a request whose session is in its cookie carries no room for waiting on a store.
        if !ending.is_empty() {
            let ended = Box::pin(self.end_at_commit(&ending, session, now)).await;
            if let Err(error) = ended {
                // It lives on, under the token that the browser keeps: nothing may begin in its place.
                session.lock().phase = Phase::ReadOnly(ReadOnly::Outage);
                return Err(error);
            }
        }
        let saved = match (phase, &self.server, &self.revocations) {
            (Phase::RolledBack | Phase::Sent | Phase::ReadOnly(_), ..) => Ok(Outcome::Keep),
            (Phase::Open, Some(server), _) => Box::pin(save_to(server, session, now)).await,
            (Phase::Open, None, Some(list)) => Box::pin(self.save_revocable(list, session, now)).await,
            (Phase::Open, None, None) => self.save_carried(session, now),
        };
        let outcome = if removes { after_an_end(session, saved) } else { saved };
        if outcome.is_err() {
            session.lock().undo();
        }
        outcome
    }

    /// Ends what was destroyed, whatever becomes of the rest. If one cannot be ended, the browser keeps its token: who is
    /// told of an error can try again.
    async fn end_at_commit(
        &self,
        ending: &[Origin],
        session: &Session,
        now: SystemTime,
    ) -> Result<(), Error> {
        let mut failed = None;
        for origin in ending {
            let ended = match (origin, &self.server, &self.revocations) {
                (Origin::Record(held), Some(server), _) => server.end(held, now.into()).await,
                (Origin::Cookie(CookieToken { question: Some(question), .. }), None, Some(list)) => {
                    list.end(question, now.into()).await
                }
                _ => Ok(()),
            };
            failed = failed.or(ended.err());
        }
        if failed.is_some() {
            session.lock().removes = false;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Whether each token has to be asked for at the store: in state `store`.
    #[must_use]
    pub fn always_asks(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.is_mirrored())
    }

    /// Whether [`commit`](Self::commit) would wait for a store to do what must not be left half-way. (What it asks
    /// otherwise, the next request makes up for.)
    #[must_use]
    pub fn commit_waits(&self, session: &Session) -> bool {
        let state = session.lock();
        let renews = self.server.as_ref().is_some_and(|server| server.renew_every.is_some());
        (self.server.is_some() || self.revocations.is_some()) && state.is_modified()
            || renews && state.was_confirmed()
    }

    /// Asks the store whether what this request knows of the session is still so, before something is done that cannot
    /// be undone. A request of [`Access::Change`] has been asked for already.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] or [`Error::Renewed`] if the session is no more, [`Error::Contended`] if it was changed by
    /// another request, [`Error::Unavailable`] if the store does not answer.
    pub async fn confirm(&self, session: &Session, now: SystemTime) -> Result<(), Error> {
        if let Some(list) = &self.revocations {
            let question = session.lock().carried().and_then(|carried| carried.question.clone());
            let Some(question) = question else { return Ok(()) };
            return list.expect_good(&question, now.into()).await;
        }
        let Some(server) = &self.server else { return Ok(()) };
        let (held, owner, permanent) = {
            let state = session.lock();
            match &state.origin {
                Some(Origin::Record(held)) => (held.clone(), state.owner_before(), state.content.permanent),
                _ => return Ok(()),
            }
        };
        let known = server.confirm_held(&held, owner.as_deref(), permanent, now.into()).await?;
        if let Some(Origin::Record(held)) = &mut session.lock().origin {
            held.known = Some(known);
        }
        Ok(())
    }

    fn set_capacities(mut self, capacities: Capacities) -> Self {
        self.capacities = capacities;
        if let Some(server) = &mut self.server {
            server.set_capacities(capacities);
        }
        if let Some(list) = &mut self.revocations {
            list.set_capacities(capacities);
        }
        self
    }

    fn server(&self) -> Result<&Server, Error> {
        self.server.as_ref().ok_or(Error::NoStore)
    }

    pub(crate) fn ring(&self) -> Arc<ActiveKeys> {
        // Nothing can panic while the lock is held.
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the browser has a copy of what is kept on the server; `None` if nothing is kept there.
    pub(crate) fn is_mirrored(&self) -> Option<bool> {
        self.server.as_ref().map(Server::is_mirrored)
    }

    pub(crate) fn limits(&self) -> Lifetimes {
        self.lifetimes
    }

    /// What a token may have. On the server idleness is judged by the record.
    pub(crate) fn token_limits(&self) -> Limits {
        let widest = self.lifetimes.widest();
        Limits { idle: if self.server.is_some() { u32::MAX } else { widest.idle }, ..widest }
    }
}

/// What the browser is told when a session was ended: to forget its token, unless another follows.
fn after_an_end(session: &Session, saved: Result<Outcome, Error>) -> Result<Outcome, Error> {
    let mut state = session.lock();
    match saved {
        // The end holds all the same. What is answered in place of this answer removes the token.
        Err(error) if state.ends_others.is_some() || !is_for_the_next_page_alone(&state.log) => {
            return Err(error);
        }
        Err(error) => tracing::warn!(%error, "a message for after a sign-out could not be kept"),
        Ok(Outcome::Set { token, expires }) => {
            state.removes = false;
            return Ok(Outcome::Set { token, expires });
        }
        Ok(_) => {}
    }
    state.removes = false;
    Ok(Outcome::Remove)
}

/// [`SessionManager::commit`] where a store keeps the sessions.
async fn save_to(server: &Server, session: &Session, now: SystemTime) -> Result<Outcome, Error> {
    let draft = {
        let state = session.lock();
        let is_due = || match &state.origin {
            Some(Origin::Record(held)) => server.is_due(held, &state.content, &state.ring, now.into()),
            _ => false,
        };
        let owes = state.accessed && (state.is_modified() || is_due());
        owes.then(|| Draft::of(&state))
    };
    let Some(draft) = draft else { return Ok(Outcome::Keep) };
    let is_owed = is_owed_to_the_page(&draft.log, draft.renewed);
    let changes = draft.renewed || !draft.log.is_empty();
    let saved = match &draft.held {
        Some(held) if server.awaits_end(held) && changes => Err(Error::Gone),
        Some(held) if server.awaits_end(held) => Ok(Outcome::Keep),
        _ => server.commit(draft, now.into()).await,
    };
    if is_owed { not_failing_the_page(saved) } else { saved }
}

/// What was asked for was shown, and nobody acted: that some of it comes again is better than an error.
fn not_failing_the_page(saved: Result<Outcome, Error>) -> Result<Outcome, Error> {
    match saved {
        Err(Error::Unavailable(_) | Error::Contended | Error::Gone | Error::Renewed) => {
            tracing::debug!("what a page showed of its session could not be noted");
            Ok(Outcome::Keep)
        }
        saved => saved,
    }
}

/// Whether something happened, and all of it is that a page was shown: with messages, or with its first form.
fn is_owed_to_the_page(log: &[Change], renewed: bool) -> bool {
    let shown = |change: &Change| matches!(change, Change::FlashesShown(_) | Change::CsrfSeed(_));
    !renewed && !log.is_empty() && log.iter().all(shown)
}

/// Or to be shown, as after a sign-out.
fn is_for_the_next_page_alone(log: &[Change]) -> bool {
    log.iter()
        .all(|change| matches!(change, Change::Flash(_) | Change::FlashesShown(_) | Change::CsrfSeed(_)))
}

impl Draft {
    fn of(state: &State) -> Self {
        let held = match &state.origin {
            Some(Origin::Record(held)) => Some(held.clone()),
            _ => None,
        };
        Self {
            content: state.content.clone(),
            held,
            log: state.log.clone(),
            renewed: state.renewed,
            signed_in: state.signed_in,
            ends_others: state.ends_others.clone(),
            owner_before: state.signed_in.then(|| state.owner_before()).flatten(),
            replaced: state.replaced.clone(),
            begins: state.begins.is_some(),
            ring: state.ring.clone(),
        }
    }
}

impl std::fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("lifetimes", &self.lifetimes).finish_non_exhaustive()
    }
}

/// Seconds after which activity is noted anew. Half of a very short idle time, or an active visitor's would run out
/// before.
pub(crate) fn refresh_after(idle: u32) -> u64 {
    let idle = u64::from(idle);
    (idle / REFRESH_SHARE).max(REFRESH_AFTER_SECONDS.min(idle / 2))
}
