//! URLs of session stores.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use waxseal_store::url_value;

use crate::StartError;
use crate::sqlite_parameters::SqliteParameters;

/// The URL of a session store: the setting `session_store`.
///
/// | URL | store | lost when the process ends | feature |
/// |---|---|---|---|
/// | `memory:` | [`MemoryStore`](crate::MemoryStore) | everything | |
/// | `sqlite:data/sessions.db` | an SQLite file | nothing that was acknowledged | `sqlite` |
/// | `redis://host:6379`, `rediss://…` for TLS | Redis or Valkey | nothing; a crash of the server may lose writes | `redis` |
/// | `redis+unix:///run/redis.sock` | the same at a Unix socket | as above | `redis` |
/// | `redis-cluster://host,host`, `rediss-cluster://…` | a cluster of Redis or Valkey | as above | `redis` |
/// | `redis-sentinel://host,host/name`, `rediss-sentinel://…` | the primary that the Sentinels have under this name | as above | `redis` |
/// | `postgres://user@host/database` | PostgreSQL | as above | `postgres` |
///
/// Options follow as a query, with the names that they have in code:
/// `redis://host?connections=4&command_timeout=500ms`. In Redis and Valkey all keys begin with `waxseal:` and the app's
/// name, unless the option `prefix` sets another prefix.
///
/// `Display` and `Debug` leave out every part that may be a password.
///
/// # Example
///
/// ```
/// use waxseal::{Settings, StoreUrl};
///
/// let url: StoreUrl = "postgres://shop:s3cret@db.example/shop".parse()?;
/// assert_eq!(url.to_string(), "postgres://db.example/shop");
/// let settings = Settings { session_store: Some(url), ..Settings::default() };
/// # Ok::<(), waxseal::StartError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(pub(crate) Engine);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Engine {
    Memory {
        max_records: Option<usize>,
        max_bytes: Option<usize>,
    },
    Sqlite {
        path: PathBuf,
        options: SqliteParameters,
    },
    /// The URL may hold a password.
    Redis(String),
    /// The URL may hold a password.
    Postgres(String),
}

impl FromStr for StoreUrl {
    type Err = StartError;

    fn from_str(text: &str) -> Result<Self, StartError> {
        Self::parse(text).map_err(|found| StartError::StoreUrl { found, forms: Self::FORMS })
    }
}

impl StoreUrl {
    pub(crate) const FORMS: &str = "use memory:, sqlite:PATH, redis://HOST, redis+unix://PATH, redis-cluster://HOST,HOST, redis-sentinel://HOST,HOST/NAME or postgres://USER@HOST/DATABASE";

    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.0, Engine::Memory { .. })
    }

    /// Parses a URL. The error says what is wrong and quotes no part of the text, which may contain a password.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once(':').ok_or("it has no scheme")?;
        match scheme {
            "memory" => memory(rest),
            "sqlite" => sqlite(rest),
            "redis" | "rediss" | "redis-cluster" | "rediss-cluster" | "redis-sentinel"
            | "rediss-sentinel" | "redis+unix" => Ok(Self(Engine::Redis(text.to_owned()))),
            "postgres" | "postgresql" => Ok(Self(Engine::Postgres(text.to_owned()))),
            _ => Err("its scheme is unknown"),
        }
    }
}

fn memory(rest: &str) -> Result<StoreUrl, &'static str> {
    let query = match rest {
        "" => "",
        rest => rest.strip_prefix('?').ok_or("memory: takes nothing but options behind the colon")?,
    };
    let (mut max_records, mut max_bytes) = (None, None);
    for (name, value) in url_value::pairs(query) {
        match name {
            "max_records" => {
                max_records = Some(url_value::number(value).ok_or("max_records is a number")?);
            }
            "max_bytes" => {
                let bytes = url_value::bytes(value).and_then(|bytes| bytes.try_into().ok());
                max_bytes = Some(bytes.ok_or("max_bytes is a number, or one with KiB, MiB or GiB")?);
            }
            _ => return Err("memory: knows the options max_records and max_bytes"),
        }
    }
    Ok(StoreUrl(Engine::Memory { max_records, max_bytes }))
}

