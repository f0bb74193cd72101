//! The manager of sessions: its keys, its state, its settings.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use waxseal_crypto::{Context, Keyring, Limits};
use waxseal_store::{Answers, Promise, SessionStore, Timestamp};

use crate::access::WhenAway;
use crate::active_keys::{ActiveKeys, Contexts, ID_ALONE, Refusals};
use crate::adoption::claims::Claims;
use crate::adoption::counts::{Counts, Outcome};
use crate::adoption::former::FormerState;
use crate::adoption::refusal::ForeignRefusal;
use crate::adoption::terms::Adoption;
use crate::any_store::AnyStore;
use crate::capacities::Capacities;
use crate::device_tokens;
use crate::error::Error;
use crate::events::Events;
use crate::lifetimes::Lifetimes;
use crate::records::mirrored::MirroredSessions;
use crate::records::near_cache::NearCache;
use crate::records::record_store::RecordStore;
use crate::records::stored::StoredSessions;
use crate::revocations::list::Revocations;
use crate::state::{Mirrored, State, Stored};
use crate::watch::Watches;

/// Opens tokens into sessions, and seals sessions into tokens. A token is text that a browser carries.
///
/// Make one manager, in one of the [states](State), and share it.
///
/// The holder of a token can neither read nor change it. In state `cookie`, an older copy of a token cannot be refused
/// before it expires, and of what two requests write at the same time only one survives. The other states do not have
/// these two limits.
///
/// The keys can be [changed](Self::set_keyring) at any time. The manager counts, through the `metrics` facade, the
/// tokens that each key opened (`waxseal_cookies_opened_total{kid}`), which shows an operator when an old key can be
/// removed, and the tokens that were refused (`waxseal_cookies_refused_total{reason}`).
///
/// # Example
///
/// ```
/// # use std::time::SystemTime;
/// use waxseal_crypto::{Keyring, SecretKey};
/// use waxseal_manager::{Access, Outcome, SessionManager};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let keyring = Keyring::new(SecretKey::generate()?);
/// let sessions = SessionManager::cookie(&keyring, "__Host-session", "wizard")?;
///
/// let visit = sessions.create();
/// visit.insert("name", "Gandalf")?;
/// let Outcome::Set { token, .. } = sessions.commit(&visit, SystemTime::now()).await? else { panic!() };
///
/// let visit = sessions.open(token.as_bytes(), Access::Read, SystemTime::now())?.load(SystemTime::now()).await?;
/// assert_eq!(visit.get::<String>("name")?.as_deref(), Some("Gandalf"));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SessionManager {
    name: String,
    audience: String,
    contexts: Contexts,
    keys: RwLock<Arc<ActiveKeys>>,
    pub(crate) refusals: Refusals,
    pub(crate) events: Events,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) sessions: Sessions,
    pub(crate) watches: Arc<Watches>,
    /// The migration that is under way.
    pub(crate) adopter: Option<Adopter>,
}

/// The terms of a migration, with its counters and claims.
pub(crate) struct Adopter {
    pub(crate) terms: Adoption,
    pub(crate) counts: Arc<Counts>,
}

/// The state in which sessions are kept, with what it needs to work.
pub(crate) enum Sessions {
    Cookie,
    Revocable(Box<Revocations>),
    Stored(Box<StoredSessions>),
    Mirrored(Box<MirroredSessions>),
}

