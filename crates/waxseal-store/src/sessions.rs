//! Opens, makes and commits sessions.

use std::future::ready;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use waxseal_crypto::{Context, FreshNonce, KeyId, Keyring, Limits, Times};

use crate::change::Change;
use crate::content::Content;
use crate::error::{Reason, Rejected};
use crate::metadata::OWNER;
use crate::moment::{Moment, system_time, unix_seconds};
use crate::origin::{COOKIE_ID_BYTES, Carried, Origin};
use crate::record::{Cursor, Listed, Page};
use crate::revocations::{Question, Revocations};
use crate::ring::{Contexts, KeptContexts, Refusals, Ring};
use crate::server::{Access, Draft, Server, Token, Upkeep, WhenAway, purge};
use crate::session::{Phase, ReadOnly, Session, State};
use crate::{Error, Handle, Lifetimes, SessionStore};

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
/// use waxseal_store::{Access, Outcome, Sessions};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let keyring = Keyring::new(SecretKey::generate()?);
/// let sessions = Sessions::cookie(&keyring, "__Host-session", "wizard")?;
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
pub struct Sessions {
    name: String,
    contexts: Contexts,
    ring: RwLock<Arc<Ring>>,
    refusals: Refusals,
    lifetimes: Lifetimes,
    /// In states `store` and `mirrored`.
    server: Option<Server>,
    /// In state `cookie`, if what was handed out can be taken back.
    revocations: Option<Revocations>,
}

/// The keys of one moment: what one request opens its tokens with; from [`Sessions::snapshot`].
///
/// A session that it opened or created keeps these keys until it is committed, whatever ring is set meanwhile.
pub struct Snapshot<'a> {
    sessions: &'a Sessions,
    ring: Arc<Ring>,
}

/// A good token.
#[derive(Debug)]
pub enum Opened<'a> {
    /// The session was in it, and nobody has to be asked.
    Ready(Session),
    /// The store has to be asked.
    Pending(Pending<'a>),
}

/// A good token whose session the store has, or has to confirm.
pub struct Pending<'a> {
    sessions: &'a Sessions,
    ring: Arc<Ring>,
    what: What,
    access: Access,
}

/// What the store is to be asked.
enum What {
    /// For the session of a token.
    Token(Box<Token>),
    /// Whether a session that was carried along was taken back.
    Revoked(Session, Question),
}

/// What the browser should do with its token; from [`Sessions::commit`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing: it has what it needs.
    Keep,
    /// Carry this one from now on.
    Set {
        /// The sealed session, base64url text.
        token: String,
        /// Until when; `None`: until the browser is closed.
        expires: Option<SystemTime>,
    },
    /// Forget it: the session was destroyed.
    Remove,
}

impl Sessions {
    /// State `cookie`, for the cookie called `cookie` (its complete name) of the app called `audience`: a
    /// token made for one pair is a stranger to every other.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] if either is longer than 255 bytes.
    pub fn cookie(keyring: &Keyring, cookie: &str, audience: &str) -> Result<Self, Error> {
        Self::new(keyring, "session", cookie, audience, None)
    }

    /// State `cookie`: lets sessions be taken back, by a list in `store` of those that were ended before their time, and by a
    /// moment for each owner of whom all were. `destroy()`, `renew()`, [`end_all`](Self::end_all) and
    /// [`end_others`](Self::end_others) then hold for copies too, within 5 seconds for requests that read, and at once for those
    /// that act. What it costs is one or two small reads for each visitor, process and 5 seconds, and on every request that
    /// acts.
    ///
    /// A list of an owner's sessions, and an end by handle, need another state.
    #[must_use]
    pub fn revocable(mut self, store: impl SessionStore) -> Self {
        if self.server.is_none() {
            self.revocations = Some(Revocations::new(Arc::new(store)));
        }
        self
    }