fn sqlite(rest: &str) -> Result<StoreUrl, &'static str> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() {
        return Err("sqlite: needs the path of a file");
    }
    let options = SqliteParameters::parse(query)?;
    Ok(StoreUrl(Engine::Sqlite { path: path.into(), options }))
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Engine::Memory { .. } => f.write_str("memory:"),
            Engine::Sqlite { path, .. } => write!(f, "sqlite:{}", path.display()),
            Engine::Redis(url) | Engine::Postgres(url) => f.write_str(&without_credentials(url)),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The scheme, hosts and path of a URL. An engine takes everything up to an `@` as credentials, which may contain any
/// character if they were not escaped. So that is dropped first, and then the query, which may contain a password, too.
fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    let rest = rest.strip_prefix("//").unwrap_or_default();
    let shown = match rest.rsplit_once('@') {
        // This `@` may stand in the query, and behind it the rest of a password.
        Some((before, _)) if before.contains('?') => "...",
        Some((_, behind)) => behind,
        None => rest,
    };
    format!("{scheme}://{}", shown.split(['?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_password_is_shown() {
        for (text, shown) in [
            ("postgres://app:s3c/r3t==@db.example/app", "postgres://db.example/app"),
            ("postgres://app:s3c#r3t@db.example/app", "postgres://db.example/app"),
            ("postgres://app:s3c@r3t/@db.example/app", "postgres://db.example/app"),
            ("postgresql://app:/@s3c#r3t@a:1,b:2/app?password=s3cr3t", "postgresql://a:1,b:2/app"),
            ("redis://:s3c/r3t#@sessions.example/1", "redis://sessions.example/1"),
            ("redis-sentinel://:s3c/r3t@a,b/main?sentinel_password=s3cr3t", "redis-sentinel://a,b/main"),
            ("redis+unix://app:s3c/r3t@/run/redis.sock?db=1", "redis+unix:///run/redis.sock"),
            // Where an `@` is behind a `?`, the one of them may belong to a password as well as the other.
            ("postgres://app:s3c?r3t@db.example/app", "postgres://..."),
            ("postgres://db.example/app?password=s3c@r3t", "postgres://..."),
            ("redis-sentinel://a/main?sentinel_password=s3c@r3t", "redis-sentinel://..."),
            ("postgres:app:s3cr3t@db.example", "postgres://"),
            ("redis:s3c://r3t", "redis://"),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_url_is_a_scheme_and_what_it_takes() {
        for (text, shown) in [
            ("memory:", "memory:"),
            ("memory:?max_records=5&max_bytes=64MiB", "memory:"),
            ("sqlite:data/sessions.db", "sqlite:data/sessions.db"),
            ("redis+unix://app:secret@/run/redis.sock?db=1", "redis+unix:///run/redis.sock"),
            ("sqlite:/var/lib/a b/s.db?durability=full", "sqlite:/var/lib/a b/s.db"),
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("rediss://app:p@ss@sessions.example", "rediss://sessions.example"),
            ("redis-cluster://:secret@a:1,b:2", "redis-cluster://a:1,b:2"),
            ("redis-sentinel://:secret@a:1,b/main", "redis-sentinel://a:1,b/main"),
            ("postgres://app:secret@db.example/app?password=secret", "postgres://db.example/app"),
        ] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), shown);
        }
        for text in
            ["", "memory", "memory:x", "memory:?x=1", "memory:?max_bytes=lots", "sqlite:", "mysql://a"]
        {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
        for query in ["durability=most", "busy_timeout=soon", "max_bytes=-1", "queue=", "cache=big"] {
            let found = format!("sqlite:a?{query}").parse::<StoreUrl>();
            assert_eq!(
                found.is_err(),
                cfg!(feature = "sqlite"),
                "an engine that is not built judges no options"
            );
        }
    }
}