impl SessionManager {
    /// Manages sessions in `state`, for the cookie with the complete name `cookie` of the app `audience`. A token made
    /// for another cookie or app is refused.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] if one of the names is longer than 255 bytes. [`Error::NotPromised`] in state `cookie` with a
    /// list of revoked sessions, if the store has no lists.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::{Duration, SystemTime};
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// use waxseal_manager::{Access, Mirrored, Outcome, SessionManager};
    /// use waxseal_store::MemoryStore;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let keyring = Keyring::new(SecretKey::generate()?);
    /// # let now = SystemTime::now();
    /// let state = Mirrored::new(MemoryStore::new()).freshness(Duration::from_secs(2));
    /// let sessions = SessionManager::new(&keyring, "__Host-session", "wizard", state)?;
    /// let visit = sessions.create();
    /// visit.sign_in("user-7", now)?;
    /// let Outcome::Set { token, .. } = sessions.commit(&visit, now).await? else { panic!() };
    ///
    /// sessions.end_all("user-7", now).await?;
    /// let visit = sessions.open(token.as_bytes(), Access::Read, now)?.load(now).await?;
    /// assert!(visit.is_new(), "nobody is signed in");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        keyring: &Keyring,
        cookie: &str,
        audience: &str,
        state: impl Into<State>,
    ) -> Result<Self, Error> {
        let lifetimes = Lifetimes::default();
        let (purpose, sessions) = match state.into() {
            State::Cookie => ("session", Sessions::Cookie),
            State::Revocable(state) => {
                state.store.expect(Promise::Lists)?;
                let list = Revocations::new(state.store, audience, lifetimes, state.capacities);
                ("session", Sessions::Revocable(Box::new(list)))
            }
            State::Stored(state) => (ID_ALONE, Sessions::Stored(Box::new(stored(state, lifetimes)))),
            State::Mirrored(state) => {
                ("session/mirrored", Sessions::Mirrored(Box::new(mirrored(state, lifetimes))))
            }
        };
        let record = match &sessions {
            Sessions::Cookie | Sessions::Revocable(_) => None,
            Sessions::Stored(_) | Sessions::Mirrored(_) => {
                Some(Context::new("record")?.with_audience(audience)?)
            }
        };
        let token = Context::new(purpose)?.with_name(cookie)?.with_audience(audience)?;
        let csrf = Context::new("csrf")?.with_audience(audience)?;
        let import = Context::new("import")?.with_audience(audience)?;
        let contexts = Contexts { purpose, token, csrf, import, record, device: None };
        let keys = RwLock::new(Arc::new(ActiveKeys::new(keyring, &contexts)));
        let (name, refusals, events) = (cookie.to_owned(), Refusals::new(), Events::new());
        let (audience, watches, adopter) = (audience.to_owned(), Arc::default(), None);
        Ok(Self { name, audience, contexts, keys, refusals, events, lifetimes, sessions, watches, adopter })
    }

    /// Manages sessions in [`State::Cookie`].
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn cookie(keyring: &Keyring, cookie: &str, audience: &str) -> Result<Self, Error> {
        Self::new(keyring, cookie, audience, State::Cookie)
    }

    /// Manages sessions in state [`Stored`].
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn store(
        keyring: &Keyring,
        cookie: &str,
        audience: &str,
        store: impl SessionStore,
    ) -> Result<Self, Error> {
        Self::new(keyring, cookie, audience, Stored::new(store))
    }

    /// Manages sessions in state [`Mirrored`].
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn mirrored(
        keyring: &Keyring,
        cookie: &str,
        audience: &str,
        store: impl SessionStore,
    ) -> Result<Self, Error> {
        Self::new(keyring, cookie, audience, Mirrored::new(store))
    }

    /// Also derives the keys of device-bound sessions, from the keyring that the manager was made with.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] if `cookie` and `audience` together are too long to derive a key from.
    pub fn with_device_tokens(mut self, keyring: &Keyring) -> Result<Self, Error> {
        self.contexts.device = Some(device_tokens::contexts(&self.name, &self.audience)?);
        self.set_keyring(keyring);
        Ok(self)
    }

    /// Takes over sessions of another framework, or of another state, on these terms. See
    /// [`Snapshot::adopt`](crate::Snapshot::adopt).
    ///
    /// # Errors
    ///
    /// [`Error::AdoptionEndsFirst`] if the migration ends before the switch. [`Error::Replayable`] in
    /// [`State::Cookie`], unless the terms are [`replayable`](Adoption::replayable). [`Error::FormerState`] in state
    /// `cookie`, with a list or without, if the terms name a former state. [`Error::NotPromised`] for former sessions
    /// of state `cookie` if the store has no lists.
    pub fn adopting(mut self, mut terms: Adoption) -> Result<Self, Error> {
        if terms.until < terms.switched {
            return Err(Error::AdoptionEndsFirst);
        }
        if !terms.former.is_empty() && self.records().is_none() {
            return Err(Error::FormerState);
        }
        let former_list = terms.former.has(FormerState::Cookie);
        if former_list {
            let longest = Duration::from_secs(self.lifetimes.widest().absolute.into());
            terms.lifetime = terms.lifetime.max(longest);
        }
        let (counts, audience) = (Arc::new(Counts::new()), self.audience.clone());
        let claims = |store, audience: &str| Arc::new(Claims::new(store, audience, terms, counts.clone()));
        match &mut self.sessions {
            Sessions::Cookie if !terms.replayable => return Err(Error::Replayable),
            Sessions::Cookie => {}
            Sessions::Revocable(list) => list.claims = Some(claims(list.store.clone(), &self.audience)),
            Sessions::Stored(stored) => {
                stored.records.claims = Some(claims(stored.records.store.clone(), &self.audience));
            }
            Sessions::Mirrored(mirrored) => {
                mirrored.records.claims = Some(claims(mirrored.records.store.clone(), &self.audience));
            }
        }
        let lifetimes = self.lifetimes;
        if let Some(records) = self.records_mut().filter(|_| former_list) {
            records.any_store().expect(Promise::Lists)?;
            let (store, capacities) = (records.store.clone(), Capacities::default());
            records.former_list = Some(Box::new(Revocations::new(store, &audience, lifetimes, capacities)));
        }
        self.adopter = Some(Adopter { terms, counts });
        Ok(self)
    }

    /// Returns `true` if the manager has the [terms](Self::adopting) of a migration.
    #[must_use]
    pub fn has_terms(&self) -> bool {
        self.adopter.is_some()
    }

    /// Returns `true` if sessions of another framework are taken over at the time `now`.
    #[must_use]
    pub fn adopts(&self, now: SystemTime) -> bool {
        self.adopter.as_ref().is_some_and(|adopter| Timestamp::from(now) < adopter.terms.until)
    }

    /// Returns `true` if, by the terms of the migration, the old app still runs at the time `now`.
    #[must_use]
    pub fn is_before_switch(&self, now: SystemTime) -> bool {
        let adopter = self.adopter.as_ref();
        adopter.is_some_and(|Adopter { terms, .. }| Timestamp::from(now) < terms.until.min(terms.switched))
    }

    /// Counts and logs a foreign session that its reader refused, or that came together with others.
    pub fn refuse_foreign(&self, why: ForeignRefusal) {
        if let Some(adopter) = &self.adopter {
            adopter.counts.count(Outcome::Refused(why));
        }
    }

    /// The claims on foreign sessions, in every state with a store.
    pub(crate) fn claims(&self) -> Option<&Claims> {
        match &self.sessions {
            Sessions::Cookie => None,
            Sessions::Revocable(list) => list.claims.as_deref(),
            Sessions::Stored(stored) => stored.records.claims.as_deref(),
            Sessions::Mirrored(mirrored) => mirrored.records.claims.as_deref(),
        }
    }

    /// The longest time that any session lives, in seconds.
    #[must_use]
    pub fn longest_lifetime(&self) -> u32 {
        self.lifetimes.widest().absolute
    }

    /// Changes the keys for every session that is opened or created from now on. Sessions that were opened before are
    /// committed with the keys that they were opened with.
    ///
    /// The counters are looked up here, so install a metrics recorder first.
    pub fn set_keyring(&self, keyring: &Keyring) {
        let keys = Arc::new(ActiveKeys::new(keyring, &self.contexts));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The complete name of the cookie for which tokens are made.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets the lifetimes of sessions.
    #[must_use]
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        match &mut self.sessions {
            Sessions::Cookie => {}
            Sessions::Revocable(list) => list.lifetimes = lifetimes,
            Sessions::Stored(stored) => stored.records.set_lifetimes(lifetimes),
            Sessions::Mirrored(mirrored) => mirrored.records.set_lifetimes(lifetimes),
        }
        self
    }

    /// Sets the timer with which to wait between attempts to save, such as that of the app's runtime. Without it,
    /// attempts follow each other without a pause.
    #[must_use]
    pub fn with_pause<F>(mut self, pause: impl Fn(Duration) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &mut self.sessions {
            Sessions::Cookie | Sessions::Revocable(_) => {}
            Sessions::Stored(stored) => stored.records.set_pause(Arc::new(move |span| Box::pin(pause(span)))),
            Sessions::Mirrored(mirrored) => {
                mirrored.records.set_pause(Arc::new(move |span| Box::pin(pause(span))));
            }
        }
        self
    }

    /// Returns `true` in states `store` and `mirrored`, in which a store keeps the sessions and can list them.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.records().is_some()
    }

    /// Returns `true` if a store needs [maintenance](Self::maintain): in every state but [`State::Cookie`].
    #[must_use]
    pub fn needs_maintenance(&self) -> bool {
        !matches!(self.sessions, Sessions::Cookie)
    }

    /// Returns `true` in state `store`, in which the store is asked for each token, unless it
    /// [answers](waxseal_store::Answers) at once.
    #[must_use]
    pub fn always_waits(&self) -> bool {
        matches!(&self.sessions, Sessions::Stored(stored) if stored.records.any_store().answers() == Answers::Later)
    }

    pub(crate) fn keys(&self) -> Arc<ActiveKeys> {
        // Nothing can panic while the lock is held.
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store, in every state that has one.
    pub(crate) fn any_store(&self) -> Option<&dyn AnyStore> {
        match &self.sessions {
            Sessions::Cookie => None,
            Sessions::Revocable(list) => Some(list.store()),
            Sessions::Stored(stored) => Some(stored.records.any_store()),
            Sessions::Mirrored(mirrored) => Some(mirrored.records.any_store()),
        }
    }

    /// The records, if sessions are kept in a store.
    pub(crate) fn records(&self) -> Option<&RecordStore> {
        match &self.sessions {
            Sessions::Cookie | Sessions::Revocable(_) => None,
            Sessions::Stored(stored) => Some(&stored.records),
            Sessions::Mirrored(mirrored) => Some(&mirrored.records),
        }
    }

    fn records_mut(&mut self) -> Option<&mut RecordStore> {
        match &mut self.sessions {
            Sessions::Cookie | Sessions::Revocable(_) => None,
            Sessions::Stored(stored) => Some(&mut stored.records),
            Sessions::Mirrored(mirrored) => Some(&mut mirrored.records),
        }
    }

    pub(crate) fn expect_records(&self) -> Result<&RecordStore, Error> {
        self.records().ok_or(Error::NoStore)
    }

    /// The list of revoked sessions, in state `cookie` with a list.
    pub(crate) fn list_of_ended(&self) -> Option<&Revocations> {
        match &self.sessions {
            Sessions::Revocable(list) => Some(list),
            _ => None,
        }
    }

    /// What visitors get whose session cannot be loaded at the moment.
    pub(crate) fn when_away(&self) -> WhenAway {
        match &self.sessions {
            Sessions::Stored(stored) => stored.when_away,
            _ => WhenAway::Refuse,
        }
    }

    /// Checks whether a concurrent change of a value that an `insert` replaces is a conflict.
    pub(crate) fn is_strict(&self) -> bool {
        self.records().is_some_and(|records| records.strict)
    }

    /// The limits of any token. In states `store` and `mirrored` the idle time is checked against the record.
    pub(crate) fn token_limits(&self) -> Limits {
        let widest = self.lifetimes.widest();
        Limits { idle: if self.has_store() { u32::MAX } else { widest.idle }, ..widest }
    }
}

fn stored(state: Stored, lifetimes: Lifetimes) -> StoredSessions {
    let Stored { store, options, when_away } = state;
    StoredSessions { records: RecordStore::new(store, None, lifetimes, &options), when_away }
}

fn mirrored(state: Mirrored, lifetimes: Lifetimes) -> MirroredSessions {
    let Mirrored { store, options, freshness } = state;
    let near = Arc::new(NearCache::new(options.capacities.near_cache, freshness));
    MirroredSessions::new(RecordStore::new(store, Some(near.clone()), lifetimes, &options), near)
}

impl std::fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionManager").field("lifetimes", &self.lifetimes).finish_non_exhaustive()
    }
}
