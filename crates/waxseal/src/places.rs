//! Where sessions are kept: from a setting to a store.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use waxseal_crypto::Keyring;
use waxseal_store::{MemoryStore, SessionStore, Sessions};

use crate::{SessionState, Settings, StartError};

/// Where sessions are kept on the server: the setting `session_store`.
///
/// | text | store | lost when the process ends | feature |
/// |---|---|---|---|
/// | `memory:` | [`MemoryStore`] | everything | |
/// | `sqlite:data/sessions.db` | a file of SQLite | nothing that was acknowledged | `sqlite` |
///
/// `?durability=full` behind the path of SQLite makes a power cut harmless too; `off` is for tests.
///
/// Its debug form leaves out what may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StorePlace(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Memory,
    Sqlite { path: PathBuf, durability: Durability },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    Off,
    Normal,
    Full,
}

/// The text names no place for sessions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; use memory: or sqlite:PATH")]
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
                    "" | "durability=normal" => Durability::Normal,
                    "durability=full" => Durability::Full,
                    "durability=off" => Durability::Off,
                    _ => return Err(NoStorePlace("sqlite: knows ?durability=full, normal and off alone")),
                };
                if path.is_empty() {
                    return Err(NoStorePlace("sqlite: needs the path of a file"));
                }
                Ok(Self(Kind::Sqlite { path: path.into(), durability }))
            }
            _ => Err(NoStorePlace("the session store's scheme is unknown")),
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Memory => f.write_str("memory:"),
            Kind::Sqlite { path, .. } => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes sessions of a state over a store that is open.
pub(crate) type MakeSessions = Box<
    dyn FnOnce(SessionState, &Keyring, &str, &str) -> Result<Sessions, waxseal_store::Error> + Send + Sync,
>;

/// What the settings ask for, opened.
pub(crate) enum Place {
    /// In cookies, and no store has a part in it.
    Cookie,
    /// In a store; or in cookies that can be taken back by a list in that store.
    Store(SessionState, MakeSessions),
}

impl Place {
    /// Opens what the settings name, waiting for a server if that is one.
    #[expect(clippy::unused_async, reason = "a store across the network is waited for here")]
    pub(crate) async fn open(settings: &Settings) -> Result<Self, StartError> {
        Self::open_here(settings)
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
        };
        Ok(Self::Store(state, make))
    }
}

pub(crate) fn make_with(store: impl SessionStore) -> MakeSessions {
    Box::new(|state, keyring, cookie, app| match state {
        SessionState::Cookie => Ok(Sessions::cookie(keyring, cookie, app)?.revocable(store)),
        SessionState::Store => Sessions::store(keyring, cookie, app, store),
        SessionState::Mirrored => Sessions::mirrored(keyring, cookie, app, store),
    })
}

#[cfg(feature = "sqlite")]
fn sqlite(path: &std::path::Path, durability: Durability) -> Result<MakeSessions, StartError> {
    use waxseal_store::{Durability as Level, SqliteStore};
    let level = match durability {
        Durability::Off => Level::Off,
        Durability::Normal => Level::Normal,
        Durability::Full => Level::Full,
    };
    let store = SqliteStore::options(path).durability(level).open();
    Ok(make_with(store.map_err(|error| StartError::Store(error.into()))?))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &std::path::Path, _: Durability) -> Result<MakeSessions, StartError> {
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
        ] {
            assert_eq!(text.parse::<StorePlace>().unwrap().to_string(), shown);
        }
        for text in
            ["", "memory", "memory:x", "sqlite:", "sqlite:a?durability=most", "sqlite:a?", "mysql://a"]
        {
            let parsed = text.parse::<StorePlace>();
            assert!(parsed.is_err() || text == "sqlite:a?", "{text}");
        }
    }
}
