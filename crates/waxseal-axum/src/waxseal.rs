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

/// The interval at which the secret file is checked.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A builder of a session layer, from a secret key, a state for the sessions, and further options.
///
/// | | unless set |
/// |---|---|
/// | place | [`cookie`](State::Cookie): the whole session is sealed in the browser |
/// | lifetimes | until the browser is closed; 30 minutes idle, 12 hours in total |
/// | cookie | `__Host-session`, Secure, HttpOnly, SameSite=Lax |
/// | requests of other sites | requests with unsafe methods and WebSockets are refused |
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
    /// Seals with this secret. It is the output of `waxseal gen-secret` or of [`SecretKey::to_text`]. Any other text is
    /// a passphrase, which costs 64 MiB and some tenths of a second at start; one that is easily guessed is refused,
    /// except in [`development`](Self::development) and with [`allow_weak_secret`](Self::allow_weak_secret).
    pub fn new(secret: &str) -> Self {
        Self::of(Secret::Text(Zeroizing::new(secret.to_owned())))
    }

    /// Seals with the secret in the environment: `SECRET_KEY`, with older ones in `SECRET_KEY_FALLBACKS`, or the file
    /// that `SECRET_KEY_FILE` names, as [`Secrets`] describes. In [`development`](Self::development), if there is none,
    /// a secret is generated and kept in `.waxseal/secret`.
    pub fn from_env() -> Self {
        Self::of(Secret::Environment)
    }

    /// Seals with the first secret in this file and opens with all of them. The file has one secret on each line.
    pub fn from_file(path: impl AsRef<Path>) -> Self {
        Self::of(Secret::File(path.as_ref().to_owned()))
    }

    /// Seals with a random key that is not stored, so every session ends with the process. For tests and experiments.
    pub fn ephemeral() -> Self {
        Self::of(Secret::Random)
    }

    /// Seals with the first key of this keyring and opens with all of them.
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

    /// Sets the app's name, which is `app` by default. An app refuses the sessions of another app, even if the secret
    /// is the same. A passphrase gives a different key for each name.
    pub fn app(mut self, name: &str) -> Self {
        name.clone_into(&mut self.app);
        self
    }

    /// Keeps sessions in `store`; the browser gets a signed session id. Each request that uses its session asks the store.
    pub fn store(self, store: impl SessionStore) -> Self {
        self.state(Stored::new(store))
    }

    /// Keeps sessions in `store`, with a sealed copy in the browser. Pages can be shown from the copy without asking
    /// the store.
    pub fn mirrored(self, store: impl SessionStore) -> Self {
        self.state(waxseal_manager::Mirrored::new(store))
    }

    /// Keeps sessions in this state, with the options that it has.
    pub fn state(mut self, state: impl Into<State>) -> Self {
        self.state = state.into();
        self
    }

    /// Makes all sessions last for `span` without a visit. The browser keeps the cookie when it is closed (Max-Age).
    /// Each visit starts the span again, up to 180 days after the sign-in, or `span` if that is longer.
    ///
    /// For a visitor who does not want that, call [`set_permanent(false)`](waxseal_session::Session::set_permanent) at
    /// the sign-in.
    pub fn lasting(mut self, span: Duration) -> Self {
        self.lasting = Some(span);
        self
    }

    /// Sets all lifetimes.
    pub fn lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Switches on development mode for `http://localhost`: a cookie without Secure, named `waxseal-dev-session`
    /// because cookies ignore ports, and any secret is accepted. Pass `cfg!(debug_assertions)`, for example.
    ///
    /// No request is refused for it, so bind to `127.0.0.1` and use no proxy. (A server of the crate `waxseal` refuses
    /// other hosts and proxies in development. Here an app's own tests send requests without a `Host`.)
    pub fn development(mut self, development: bool) -> Self {
        self.development = development;
        self
    }

    /// Accepts a secret that is easily guessed, with a warning in the log.
    pub fn allow_weak_secret(mut self, allow: bool) -> Self {
        self.allow_weak_secret = allow;
        self
    }

    /// Carries sessions in this cookie, in development, too.
    pub fn cookie(mut self, cookie: SessionCookieBuilder) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Sets which requests from other sites are accepted, such as those of a single-page app on another origin or of a
    /// webhook.
    pub fn cross_origin(mut self, rule: CrossOrigin) -> Self {
        self.cross_origin = rule;
        self
    }

    /// Binds sessions to the devices on which they began. Off unless set. With
    /// `DeviceBinding::new(DevicePolicy::Require)`, a stolen cookie becomes useless within eleven minutes. Browsers
    /// send requests to two paths of the layer, `/_device/register` and `/_device/refresh`, so put the layer around the
    /// whole router, its fallback included: see [order of layers](crate#order-of-layers). If these paths answer 404, no
    /// session is ever bound.
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

    /// Takes over the sessions that `reader` finds in an old app's cookies, so that a move signs nobody out. Each is
    /// taken over once, on these terms. See [`SessionLayer::migrate_from`]. A further call adds a reader, and its terms
    /// replace the former.
    pub fn migrate_from(mut self, reader: impl ForeignSessions, terms: Adoption) -> Self {
        self.readers.push(Box::new(reader));
        self.migrating(terms)
    }

    /// Takes over sessions from the former states that these terms name: the states in which sessions were kept before
    /// the state was changed.
    pub fn migrating(mut self, terms: Adoption) -> Self {
        self.terms = Some(terms);
        self
    }

    /// Builds the layer. It is for `Router::layer`, around all routes, including those without a session. It is cheap
    /// to clone.
    ///
    /// Build one layer and clone it. Two layers that are built separately and used side by side in merged routers
    /// silently overwrite each other's cookie if their secret, state or store differs. If these are the same, each
    /// still runs its own maintenance of the store.
    ///
    /// If the session could not be saved, the response is replaced by a plain text with 503, 409 or 500. To show a page
    /// of the app instead, put `axum::middleware::map_response` around the layer.
    ///
    /// The secret is read once. To follow its changes, use [`layer_following_keys`](Self::layer_following_keys).
    ///
    /// # Errors
    ///
    /// [`Error::Secret`] for a secret that is missing, malformed or weak. [`Error::Setup`] for attributes of the cookie
    /// that contradict each other, or an old cookie with the name of this one. [`Error::Sessions`] for lifetimes that
    /// contradict each other, a name of more than 255 bytes, or a migration in state `cookie` that is not replayable.
    pub fn layer(self) -> Result<SessionLayer> {
        Ok(self.build()?.0)
    }

    /// Builds the layer and a future. Spawned as a task, the future checks the secret file each second and uses the
    /// keys of a rotation without a restart. A file that cannot be used is refused, and the log says why.
    ///
    /// The future completes at once if the secret is not in a file. Otherwise it never completes, and holds a clone of
    /// the layer. For keys from elsewhere, call [`SessionLayer::set_keyring`] on any clone.
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
    /// Reads the keys. The second value says where they came from, if that can be read again.
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

/// A duration of this many days, for lifetimes.
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
