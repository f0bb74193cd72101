//! The set-up: from a secret key and a store to a layer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use waxseal_crypto::{Keyring, SecretKey};
#[cfg(feature = "device")]
use waxseal_http::DeviceBinding;
use waxseal_http::{CrossOrigin, ForeignSessions, SessionCookie, SessionCookieBuilder, SessionLayer};
use waxseal_keys::{KeyWatcher, SecretOptions, Secrets};
use waxseal_manager::{Adoption, Lifetimes, SessionManager, State, Stored};
use waxseal_store::SessionStore;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Time between two looks into the file of the secret.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A layer in the making: a secret key, a place for the sessions, and what else is not as usual.
///
/// | | unless set |
/// |---|---|
/// | place | [state `cookie`](State::Cookie): the whole session, sealed, in the browser |
/// | lifetimes | until the browser is closed; 30 minutes idle, 12 hours in all |
/// | cookie | `__Host-session`, Secure, HttpOnly, SameSite=Lax |
/// | requests of other sites | those that could change something are refused |
///
/// # Example
///
/// ```
/// use waxseal_axum::{MemoryStore, Waxseal, days};
///
/// # let secret = waxseal_axum::SecretKey::generate()?.to_text();
/// let sessions = Waxseal::new(&secret).mirrored(MemoryStore::new()).lasting(days(30)).layer()?;
/// let app: axum::Router = axum::Router::new().layer(sessions);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Waxseal {
    secret: Secret,
    app: String,
    state: State,
    cookie: Option<SessionCookieBuilder>,
    development: bool,
    allow_weak_secret: bool,
    lifetimes: Lifetimes,
    lasting: Option<Duration>,
    cross_origin: CrossOrigin,
    #[cfg(feature = "device")]
    device: Option<DeviceBinding>,
    terms: Option<Adoption>,
    readers: Vec<Box<dyn ForeignSessions>>,
}

enum Secret {
    Text(Zeroizing<String>),
    Environment,
    File(PathBuf),
    Random,
    Ring(Keyring),
}

impl Waxseal {
    /// Seals with this secret: the output of `waxseal gen-secret` or of [`SecretKey::to_text`], or any other text, a
    /// passphrase, which costs 64 MiB and some tenths of a second at the start. One that is easily guessed is refused,
    /// except in [`development`](Self::development) and with [`allow_weak_secret`](Self::allow_weak_secret).
    pub fn new(secret: &str) -> Self {
        Self::of(Secret::Text(Zeroizing::new(secret.to_owned())))
    }

    /// Seals with the secret in the environment: `SECRET_KEY`, with older ones in `SECRET_KEY_FALLBACKS`, or the file that
    /// `SECRET_KEY_FILE` names, as [`Secrets`] describes. In [`development`](Self::development) one is made if there is
    /// none, and kept in `.waxseal/secret`.
    pub fn from_env() -> Self {
        Self::of(Secret::Environment)
    }

    /// Seals with the first secret in this file, one a line, and opens with each.
    pub fn from_file(path: impl AsRef<Path>) -> Self {
        Self::of(Secret::File(path.as_ref().to_owned()))
    }

    /// Seals with a random key that nobody keeps: every session ends with the process. For tests and trials.
    pub fn ephemeral() -> Self {
        Self::of(Secret::Random)
    }

    /// Seals with the first key of this ring, and opens with each.
    pub fn with_keyring(keyring: Keyring) -> Self {
        Self::of(Secret::Ring(keyring))
    }

    fn of(secret: Secret) -> Self {
        Self {
            secret,
            app: "app".to_owned(),
            state: State::Cookie,
            cookie: None,
            development: false,
            allow_weak_secret: false,
            lifetimes: Lifetimes::new(),
            lasting: None,
            cross_origin: CrossOrigin::refuse(),
            #[cfg(feature = "device")]
            device: None,
            terms: None,
            readers: Vec::new(),
        }
    }

    /// Names the app, `app` unless set: sessions of one app are refused by another with the same secret. A passphrase
    /// makes another key for each name.
    pub fn app(mut self, name: &str) -> Self {
        name.clone_into(&mut self.app);
        self
    }

    /// Keeps sessions in `store`; the browser has a signed id. Each request that uses its session asks the store.
    pub fn store(self, store: impl SessionStore) -> Self {
        self.state(Stored::new(store))
    }