    /// State `store`: the token is a sealed id, and every request asks `store`.
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
    /// use waxseal_store::{Access, MemoryStore, Outcome, Sessions};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let keyring = Keyring::new(SecretKey::generate()?);
    /// # let now = SystemTime::now();
    /// let sessions = Sessions::store(&keyring, "__Host-session", "wizard", MemoryStore::new())?;
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
        Self::new(keyring, "session/store", cookie, audience, Some(server))
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
        purpose: &str,
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
        let contexts = Contexts { token, csrf, kept };
        let ring = RwLock::new(Arc::new(Ring::new(keyring, &contexts)));
        let (name, refusals) = (cookie.to_owned(), Refusals::new());
        Ok(Self {
            name,
            contexts,
            ring,
            refusals,
            lifetimes: Lifetimes::default(),
            server,
            revocations: None,
        })
    }

    /// Changes the keys, at once and for every session opened or created from now on. Those at work are committed
    /// with the keys they were opened with.
    ///
    /// The handles of the counters are asked for here, so whoever records metrics sets that up before.
    pub fn set_keyring(&self, keyring: &Keyring) {
        let ring = Arc::new(Ring::new(keyring, &self.contexts));
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    /// The keys as they are now, for all the tokens that one request brings.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { sessions: self, ring: self.ring() }
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
    /// new one for 20 seconds.
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

    /// Saves the session and closes it: it can still be read, and no longer written.
    ///
    /// `now` is read just before. A token is sealed if the session was changed, and, for one that was at least accessed,
    /// if activity is to be noted (a twentieth of its idle time has passed since it was sealed, and a minute at least),
    /// its key is no longer the ring's first, or the browser's copy is not what the store has.
    ///
    /// Do not drop the future half-way: what was asked of the store may happen all the same.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] or [`Error::Random`] if the system has no randomness. On the server also
    /// [`Error::Unavailable`] if it cannot be told that the session was saved; [`Error::Gone`], [`Error::Renewed`],
    /// [`Error::Conflict`] and [`Error::Contended`], by which nothing was saved; and [`Error::Value`] or
    /// [`Error::TooLarge`] if a change cannot be made to what another request wrote meanwhile.
    pub async fn commit(&self, session: &Session, now: SystemTime) -> Result<Outcome, Error> {
        match &self.server {
            None => self.commit_carried(session, now).await,
            // Boxed, so that a request whose session is in its cookie carries no room for waiting on a store.
            Some(server) => Box::pin(commit_to(server, session, now)).await,
        }
    }

    /// Whether [`commit`](Self::commit) would ask a store, and so wait.
    #[must_use]
    pub fn commit_waits(&self, session: &Session) -> bool {
        let state = session.lock();
        (self.server.is_some() || self.revocations.is_some())
            && (state.accessed || state.phase == Phase::Ended)
    }

    /// Asks the store whether what this request knows of the session is still so, before something is done that cannot
    /// be undone. A request of [`Access::Change`] has been asked for already.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] or [`Error::Renewed`] if the session is no more, [`Error::Contended`] if it was changed by
    /// another request, [`Error::Unavailable`] if the store does not answer.
    pub async fn confirm(&self, session: &Session, now: SystemTime) -> Result<(), Error> {
        if let Some(revocations) = &self.revocations {
            let question = {
                let state = session.lock();
                state.carried().map(|carried| self.question(carried, &state.content))
            };
            let Some(question) = question else { return Ok(()) };
            let revoked = revocations.is_revoked(&question, Access::Change, now.into()).await?;
            return if revoked { Err(Error::Gone) } else { Ok(()) };
        }
        let Some(server) = &self.server else { return Ok(()) };
        let (held, permanent) = {
            let state = session.lock();
            match &state.origin {
                Some(Origin::Record(held)) => (held.clone(), state.content.permanent),
                _ => return Ok(()),
            }
        };
        let known = server.confirm_held(&held, permanent, now.into()).await?;
        if let Some(Origin::Record(held)) = &mut session.lock().origin {
            held.known = Some(known);
        }
        Ok(())
    }

    /// A part of the owner's sessions, about `limit` of them; go on with the page's `next`.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`] in state `cookie` (for the last two: unless it is [revocable](Self::revocable)),
    /// [`Error::Unavailable`] if the store does not answer; so for the next
    /// three.
    pub async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<Page<Listed>, Error> {
        Ok(self.server()?.list(owner, after, limit, now.into()).await?)
    }

    /// Ends the owner's session of this handle; false if there is none.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn end(&self, owner: &str, handle: Handle, now: SystemTime) -> Result<bool, Error> {
        Ok(self.server()?.end_one(owner, handle, now.into()).await?)
    }

    /// Ends all sessions of the owner.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn end_all(&self, owner: &str, now: SystemTime) -> Result<(), Error> {
        if let Some(revocations) = &self.revocations {
            return revocations.revoke_all(owner, self.last_end(now), now.into()).await;
        }
        Ok(self.server()?.end_all(owner, None, now.into()).await?)
    }

    /// Ends all sessions of this session's owner but this one: for a changed password.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list), and [`Error::Owner`] if it has none.
    pub async fn end_others(&self, session: &Session, now: SystemTime) -> Result<(), Error> {
        let owner = session.owner().ok_or(Error::Owner)?;
        if self.revocations.is_some() {
            self.end_all(&owner, now).await?;
            return session.renew();
        }
        let server = self.server()?;
        let keep = match &session.lock().origin {
            Some(Origin::Record(held)) => Some(held.id.key()),
            _ => None,
        };
        Ok(server.end_all(&owner, keep.as_ref(), now.into()).await?)
    }

    /// A round of upkeep, for about once a minute: frees what has expired, makes up for sign-outs that the store
    /// missed, and compares this process's clock with the store's. Nothing to do in state `cookie`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store does not answer.
    pub async fn upkeep(&self, clock: impl Fn() -> SystemTime) -> Result<Option<Upkeep>, Error> {
        match (&self.server, &self.revocations) {
            (Some(server), _) => Ok(Some(server.upkeep(|| clock().into()).await?)),
            (None, Some(revocations)) => {
                revocations.finish(clock().into()).await?;
                let purged = purge(revocations.store(), || clock().into()).await?;
                Ok(Some(Upkeep { purged, clock_offset: None }))
            }
            (None, None) => Ok(None),
        }
    }

    /// Deletes in the store the sessions that were ended while it was away; how many are left. For about once a second.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if it refuses.
    pub async fn finish_ends(&self, now: SystemTime) -> Result<usize, Error> {
        match (&self.server, &self.revocations) {
            (Some(server), _) => Ok(server.finish_ends(now.into()).await?),
            (None, Some(revocations)) => Ok(revocations.finish(now.into()).await?),
            (None, None) => Ok(0),
        }
    }

    /// Whether the store can be reached, for a readiness page.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if not.
    pub async fn store_ready(&self) -> Result<(), Error> {
        match (&self.server, &self.revocations) {
            (Some(server), _) => Ok(server.store_ready().await?),
            (None, Some(revocations)) => Ok(revocations.store().ready().await?),
            (None, None) => Ok(()),
        }
    }

    /// Whether this process's clock and the store's agree to a second, as far as [`upkeep`](Self::upkeep) has found.
    #[must_use]
    pub fn clocks_agree(&self) -> bool {
        self.server.as_ref().is_none_or(Server::clocks_agree)
    }

    /// Seals a part of the records that another key sealed with the ring's first, about `limit` of them. How many were,
    /// and where to go on.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn rewrap(
        &self,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<(usize, Option<Cursor>), Error> {
        self.server()?.rewrap_some(&self.ring(), after, limit, now.into()).await
    }

    /// How many of a part of the records, about `limit` of them, are sealed with this key, which is not the ring's first;
    /// and where to go on. While there are any, the key must not go.
    ///
    /// # Errors
    ///
    /// As for [`list`](Self::list).
    pub async fn count_sealed_by(
        &self,
        key: KeyId,
        after: Option<&Cursor>,
        limit: usize,
        now: SystemTime,
    ) -> Result<(usize, Option<Cursor>), Error> {
        let (server, ring) = (self.server()?, self.ring());
        Ok(server.count_sealed_by(&ring, *key.as_bytes(), after, limit, now.into()).await?)
    }

    /// When the last of today's sessions will be over.
    fn last_end(&self, now: SystemTime) -> Moment {
        let longest = u64::from(self.lifetimes.widest().absolute);
        Moment::from_millis(unix_seconds(now).saturating_add(longest).saturating_mul(1_000))
    }

    /// Breaks a rule on purpose, or none; `clock` is this process's.
    #[cfg(test)]
    pub(crate) fn break_rule(
        &mut self,
        flaw: Option<crate::server::freshness::Flaw>,
        clock: impl Fn() -> crate::Moment + Send + Sync + 'static,
    ) {
        self.server.as_mut().expect("only states on the server have such rules").break_rule(flaw, clock);
    }

    fn server(&self) -> Result<&Server, Error> {
        self.server.as_ref().ok_or(Error::NoStore)
    }

    async fn commit_carried(&self, session: &Session, now: SystemTime) -> Result<Outcome, Error> {
        let Some(revocations) = &self.revocations else { return self.commit_at(session, now, 0) };
        let (owner, taken_back) = {
            let state = session.lock();
            let ends = state.phase == Phase::Ended || (state.phase == Phase::Open && state.renewed);
            let question = |carried| self.question(carried, &state.content);
            let owner = (state.phase == Phase::Open && (state.renewed || state.origin.is_none()))
                .then(|| state.content.metadata.get::<String>(OWNER));
            (owner.flatten(), state.carried().filter(|_| ends).map(question))
        };
        // A session must not begin within a second of which its owner's were ended.
        let earliest = match owner {
            Some(owner) => revocations.earliest(&owner, now.into()).await?,
            None => 0,
        };
        let outcome = self.commit_at(session, now, earliest)?;
        if let Some(question) = taken_back {
            revocations.revoke(&question, now.into()).await;
        }
        Ok(outcome)
    }

    fn commit_at(&self, session: &Session, now: SystemTime, earliest: u64) -> Result<Outcome, Error> {
        let mut state = session.lock();
        match state.close() {
            Phase::Ended => return Ok(Outcome::Remove),
            Phase::RolledBack | Phase::Sent | Phase::ReadOnly(_) => return Ok(Outcome::Keep),
            Phase::Open => {}
        }
        let now = unix_seconds(now);
        let due = match state.carried() {
            None => state.is_modified() && !state.content.is_blank(),
            Some(carried) => state.is_modified() || (state.accessed && self.is_due(&state, carried, now)),
        };
        if !due {
            return Ok(Outcome::Keep);
        }
        let capacity = state.ring.capacity();
        state.content.fit(capacity);
        self.seal(&state, now, earliest)
    }

    fn seal(&self, state: &State, now: u64, earliest: u64) -> Result<Outcome, Error> {
        let limits = self.lifetimes.of(state.content.permanent);
        let (id, created, nonce) = match state.carried() {
            Some(carried) if !state.renewed => (carried.id, carried.times.created(), FreshNonce::draw()?),
            _ => {
                let (nonce, id) = FreshNonce::draw_beside()?;
                (id, now.max(earliest), nonce)
            }
        };
        let times = Times::new(created, now, limits.idle, limits.absolute);
        let mut payload = Vec::with_capacity(COOKIE_ID_BYTES + state.content.planned_size());
        payload.extend_from_slice(&id);
        state.content.write(&mut payload);
        let token = state.ring.sealer().seal_text_under(nonce, &payload, times)?;
        let end = times.idle_end(limits).min(times.absolute_end(limits));
        let expires = state.content.permanent.then(|| system_time(end));
        Ok(Outcome::Set { token, expires })
    }

    fn question(&self, carried: &Carried, content: &Content) -> Question {
        let end = carried.times.absolute_end(self.lifetimes.widest());
        let end = Moment::from_millis(end.saturating_mul(1_000));
        Question::new(carried.id, content.metadata.get(OWNER), carried.times.created(), end)
    }

    fn is_due(&self, state: &State, carried: &Carried, now: u64) -> bool {
        let age = now.saturating_sub(carried.times.sealed());
        let refresh = age >= refresh_after(self.lifetimes.of(state.content.permanent).idle);
        let reseal = carried.needs_reseal && age >= RESEAL_AFTER_SECONDS;
        refresh || reseal || self.lifetimes.refreshes_each_request()
    }

    pub(crate) fn ring(&self) -> Arc<Ring> {
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

impl<'a> Snapshot<'a> {
    /// [`Sessions::create`], with the keys of this snapshot.
    #[must_use]
    pub fn create(&self) -> Session {
        self.session(Content::default(), None)
    }

    /// [`Sessions::open`], with the keys of this snapshot.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open(&self, token: &[u8], access: Access, now: SystemTime) -> Result<Opened<'a>, Rejected> {
        let opened = self.try_open(token, access, now);
        opened.map_err(|reason| {
            self.sessions.refusals.count(&reason);
            reason.into()
        })
    }

    fn try_open(&self, token: &[u8], access: Access, now: SystemTime) -> Result<Opened<'a>, Reason> {
        let (sessions, lifetimes) = (self.sessions, self.sessions.lifetimes);
        let opened = self.ring.sealer().open_text(token, unix_seconds(now), sessions.token_limits());
        let opened = opened.map_err(|rejected| Reason::Seal(rejected.reason()))?;
        let position = opened.key_position();
        let Some(server) = &sessions.server else {
            let (times, needs_reseal) = (opened.times(), opened.needs_reseal());
            let id = opened.payload().first_chunk::<COOKIE_ID_BYTES>();
            let id = *id.ok_or(Reason::Content("it ends before its id"))?;
            let content = Content::parse(Arc::new(opened), COOKIE_ID_BYTES).map_err(Reason::Content)?;
            times.check(unix_seconds(now), lifetimes.of(content.permanent)).map_err(Reason::Seal)?;
            self.ring.count(position);
            let carried = Carried { id, times, needs_reseal };
            let question = sessions.revocations.as_ref().map(|_| sessions.question(&carried, &content));
            let session = self.session(content, Some(Origin::Cookie(carried)));
            let (Some(revocations), Some(question)) = (&sessions.revocations, question) else {
                return Ok(Opened::Ready(session));
            };
            return Ok(match revocations.remembered(&question, access, now.into()) {
                Some(false) => Opened::Ready(session),
                Some(true) => Opened::Ready(self.create()),
                None => Opened::Pending(Pending {
                    sessions,
                    ring: self.ring.clone(),
                    what: What::Revoked(session, question),
                    access,
                }),
            });
        };
        let token = Token::parse(opened, server.is_mirrored()).map_err(Reason::Content)?;
        self.ring.count(position);
        Ok(match server.ready(&self.ring, token, access, now.into()) {
            Ok(session) => Opened::Ready(session),
            Err(token) => {
                let (ring, what) = (self.ring.clone(), What::Token(token));
                Opened::Pending(Pending { sessions, ring, what, access })
            }
        })
    }

    fn session(&self, content: Content, origin: Option<Origin>) -> Session {
        let strict = self.sessions.server.as_ref().is_some_and(|server| server.strict);
        Session::new(content, origin, self.ring.clone(), strict)
    }
}

