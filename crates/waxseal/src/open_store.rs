//! Opening session stores by their URL.

use waxseal_crypto::Keyring;
use waxseal_manager::{SessionManager, State};
use waxseal_store::{MemoryStore, SessionStore};

use crate::session_state::SessionState;
use crate::settings::Settings;
#[cfg(feature = "sqlite")]
use crate::sqlite_parameters::SqliteParameters;
use crate::start_error::StartError;
use crate::store_url::{Engine, StoreUrl};

/// Builds the session state over an open store, as the settings say.
pub(crate) type MakeState = Box<dyn FnOnce(&Settings) -> State + Send + Sync>;

/// What may be done to a store's tables when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tables {
    /// An app makes and migrates them.
    Made,
    /// A tool beside it does not: in the wrong database it would report success, and a newer one would take the tables away from
    /// servers that run.
    AsTheyAre,
}

impl StoreUrl {
    /// The sessions of the app named `app` in this store, for tools beside an app whose sessions are in that state. The
    /// manager that is returned opens no tokens. No file and no table is created or migrated.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`] if the store cannot be opened, or has no tables or those of another release;
    /// [`StartError::StoreNotBuilt`] if this program was built without it; [`StartError::NoStoreFile`] if there is no such
    /// file, which an app would create.
    pub async fn sessions(
        &self,
        keyring: &Keyring,
        app: &str,
        state: SessionState,
    ) -> Result<SessionManager, StartError> {
        if let Engine::Sqlite { path, .. } = &self.0
            && !path.exists()
        {
            return Err(StartError::NoStoreFile(path.clone()));
        }
        let make = open_url(self, app, Tables::AsTheyAre).await?;
        let settings = Settings { session_state: state, ..Settings::default() };
        Ok(SessionManager::new(keyring, "", app, make(&settings))?)
    }

    /// The SQL script that creates a PostgreSQL store's tables or updates them, and grants `role` the rights to use
    /// them. `None` for the other stores, which need no script.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`] if the URL or the schema that it names is invalid; [`StartError::StoreNotBuilt`] if this
    /// program was built without the store.
    pub fn migration(&self, role: Option<&str>) -> Result<Option<String>, StartError> {
        match &self.0 {
            Engine::Postgres(url) => migration(url, role).map(Some),
            _ => Ok(None),
        }
    }
}

/// Opens the store that the settings name, and waits for its server. Returns `None` if no store is set and state
/// `cookie` needs none.
pub(crate) async fn open(
    url: Option<&StoreUrl>,
    state: SessionState,
    app: &str,
) -> Result<Option<MakeState>, StartError> {
    match url {
        Some(url) => open_url(url, app, Tables::Made).await.map(Some),
        None => open_local(None, state),
    }
}

async fn open_url(url: &StoreUrl, app: &str, tables: Tables) -> Result<MakeState, StartError> {
    match &url.0 {
        Engine::Redis(url) => redis(url, app).await,
        Engine::Postgres(url) => postgres(url, tables).await,
        engine => open_engine(engine, tables),
    }
}

/// Opens a store in memory or in a file, without waiting.
pub(crate) fn open_local(
    url: Option<&StoreUrl>,
    state: SessionState,
) -> Result<Option<MakeState>, StartError> {
    match url {
        Some(url) => open_engine(&url.0, Tables::Made).map(Some),
        None if state == SessionState::Cookie => Ok(None),
        None => Ok(Some(make_with(MemoryStore::new()))),
    }
}

#[cfg_attr(not(feature = "sqlite"), expect(unused_variables, reason = "no store here has tables"))]
fn open_engine(engine: &Engine, tables: Tables) -> Result<MakeState, StartError> {
    match engine {
        Engine::Memory { max_records, max_bytes } => {
            let store = MemoryStore::new().max_records(max_records.unwrap_or(MemoryStore::MAX_RECORDS));
            Ok(make_with(store.max_bytes(max_bytes.unwrap_or(MemoryStore::MAX_BYTES))))
        }
        #[cfg(feature = "sqlite")]
        Engine::Sqlite { path, options } => sqlite(path, options, tables),
        #[cfg(not(feature = "sqlite"))]
        Engine::Sqlite { .. } => Err(StartError::StoreNotBuilt("sqlite")),
        Engine::Redis(_) | Engine::Postgres(_) => Err(StartError::StoreElsewhere),
    }
}

pub(crate) fn make_with(store: impl SessionStore) -> MakeState {
    Box::new(|settings| settings.state(store))
}

#[cfg(feature = "sqlite")]
fn sqlite(
    path: &std::path::Path,
    options: &SqliteParameters,
    tables: Tables,
) -> Result<MakeState, StartError> {
    let options = options.over(waxseal_sqlite::SqliteStore::options(path));
    let options = if tables == Tables::AsTheyAre { options.existing() } else { options };
    Ok(make_with(options.open().map_err(|error| StartError::Store(error.into()))?))
}

#[cfg(feature = "redis")]
async fn redis(url: &str, app: &str) -> Result<MakeState, StartError> {
    // Two apps on one server must not use the same keys.
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' };
    let prefix = format!("waxseal:{}:", app.chars().take(50).map(plain).collect::<String>());
    let store = waxseal_redis::RedisStore::options(url).prefix(&prefix).open().await;
    Ok(make_with(store.map_err(|error| StartError::Store(error.into()))?))
}

#[cfg(not(feature = "redis"))]
async fn redis(_: &str, _: &str) -> Result<MakeState, StartError> {
    Err(StartError::StoreNotBuilt("redis"))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str, tables: Tables) -> Result<MakeState, StartError> {
    let options = waxseal_postgres::PostgresStore::options(url);
    let options = if tables == Tables::AsTheyAre { options.existing() } else { options };
    Ok(make_with(options.open().await.map_err(|error| StartError::Store(error.into()))?))
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
async fn postgres(_: &str, _: Tables) -> Result<MakeState, StartError> {
    Err(StartError::StoreNotBuilt("postgres"))
}
