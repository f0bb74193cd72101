//! Opens, makes and seals sessions.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{Context, Keyring, Times};

use crate::content::Content;
use crate::error::{Reason, Rejected};
use crate::ring::{Refusals, Ring};
use crate::session::{Phase, Session, State};
use crate::{Error, Lifetimes};

pub(crate) const SESSION_ID_BYTES: usize = 16;
/// A key that was just promoted elsewhere must not make two servers re-seal each other's copies.
const RESEAL_AFTER_SECONDS: u64 = 60;
/// Activity is noted when a twentieth of the idle time has passed since the last seal, and a minute or half of it at
/// least.
const REFRESH_SHARE: u64 = 20;
const REFRESH_AFTER_SECONDS: u64 = 60;

/// Opens tokens into sessions and seals sessions into tokens: a token is text that a browser carries.
///
/// Made once and shared. State `cookie`: the token is the whole session, sealed, and nothing is kept on the
/// server. It cannot be read or changed by whoever holds it; what it cannot do, without anything on the server,
/// is to refuse an older copy of itself before that copy's time is over.
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
/// use waxseal_store::{Outcome, Sessions};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let keyring = Keyring::new(SecretKey::generate()?);
/// let sessions = Sessions::cookie(&keyring, "__Host-session", "wizard")?;
///
/// let session = sessions.create();
/// session.insert("name", "Gandalf")?;
/// let Outcome::Set { token, .. } = sessions.commit(&session, SystemTime::now()).await? else { panic!() };
///
/// let session = sessions.open(token.as_bytes(), SystemTime::now())?;
/// assert_eq!(session.get::<String>("name")?.as_deref(), Some("Gandalf"));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sessions {
    name: String,
    context: Context,
    ring: RwLock<Arc<Ring>>,
    refusals: Refusals,
    lifetimes: Lifetimes,
}

/// The keys of one moment: what one request opens its tokens with; from [`Sessions::snapshot`].
///
/// A session that it opened or created keeps these keys until it is committed, whatever ring is set meanwhile.
pub struct Snapshot<'a> {
    sessions: &'a Sessions,
    ring: Arc<Ring>,
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

/// Where an opened session came from.
pub(crate) struct Origin {
    id: [u8; SESSION_ID_BYTES],
    times: Times,
    needs_reseal: bool,
}

impl Sessions {
    /// State `cookie`, for the cookie called `cookie` (its complete name) of the app called `audience`: a
    /// token made for one pair is a stranger to every other.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] if either is longer than 255 bytes.
    pub fn cookie(keyring: &Keyring, cookie: &str, audience: &str) -> Result<Self, Error> {
        let context = Context::new("session")?.with_name(cookie)?.with_audience(audience)?;
        let ring = RwLock::new(Arc::new(Ring::new(keyring, &context)));
        let (name, refusals) = (cookie.to_owned(), Refusals::new());
        Ok(Self { name, context, ring, refusals, lifetimes: Lifetimes::default() })
    }

    /// Changes the keys, at once and for every session opened or created from now on. Those at work are committed
    /// with the keys they were opened with.
    ///
    /// The handles of the counters are asked for here, so whoever records metrics sets that up before.
    pub fn set_keyring(&self, keyring: &Keyring) {
        let ring = Arc::new(Ring::new(keyring, &self.context));
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
        self
    }

    /// A session for a visitor without one. Nothing is drawn, kept or sent unless something is put into it.
    #[must_use]
    pub fn create(&self) -> Session {
        self.snapshot().create()
    }

    /// Opens a token, any bytes at all, as it is at the time `now`.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if it is nobody's session: the visitor is a stranger then, and gets [`create`](Self::create).
    pub fn open(&self, token: &[u8], now: SystemTime) -> Result<Session, Rejected> {
        self.snapshot().open(token, now)
    }

