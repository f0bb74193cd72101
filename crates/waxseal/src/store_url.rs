//! Where sessions are kept: from a setting to a store.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use waxseal_crypto::Keyring;
use waxseal_store::{MemoryStore, SessionManager, SessionStore};

use crate::{SessionState, Settings, StartError};

/// Where sessions are kept on the server: the setting `session_store`.
///
/// | text | store | lost when the process ends | feature |
/// |---|---|---|---|
/// | `memory:` | [`MemoryStore`] | everything | |
/// | `sqlite:data/sessions.db` | a file of SQLite | nothing that was acknowledged | `sqlite` |
/// | `redis://host:6379`, `rediss://…` for TLS | Redis or Valkey | nothing; what the server loses is its own | `redis` |
/// | `redis-cluster://host,host`, `rediss-cluster://…` | a cluster of it | as above | `redis` |
/// | `postgres://user@host/database` | PostgreSQL | as above | `postgres` |
///
/// `?durability=full` behind the path of SQLite makes a power cut harmless too; `off` is for tests. In Redis and Valkey all
/// keys begin with `waxseal:` and the app's name. What else a store can be told: open it in code, and give it to
/// [`App::session_store`](crate::App::session_store).
///
/// Its debug form leaves out what may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StorePlace(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Memory,
    Sqlite {
        path: PathBuf,
        /// The name of a `SqliteDurability`, a type that is there only with the feature.
        durability: &'static str,
    },
    /// The URL may hold a password.
    Redis(String),
    Postgres(String),
}

