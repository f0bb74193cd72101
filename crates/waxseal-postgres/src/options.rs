//! Settings of the store.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use crate::durability::SynchronousCommit;
use crate::error::PostgresError;
use waxseal_store::NetworkOptions;

/// Settings of a store in PostgreSQL; made by [`PostgresStore::options`](crate::PostgresStore::options).
///
/// The URL can set most of them, as in `?schema=…&sslrootcert=…&migrate=false&pooler=transaction`, and overrides the
/// code, so that an operator has to set only the URL.
#[derive(Clone)]
#[must_use = "nothing is opened until `open` is called"]
pub struct PostgresOptions {
    /// May contain the password.
    pub(crate) url: String,
    /// The app's own pool, in place of a URL.
    pub(crate) pool: Option<Pool>,
    pub(crate) network: NetworkOptions,
    pub(crate) schema: String,
    pub(crate) migrate: bool,
    pub(crate) existing: bool,
    pub(crate) pooler: Pooler,
    pub(crate) synchronous_commit: Option<SynchronousCommit>,
    pub(crate) root_certificates: Option<PathBuf>,
}

/// The kind of pooler between the store and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pooler {
    /// No pooler, or one in session mode. Statements are prepared once for each connection, and the store changes the
    /// connection's settings.
    #[default]
    None,
    /// A pooler in transaction mode, such as `PgBouncer` of any version. Nothing is prepared and no setting is changed:
    /// each statement is sent as text.
    Transaction,
    /// A pooler in transaction mode that supports prepared statements: `PgBouncer` from 1.21 on with
    /// `max_prepared_statements` of 10 or more.
    PreparingTransaction,
}

impl PostgresOptions {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            pool: None,
            network: NetworkOptions::new(),
            schema: "waxseal".to_owned(),
            migrate: true,
            existing: false,
            pooler: Pooler::default(),
            synchronous_commit: None,
            root_certificates: None,
        }
    }

    /// Timeouts, connections, retries and the circuit breaker. Default: [`NetworkOptions::new`].
    pub fn network(mut self, network: NetworkOptions) -> Self {
        self.network = network;
        self
    }

    /// The schema of the tables. Each app in a shared database needs its own. Default: `waxseal`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Allows the store to create and migrate its tables. Default: `true`.
    ///
    /// If `false`, missing and older tables are refused, and an administrator has to run
    /// [`migration`](Self::migration).
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// Opens only tables of this release that are there already, and changes none, even with `migrate=true` in the URL. For
    /// tools beside an app: a newer one must not migrate the tables of an app that runs.
    pub fn existing(mut self) -> Self {
        self.existing = true;
        self
    }

    /// The kind of pooler between the store and the server. Default: [`Pooler::None`].
    pub fn pooler(mut self, pooler: Pooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// The moment at which a write is acknowledged. Default: the setting of the server, the database or the role.
    ///
    /// Behind a [`pooler`](Self::pooler) it is only checked.
    pub fn synchronous_commit(mut self, commit: SynchronousCommit) -> Self {
        self.synchronous_commit = Some(commit);
        self
    }

    /// A PEM file of root certificates to trust instead of the system's, as database providers publish it.
    pub fn root_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.root_certificates = Some(path.into());
        self
    }

    pub(crate) fn check_schema_name(&self) -> Result<(), PostgresError> {
        let name = self.schema.as_bytes();
        let fits = name.len() <= 63
            && name.first().is_some_and(u8::is_ascii_lowercase)
            && name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        // PostgreSQL reserves names that begin with this.
        if fits && !self.schema.starts_with("pg_") {
            Ok(())
        } else {
            Err(PostgresError::SchemaName(self.schema.clone()))
        }
    }

    /// The client's settings for each host of the URL.
    ///
    /// Errors of the client's parser are not passed on, because they may quote a part of the password.
    pub(crate) fn configs(&self) -> Result<Vec<Config>, PostgresError> {
        let url = self.url.trim();
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or(PostgresError::Url("it does not begin with postgres://"))?;
        // With a second `@`, a part of the password would be read as a host name, which errors show.
        if rest.matches('@').count() > 1 {
            return Err(PostgresError::Url("it has more than one @"));
        }
        // The client always checks certificate and name, so this is the same as `require`.
        let rest = rest.replace("sslmode=verify-full", "sslmode=require");
        let hosts_start = rest.find('@').map_or(0, |at| at + 1);
        let (user, rest) = rest.split_at(hosts_start);
        let (hosts, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let hosts: Vec<&str> = hosts.split(',').collect();
        let share = self.share(hosts.len());
        hosts.iter().map(|host| self.config(&format!("postgres://{user}{host}{rest}"), share)).collect()
    }

    fn config(&self, url: &str, share: Duration) -> Result<Config, PostgresError> {
        let mut config =
            Config::from_str(url).map_err(|_| PostgresError::Url("a part of it is not understood"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(PostgresError::Url("it names no host"));
        }
        if config.get_application_name().is_none() {
            config.application_name("waxseal");
        }
        config
            .connect_timeout(share)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(self.network.limits().command_timeout * 5)
            // Never connects to a standby.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(config)
    }

    /// The time for which each of several hosts is tried.
    pub(crate) fn share(&self, hosts: usize) -> Duration {
        self.network.limits().connect_timeout / u32::try_from(hosts.max(1)).unwrap_or(u32::MAX)
    }
}

/// Does not show the URL, which may contain a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url: _,
            pool: _,
            network,
            schema,
            migrate,
            existing,
            pooler,
            synchronous_commit,
            root_certificates,
        } = self;
        f.debug_struct("PostgresOptions")
            .field("network", network)
            .field("schema", schema)
            .field("migrate", migrate)
            .field("existing", existing)
            .field("pooler", pooler)
            .field("synchronous_commit", synchronous_commit)
            .field("root_certificates", root_certificates)
            .finish_non_exhaustive()
    }
}