impl Opened<'_> {
    /// The session if it was in the token; always, in state `cookie`.
    #[must_use]
    pub fn ready(self) -> Option<Session> {
        match self {
            Self::Ready(session) => Some(session),
            Self::Pending(_) => None,
        }
    }

    /// The session, by what the store says if it has to be asked. `now` is read just before.
    ///
    /// A session that is no more makes a new one: the visitor is a stranger.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store has to be asked and does not answer, [`Error::Store`] if it refuses.
    pub async fn load(self, now: SystemTime) -> Result<Session, Error> {
        match self {
            Self::Ready(session) => ready(Ok(session)).await,
            Self::Pending(pending) => pending.load(now).await,
        }
    }
}

impl Pending<'_> {
    /// As [`Opened::load`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn load(self, now: SystemTime) -> Result<Session, Error> {
        let Self { sessions, ring, what, access } = self;
        match what {
            What::Token(token) => sessions.server()?.load(&ring, *token, access, now.into()).await,
            What::Revoked(session, question) => {
                let revocations = sessions.revocations.as_ref().ok_or(Error::NoStore)?;
                let revoked = revocations.is_revoked(&question, access, now.into()).await?;
                Ok(if revoked { Snapshot { sessions, ring }.create() } else { session })
            }
        }
    }

    /// The session without asking anybody, for one thing alone: to be [destroyed](Session::destroy), so that signing out
    /// works while the store is away. It cannot be written.
    #[must_use]
    pub fn to_end(self) -> Session {
        match self.what {
            What::Token(token) => Server::to_end(&self.ring, *token),
            What::Revoked(session, _) => session.read_only(ReadOnly::Outage),
        }
    }
}