    /// Keeps sessions in `store`, and a sealed copy in the browser, from which pages are shown without asking the store.
    pub fn mirrored(self, store: impl SessionStore) -> Self {
        self.state(waxseal_manager::Mirrored::new(store))
    }

    /// Keeps sessions in this state, with its own options.
    pub fn state(mut self, state: impl Into<State>) -> Self {
        self.state = state.into();
        self
    }

    /// Makes all sessions last for `span` without a visit: the browser keeps them when it is closed (Max-Age), and each
    /// visit begins the span anew, up to 180 days after the sign-in, or `span` if that is longer.
    ///
    /// A visitor who does not want that: [`set_permanent(false)`](waxseal_session::Session::set_permanent) at the sign-in.
    pub fn lasting(mut self, span: Duration) -> Self {
        self.lasting = Some(span);
        self
    }

    /// Sets the lifetimes one by one.
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Switches development on, for `http://localhost`: a cookie without Secure, called `waxseal-dev-session` since
    /// cookies ignore ports, and any secret. `cfg!(debug_assertions)` is a good value.
    ///
    /// It refuses nobody: bind to `127.0.0.1`, and put no proxy in front. (A server of the crate `waxseal` refuses other hosts
    /// and proxies in development; here the app's own tests send requests without a `Host`.)
    pub fn development(mut self, development: bool) -> Self {
        self.development = development;
        self
    }

    /// Accepts a secret that is easily guessed, with a line in the log.
    pub fn allow_weak_secret(mut self, allow: bool) -> Self {
        self.allow_weak_secret = allow;
        self
    }

    /// Carries the sessions in this cookie, in development too.
    pub fn cookie(mut self, cookie: SessionCookieBuilder) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Sets the requests of other sites that are let through: a single-page app's on another origin, a webhook's.
    pub fn cross_origin(mut self, rule: CrossOrigin) -> Self {
        self.cross_origin = rule;
        self
    }

    /// Binds sessions to the devices that they were begun on, so that a stolen cookie is worthless within eleven minutes:
    /// `DeviceBinding::new(DevicePolicy::Require)`. Off unless set. Browsers ask the layer two paths of its own,
    /// `/_device/register` and `/_device/refresh`, so put it around the whole router.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal_axum::{DeviceBinding, DevicePolicy, Waxseal};
    ///
    /// # let secret = waxseal_axum::SecretKey::generate()?.to_text();
    /// let binding = DeviceBinding::new(DevicePolicy::Require).except("/static");
    /// let sessions = Waxseal::new(&secret).device_bound(binding).layer()?;
    /// # let _: axum::Router = axum::Router::new().layer(sessions);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "device")]
    pub fn device_bound(mut self, binding: DeviceBinding) -> Self {
        self.device = Some(binding);
        self
    }

    /// Takes over the sessions that `reader` finds in an old app's cookies, so that a move signs nobody out: each once, on
    /// these terms. See [`SessionLayer::migrate_from`]. Called again, it adds a reader, and the later terms count.
    pub fn migrate_from(mut self, reader: impl ForeignSessions, terms: Adoption) -> Self {
        self.readers.push(Box::new(reader));
        self.migrating(terms)
    }

    /// Takes over the sessions of the states that these terms name, in which they were kept before the state was changed.
    pub fn migrating(mut self, terms: Adoption) -> Self {
        self.terms = Some(terms);
        self
    }

    /// Makes the layer. It is cheap to clone, and for `Router::layer`: around all routes, also those without a session.
    ///
    /// Make one and clone it. Two layers that were made one by one are strangers to each other: side by side in merged
    /// routers, each takes the other's cookie for no session of its own and overwrites it, without a word.
    ///
    /// An answer whose session could not be saved is replaced by a plain text of 503, 409 or 500. For a page of the app's
    /// own, put `axum::middleware::map_response` around the layer.
    ///
    /// The secret is read once: see [`layer_following_keys`](Self::layer_following_keys).
    ///
    /// # Errors
    ///
    /// [`Error::Secret`] for a secret that is missing, malformed or weak, [`Error::Setup`] for attributes that
    /// contradict each other, or an old cookie with the name of ours, [`Error::Sessions`] for lifetimes that contradict
    /// each other, a name of more than 255 bytes, or a migration in state `cookie` that is not replayable.
    pub fn layer(self) -> Result<SessionLayer> {
        Ok(self.build()?.0)
    }