    /// Seals the session if there is reason to, and closes it: it can still be read, and no longer written.
    ///
    /// There is reason to if it was changed, and, for one that was at least accessed, if activity is to be noted
    /// (a twentieth of its idle time has passed since it was sealed, and a minute at least) or its key is no
    /// longer the ring's first.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] or [`Error::Random`] if the system has no randomness.
    pub async fn commit(&self, session: &Session, now: SystemTime) -> Result<Outcome, Error> {
        let mut state = session.lock();
        let phase = std::mem::replace(&mut state.phase, Phase::Sent);
        match phase {
            Phase::Ended => return Ok(Outcome::Remove),
            Phase::RolledBack | Phase::Sent => return Ok(Outcome::Keep),
            Phase::Open => {}
        }
        let now = unix_seconds(now);
        let due = match &state.origin {
            None => state.is_modified() && !state.content.is_blank(),
            Some(origin) => state.is_modified() || (state.accessed && self.is_due(&state, origin, now)),
        };
        if due { self.seal(&state, now) } else { Ok(Outcome::Keep) }
    }

    fn seal(&self, state: &State, now: u64) -> Result<Outcome, Error> {
        let limits = self.lifetimes.of(state.content.permanent);
        let (id, created) = match &state.origin {
            Some(origin) if !state.renewed => (origin.id, origin.times.created()),
            _ => (random_id()?, now),
        };
        let times = Times::new(created, now, limits.idle, limits.absolute);
        let mut payload = Vec::with_capacity(SESSION_ID_BYTES + state.content.planned_size());
        payload.extend_from_slice(&id);
        state.content.write(&mut payload);
        let token = state.ring.sealer().seal_text(&payload, times)?;
        let end = times.idle_end(limits).min(times.absolute_end(limits));
        let expires = state.content.permanent.then(|| system_time(end));
        Ok(Outcome::Set { token, expires })
    }

    fn is_due(&self, state: &State, origin: &Origin, now: u64) -> bool {
        let age = now.saturating_sub(origin.times.sealed());
        let idle = u64::from(self.lifetimes.of(state.content.permanent).idle);
        // Half of a very short idle time, or an active visitor's would run out before it is noted.
        let refresh = age >= (idle / REFRESH_SHARE).max(REFRESH_AFTER_SECONDS.min(idle / 2));
        let reseal = origin.needs_reseal && age >= RESEAL_AFTER_SECONDS;
        refresh || reseal
    }

    pub(crate) fn ring(&self) -> Arc<Ring> {
        // Nothing can panic while the lock is held.
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn limits(&self) -> Lifetimes {
        self.lifetimes
    }
}

impl Snapshot<'_> {
    /// [`Sessions::create`], with the keys of this snapshot.
    #[must_use]
    pub fn create(&self) -> Session {
        Session::new(Content::default(), None, self.ring.clone())
    }

    /// [`Sessions::open`], with the keys of this snapshot.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open(&self, token: &[u8], now: SystemTime) -> Result<Session, Rejected> {
        let opened = self.try_open(token, unix_seconds(now));
        opened.map_err(|reason| {
            self.sessions.refusals.count(&reason);
            reason.into()
        })
    }

    fn try_open(&self, token: &[u8], now: u64) -> Result<Session, Reason> {
        let lifetimes = self.sessions.lifetimes;
        let opened = self.ring.sealer().open_text(token, now, lifetimes.widest());
        let opened = opened.map_err(|rejected| Reason::Seal(rejected.reason()))?;
        let (times, position) = (opened.times(), opened.key_position());
        let needs_reseal = opened.needs_reseal();
        let id = opened.payload().first_chunk::<SESSION_ID_BYTES>();
        let id = *id.ok_or(Reason::Content("it ends before its id"))?;
        let content = Content::parse(Arc::new(opened), SESSION_ID_BYTES).map_err(Reason::Content)?;
        times.check(now, lifetimes.of(content.permanent)).map_err(Reason::Seal)?;
        self.ring.count(position);
        Ok(Session::new(content, Some(Origin { id, times, needs_reseal }), self.ring.clone()))
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

fn random_id() -> Result<[u8; SESSION_ID_BYTES], Error> {
    let mut id = [0; SESSION_ID_BYTES];
    getrandom::fill(&mut id).map_err(Error::Random)?;
    Ok(id)
}

pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn system_time(unix_seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds)).unwrap_or(UNIX_EPOCH)
}