impl std::fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("access", &self.access).finish_non_exhaustive()
    }
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
            ring: state.ring.clone(),
        }
    }

    /// Whether all that happened is that a page was shown: with messages, or with its first form.
    fn is_owed_to_the_page_alone(&self) -> bool {
        let shown = |change: &Change| matches!(change, Change::FlashesShown(_) | Change::CsrfSeed(_));
        !self.renewed && !self.log.is_empty() && self.log.iter().all(shown)
    }
}

impl State {
    fn carried(&self) -> Option<&Carried> {
        match &self.origin {
            Some(Origin::Cookie(carried)) => Some(carried),
            _ => None,
        }
    }
}

/// [`Sessions::commit`] where a store keeps the sessions.
async fn commit_to(server: &Server, session: &Session, now: SystemTime) -> Result<Outcome, Error> {
    let (phase, draft) = {
        let mut state = session.lock();
        let phase = state.close();
        (phase, (phase == Phase::Ended || state.accessed).then(|| Draft::of(&state)))
    };
    match (phase, draft) {
        (Phase::Ended, Some(draft)) => Ok(server.end(draft.held.as_ref(), now.into()).await),
        (Phase::Open, Some(draft)) => {
            let owed_to_page = draft.is_owed_to_the_page_alone();
            match server.commit(draft, now.into()).await {
                // What was asked for was shown, and nobody acted: that some of it comes again is better than an error.
                Err(Error::Unavailable(_) | Error::Contended | Error::Gone | Error::Renewed)
                    if owed_to_page =>
                {
                    tracing::debug!("what a page showed of its session could not be noted");
                    Ok(Outcome::Keep)
                }
                outcome => outcome,
            }
        }
        _ => Ok(Outcome::Keep),
    }
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Snapshot").field(self.ring.sealer()).finish()
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("lifetimes", &self.lifetimes).finish_non_exhaustive()
    }
}

/// Whoever holds a token is the visitor, so it is not printed.
impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keep => f.write_str("Keep"),
            Self::Set { token, expires } => {
                write!(f, "Set({} bytes, expires: {expires:?})", token.len())
            }
            Self::Remove => f.write_str("Remove"),
        }
    }
}

/// Seconds after which activity is noted anew. Half of a very short idle time, or an active visitor's would run out
/// before.
pub(crate) fn refresh_after(idle: u32) -> u64 {
    let idle = u64::from(idle);
    (idle / REFRESH_SHARE).max(REFRESH_AFTER_SECONDS.min(idle / 2))
}