/// The text names no place for sessions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; use memory:, sqlite:PATH, redis://HOST, redis-cluster://HOST,HOST or postgres://USER@HOST/DATABASE"
)]
pub struct NoStorePlace(&'static str);

impl FromStr for StorePlace {
    type Err = NoStorePlace;

    fn from_str(text: &str) -> Result<Self, NoStorePlace> {
        let (scheme, rest) = text.split_once(':').ok_or(NoStorePlace("a session store has a scheme"))?;
        match scheme {
            "memory" if rest.is_empty() => Ok(Self(Kind::Memory)),
            "memory" => Err(NoStorePlace("memory: takes nothing behind the colon")),
            "sqlite" => {
                let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
                let durability = match query {
                    "" | "durability=normal" => "normal",
                    "durability=full" => "full",
                    "durability=off" => "off",
                    _ => return Err(NoStorePlace("sqlite: knows ?durability=full, normal and off alone")),
                };
                if path.is_empty() {
                    return Err(NoStorePlace("sqlite: needs the path of a file"));
                }
                Ok(Self(Kind::Sqlite { path: path.into(), durability }))
            }
            "redis" | "rediss" | "redis-cluster" | "rediss-cluster" => Ok(Self(Kind::Redis(text.to_owned()))),
            "postgres" | "postgresql" => Ok(Self(Kind::Postgres(text.to_owned()))),
            _ => Err(NoStorePlace("the session store's scheme is unknown")),
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Memory => f.write_str("memory:"),
            Kind::Sqlite { path, .. } => write!(f, "sqlite:{}", path.display()),
            Kind::Redis(url) | Kind::Postgres(url) => f.write_str(&without_credentials(url)),
        }
    }
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StorePlace {
    /// The sessions of the app called `app` that are kept here, for tools that look after records: tokens are none of their
    /// business.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`] if the store cannot be opened.
    pub async fn records(&self, keyring: &Keyring, app: &str) -> Result<SessionManager, StartError> {
        let state = SessionState::Store;
        let settings =
            Settings { session_state: state, session_store: Some(self.clone()), ..Settings::default() };
        match Place::open(&settings, app).await? {
            Place::Store(state, make) => Ok(make(state, keyring, "", app)?),
            Place::Cookie => unreachable!("the settings name a store"),
        }
    }

    /// The script that makes a PostgreSQL store's tables or brings them up to date, for an administrator, and after it the
    /// rights that another `role` needs to use them. `None` for the other stores, which need none.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`] if the URL or the schema that it names is none; [`StartError::StoreNotBuilt`].
    pub fn migration(&self, role: Option<&str>) -> Result<Option<String>, StartError> {
        match &self.0 {
            Kind::Postgres(url) => migration(url, role).map(Some),
            _ => Ok(None),
        }
    }
}

/// Makes sessions of a state over a store that is open.
pub(crate) type MakeSessions = Box<
    dyn FnOnce(SessionState, &Keyring, &str, &str) -> Result<SessionManager, waxseal_store::Error>
        + Send
        + Sync,
>;

/// What the settings ask for, opened.
pub(crate) enum Place {
    /// In cookies, and no store has a part in it.
    Cookie,
    /// In a store; or in cookies that can be taken back by a list in that store.
    Store(SessionState, MakeSessions),
}

impl Place {
    /// Opens what the settings name for the app of this name, waiting for a server if that is one.
    pub(crate) async fn open(settings: &Settings, app: &str) -> Result<Self, StartError> {
        let make = match settings.session_store.as_ref().map(|place| &place.0) {
            Some(Kind::Redis(url)) => redis(url, app).await?,
            Some(Kind::Postgres(url)) => postgres(url).await?,
            _ => return Self::open_here(settings),
        };
        Ok(Self::Store(settings.session_state, make))
    }

    /// Opens what needs no waiting.
    pub(crate) fn open_here(settings: &Settings) -> Result<Self, StartError> {
        let state = settings.session_state;
        if state == SessionState::Cookie && settings.session_store.is_none() {
            return Ok(Self::Cookie);
        }
        let make = match settings.session_store.as_ref().map(|place| &place.0) {
            None | Some(Kind::Memory) => make_with(MemoryStore::new()),
            Some(Kind::Sqlite { path, durability }) => sqlite(path, *durability)?,
            Some(Kind::Redis(_) | Kind::Postgres(_)) => return Err(StartError::StoreElsewhere),
        };
        Ok(Self::Store(state, make))
    }
}

fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    // The last @ before the path: one in a password may not have been escaped. A query may hold a password too.
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

pub(crate) fn make_with(store: impl SessionStore) -> MakeSessions {
    Box::new(|state, keyring, cookie, app| match state {
        SessionState::Cookie => Ok(SessionManager::cookie(keyring, cookie, app)?.revocable(store)),
        SessionState::Store => SessionManager::store(keyring, cookie, app, store),
        SessionState::Mirrored => SessionManager::mirrored(keyring, cookie, app, store),
    })
}

#[cfg(feature = "sqlite")]
fn sqlite(path: &std::path::Path, durability: &str) -> Result<MakeSessions, StartError> {
    use waxseal_sqlite::{SqliteDurability, SqliteStore};
    let durability = match durability {
        "off" => SqliteDurability::Off,
        "full" => SqliteDurability::Full,
        _ => SqliteDurability::Normal,
    };
    let store = SqliteStore::options(path).durability(durability).open();
    Ok(make_with(store.map_err(|error| StartError::Store(error.into()))?))
}

#[cfg(feature = "redis")]
async fn redis(url: &str, app: &str) -> Result<MakeSessions, StartError> {
    // Two apps on one server must not meet.
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' };
    let prefix = format!("waxseal:{}:", app.chars().take(50).map(plain).collect::<String>());
    let store = waxseal_redis::RedisStore::options(url).prefix(&prefix).open().await;
    Ok(make_with(store.map_err(|error| StartError::Store(error.into()))?))
}

#[cfg(not(feature = "redis"))]
async fn redis(_: &str, _: &str) -> Result<MakeSessions, StartError> {
    Err(StartError::StoreNotBuilt("redis"))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<MakeSessions, StartError> {
    let store = waxseal_postgres::PostgresStore::open(url).await;
    Ok(make_with(store.map_err(|error| StartError::Store(error.into()))?))
}

#[cfg(feature = "postgres")]
fn migration(url: &str, role: Option<&str>) -> Result<String, StartError> {
    let script = waxseal_postgres::PostgresStore::options(url).migration(role);
    script.map_err(|error| StartError::Store(error.into()))
}

#[cfg(not(feature = "postgres"))]
fn migration(_: &str, _: Option<&str>) -> Result<String, StartError> {
    Err(StartError::StoreNotBuilt("postgres"))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &str) -> Result<MakeSessions, StartError> {
    Err(StartError::StoreNotBuilt("postgres"))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &std::path::Path, _: &str) -> Result<MakeSessions, StartError> {
    Err(StartError::StoreNotBuilt("sqlite"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_scheme_and_what_it_takes() {
        for (text, shown) in [
            ("memory:", "memory:"),
            ("sqlite:data/sessions.db", "sqlite:data/sessions.db"),
            ("sqlite:/var/lib/a b/s.db?durability=full", "sqlite:/var/lib/a b/s.db"),
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("rediss://app:p@ss@sessions.example", "rediss://sessions.example"),
            ("redis-cluster://:secret@a:1,b:2", "redis-cluster://a:1,b:2"),
            ("postgres://app:secret@db.example/app?password=secret", "postgres://db.example/app"),
        ] {
            assert_eq!(text.parse::<StorePlace>().unwrap().to_string(), shown);
        }
        for text in ["", "memory", "memory:x", "sqlite:", "sqlite:a?durability=most", "mysql://a"] {
            assert!(text.parse::<StorePlace>().is_err(), "{text}");
        }
    }
}