    /// Makes the layer, and a future for a task that looks into the file of the secret each second and takes the keys of a
    /// rotation without a restart. What cannot be used is refused, and the log says why.
    ///
    /// The future ends at once if the secret is in no file. Else it has a clone of the layer until it is dropped.
    /// For keys from elsewhere there is [`SessionLayer::set_keyring`], of any clone.
    ///
    /// # Errors
    ///
    /// Those of [`layer`](Self::layer).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use waxseal_axum::{MemoryStore, Result, Waxseal};
    /// # async fn example() -> Result<()> {
    /// let (sessions, keys) = Waxseal::from_env().store(MemoryStore::new()).layer_following_keys()?;
    /// tokio::spawn(keys);
    /// # let _: axum::Router = axum::Router::new().layer(sessions);
    /// # Ok(())
    /// # }
    /// ```
    pub fn layer_following_keys(self) -> Result<(SessionLayer, impl Future<Output = ()> + Send + 'static)> {
        let (layer, secrets) = self.build()?;
        let watcher = secrets.map(|secrets| KeyWatcher::new(&secrets, Some(LOOK_INTERVAL)));
        let followed = layer.clone();
        let follow = async move {
            if let Some(watcher) = watcher {
                watcher.run(move |keyring| followed.set_keyring(keyring)).await;
            }
        };
        Ok((layer, follow))
    }

    fn build(self) -> Result<(SessionLayer, Option<Secrets>)> {
        let options = SecretOptions::new().development(self.development).allow_weak(self.allow_weak_secret);
        let (keyring, secrets) = self.secret.read(options, &self.app)?;
        let cookie = match (self.cookie, self.development) {
            (Some(cookie), _) => cookie,
            (None, true) => SessionCookie::development(),
            (None, false) => SessionCookie::builder(),
        };
        let cookie = cookie.build()?;
        let lifetimes = match self.lasting {
            Some(span) => self.lifetimes.permanent_idle(span)?.all_permanent(true),
            None => self.lifetimes,
        };
        let mut sessions =
            SessionManager::new(&keyring, cookie.name(), &self.app, self.state)?.lifetimes(lifetimes);
        #[cfg(feature = "device")]
        if self.device.is_some() {
            sessions = sessions.with_device_tokens(&keyring)?;
        }
        let migrates = self.terms.is_some();
        if let Some(terms) = self.terms {
            sessions = sessions.adopting(terms)?;
        }
        let mut layer = SessionLayer::new(sessions, cookie).cross_origin(self.cross_origin);
        #[cfg(feature = "device")]
        if let Some(binding) = self.device {
            let binding = if self.development { binding.over_plain_http(true) } else { binding };
            layer = layer.device_bound(&binding)?;
        }
        if migrates {
            layer = layer.migrate_from(self.readers)?;
        }
        Ok((layer, secrets))
    }
}

impl Secret {
    /// The keys, and where they were read from.
    fn read(self, options: SecretOptions, app: &str) -> Result<(Keyring, Option<Secrets>)> {
        let secrets = match self {
            Self::Random => {
                let key = SecretKey::generate().map_err(waxseal_manager::Error::from)?;
                return Ok((Keyring::new(key), None));
            }
            Self::Ring(keyring) => return Ok((keyring, None)),
            Self::Text(text) => Secrets::from_text(&text, options, app)?,
            Self::Environment => Secrets::from_env(options, app)?,
            Self::File(path) => Secrets::from_file(&path, options, app)?,
        };
        for warning in secrets.warnings() {
            tracing::warn!("{warning}");
        }
        Ok((secrets.keyring().clone(), Some(secrets)))
    }
}

/// So many days, for lifetimes.
#[must_use]
pub const fn days(days: u32) -> Duration {
    Duration::from_secs(days as u64 * 24 * 60 * 60)
}

impl std::fmt::Debug for Waxseal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waxseal").field("app", &self.app).finish_non_exhaustive()
    }
}

impl From<waxseal_keys::Error> for Error {
    fn from(error: waxseal_keys::Error) -> Self {
        Self::Secret(Box::new(error))
    }
}
