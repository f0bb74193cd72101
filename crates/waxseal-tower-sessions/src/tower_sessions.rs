//! Taking over the sessions of an app on tower-sessions.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::Error as TowerError;
use waxseal_http::{ForeignSessions, LoadedForeign, LoadingForeign, SessionCookie};
use waxseal_manager::Foreign;

type Data = HashMap<String, Value>;
type Owner = Box<dyn Fn(&Data) -> Option<String> + Send + Sync>;

/// How far the old app's clock may be ahead.
const CLOCK_AHEAD: Duration = Duration::from_secs(60);

/// The sessions of an app on tower-sessions, in that app's store. It only reads there.
///
/// A record has no creation time. The time of its last save is used instead: its expiry minus the app's
/// [`inactivity`](Self::inactivity). All data are taken over, and JSON values stay as they were.
///
/// # Example
///
/// ```
/// # fn example(store: impl tower_sessions_core::SessionStore) {
/// use waxseal_tower_sessions::TowerSessions;
///
/// // Of an app that keeps its user's name under `user`; with axum-login: `.axum_login()`.
/// let old = TowerSessions::new(store).owner(|data| Some(data.get("user")?.as_str()?.to_owned()));
/// # }
/// ```
pub struct TowerSessions<T> {
    store: T,
    cookie: SessionCookie,
    inactivity: Duration,
    owner: Owner,
    keeps_cookie: bool,
}

impl<T: SessionStore> TowerSessions<T> {
    /// Reads the sessions in `store`, with the defaults of tower-sessions: a cookie named `id` with the path `/`, and
    /// an inactivity of two weeks.
    #[must_use]
    pub fn new(store: T) -> Self {
        let cookie = SessionCookie::builder().name("id").build();
        Self {
            store,
            cookie: cookie.expect("these attributes are allowed together"),
            inactivity: Duration::from_secs(14 * 86_400),
            owner: Box::new(|_| None),
            keeps_cookie: false,
        }
    }

    /// Sets the old app's cookie. Only its name, domain and path matter.
    #[must_use]
    pub fn cookie(self, cookie: SessionCookie) -> Self {
        Self { cookie, ..self }
    }

    /// Sets the longest expiry that the old app gives: its `Expiry::OnInactivity`, or a longer one that
    /// `Session::set_expiry` gives to single sessions, such as those of remembered users. Other sessions then count as
    /// older than they are. While a session has more time left than this, it is refused.
    #[must_use]
    pub fn inactivity(self, inactivity: Duration) -> Self {
        Self { inactivity, ..self }
    }

    /// Takes the user that axum-login signed in as the owner. The user's id must be a number or a string, as a UUID is.
    /// For any other id, and for an app with `AuthManagerLayerBuilder::with_data_key`, use [`owner`](Self::owner).
    #[must_use]
    pub fn axum_login(self) -> Self {
        self.owner(|data| match data.get("axum-login.data")?.get("user_id")? {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        })
    }

    /// Sets a function that finds the owner in a session's data. It returns `None` if nobody is signed in, which
    /// axum-login writes as `null`. Without an owner, a sign-out refuses only this one cookie.
    #[must_use]
    pub fn owner(self, owner: impl Fn(&Data) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { owner: Box::new(owner), ..self }
    }

    /// Leaves the old cookie in the browser until a sign-out, so that you can go back to the old app.
    #[must_use]
    pub fn keep_cookie(self) -> Self {
        Self { keeps_cookie: true, ..self }
    }

    fn foreign(&self, record: &Record, now: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>> {
        let ends = SystemTime::from(record.expiry_date);
        let (longest, left) = (self.inactivity, ends.duration_since(now).unwrap_or_default());
        if left > longest.saturating_add(CLOCK_AHEAD) {
            return Err(format!(
                "the session lives for another {left:?}, longer than {longest:?}; set `TowerSessions::inactivity` to the \
                 longest expiry that the app gives"
            )
            .into());
        }
        let began = ends.checked_sub(longest).ok_or("it has no beginning")?;
        let id = record.id.0.to_le_bytes();
        let replay_id =
            Sha256::new().chain_update(b"waxseal/tower-sessions replay\0").chain_update(id).finalize();
        let foreign = Foreign::new(replay_id.into(), began, ends).unique();
        foreign.session().set_owner((self.owner)(&record.data).as_deref())?;
        foreign.session().extend(record.data.iter())?;
        Ok(foreign)
    }
}

impl<T: SessionStore> ForeignSessions for TowerSessions<T> {
    fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }

    fn read(&self, _: &[u8], _: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>> {
        Err("the session is in a store, which has to be asked".into())
    }

    fn has_store(&self) -> bool {
        true
    }

    fn load<'a>(&'a self, value: &'a [u8], now: SystemTime) -> LoadingForeign<'a> {
        Box::pin(async move {
            let Some(id) = str::from_utf8(value).ok().and_then(|text| Id::from_str(text).ok()) else {
                return LoadedForeign::Refused("the cookie is no id of tower-sessions'".into());
            };
            match self.store.load(&id).await {
                // Without an answer that is final, this browser could not even sign in.
                Err(error @ TowerError::Decode(_)) => LoadedForeign::Refused(error.into()),
                Err(error) => LoadedForeign::Away(error.into()),
                Ok(None) => LoadedForeign::Refused("its session is no more".into()),
                Ok(Some(record)) => {
                    self.foreign(&record, now).map_or_else(LoadedForeign::Refused, LoadedForeign::Found)
                }
            }
        })
    }

    fn keeps_cookie(&self) -> bool {
        self.keeps_cookie
    }
}

impl<T> fmt::Debug for TowerSessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerSessions").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}