/// Returns `true` if the URL allows TLS.
pub(crate) fn wants_tls(config: &Config) -> bool {
    config.get_ssl_mode() != SslMode::Disable
}

#[cfg(test)]
mod tests {
    use crate::address::Address;

    use super::*;

    #[test]
    fn a_url_that_is_wrong_is_refused_and_its_password_not_said() {
        for (case, url) in [
            ("nothing", ""),
            ("another kind", "mysql://albus:fawkes@localhost/db"),
            ("no scheme", "albus:fawkes@localhost/db"),
            ("a slip in the scheme", "postgres//albus:fawkes@localhost/db"),
            ("key and value", "host=localhost password=fawkes"),
            ("an @ in the password", "postgres://albus:fa@wkes@localhost/db"),
            ("a ? in the password, no user", "postgres://localhost/db?fawkes"),
            ("an unknown parameter", "postgres://albus:x@localhost/db?fawkes=1"),
            ("no number as a port", "postgres://albus:x@localhost:fawkes/db"),
            ("an unknown sslmode", "postgres://albus:x@localhost/db?sslmode=fawkes"),
            ("no host", "postgres:///db?password=fawkes"),
        ] {
            let options = PostgresOptions::new(url);
            let error = options.configs().err().unwrap_or_else(|| panic!("{case} is accepted"));
            for said in [format!("{error}"), format!("{error:?}"), format!("{options:?}")] {
                assert!(!said.contains("fawkes") && !said.contains("wkes"), "{case}: {said}");
            }
            assert!(matches!(error, PostgresError::Url(_)), "{case}: {error}");
        }
    }

    #[test]
    fn a_url_names_where_it_leads() {
        let configs = |url: &str| PostgresOptions::new(url).configs().unwrap();
        let config = |url: &str| configs(url).remove(0);
        for (url, address) in [
            ("postgres://albus:fawkes@localhost/db", "localhost:5432"),
            ("postgresql://albus@a:1,b:2/db?sslmode=verify-full", "a:1,b:2"),
            ("postgres://albus@[::1]:6000/db", "::1:6000"),
            ("postgres://albus@a,b:2", "a:5432,b:2"),
            ("postgres://a,b/db", "a:5432,b:5432"),
            ("postgres:///db?host=/run/postgresql", "/run/postgresql:5432"),
        ] {
            assert_eq!(Address::of(&configs(url)).to_string(), address);
        }
        assert_eq!(config("postgres://a@h/d?sslmode=verify-full").get_ssl_mode(), SslMode::Require);
        assert_eq!(config("postgres://a:%40%3A%2F@h/d").get_password(), Some(&b"@:/"[..]));
    }
}
