//! The error of the store.

use std::sync::Arc;

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::address::Address;
use waxseal_store::network::CallError;
use waxseal_store::{Fault, Unavailable};

/// The error of a store in PostgreSQL. It shows neither the password nor the contents of a row.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The URL is invalid.
    #[error(
        "invalid PostgreSQL URL: {0}; it looks like \
         postgres://user:password@host:5432/database?sslmode=require, \
         with @ : / ? # % in names and password written as %40 %3A %2F %3F %23 %25"
    )]
    Url(&'static str),
    /// The schema's name would need quoting.
    #[error("{0:?} cannot be the schema's name; take up to 63 of a-z, 0-9 and _, a letter first")]
    SchemaName(String),
    /// The file of root certificates, or the system's, cannot be used.
    #[error("root certificates for TLS to PostgreSQL could not be read{}", from(.0))]
    Roots(Option<std::path::PathBuf>, #[source] Arc<dyn std::error::Error + Send + Sync>),
    /// No server answers there.
    #[error(
        "no connection to PostgreSQL at {0}; check host and port in the URL, and that it runs and listens there"
    )]
    Unreachable(Address, #[source] Arc<dyn std::error::Error + Send + Sync>),
    /// What listens there says nothing.
    #[error(
        "nothing answered at {0} within {1:?}; check host and port in the URL, and that PostgreSQL listens there"
    )]
    Silent(Address, std::time::Duration),
    /// The server offers no TLS, or a certificate that is not trusted.
    #[error(
        "no TLS connection to PostgreSQL at {0}; check sslmode in the URL, and that its certificate is for that \
         name and signed by a root this machine, or the file given as root_certificates, knows"
    )]
    Tls(Address, #[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The user or the password is wrong, or the server requires another authentication method.
    #[error(
        "PostgreSQL at {0} refused the user: {1}; check user and password in the URL, and its pg_hba.conf"
    )]
    Refused(Address, String),
    /// The URL names a database that does not exist.
    #[error("PostgreSQL at {0} has no such database: {1}; create it or correct the URL")]
    NoDatabase(Address, String),
    /// The server answers, but takes no writes.
    #[error(
        "PostgreSQL at {0} takes no writes: it is a standby, in recovery, or set read-only; name the primary in \
         the URL, or all servers as host1:5432,host2:5432"
    )]
    ReadOnly(Address),
    /// The server is older than PostgreSQL 12.
    #[error("PostgreSQL at {0} is of version {1}; the session tables need 12 or later")]
    TooOld(Address, i32),
    /// The user lacks a right.
    #[error(
        "{0}; grant it, or have an administrator run the script that `waxseal schema` prints, and set migrate \
         to false"
    )]
    Rights(String),
    /// The schema has tables of another program.
    #[error("the schema {0} holds another program's tables; give the sessions one of their own with schema")]
    Foreign(String),
    /// The tables are missing or of an older release, and `migrate` is off.
    #[error(
        "the schema {schema} is at version {found}, and this release needs {known}; set migrate to true, or run \
         the script that `waxseal schema` prints"
    )]
    Older {
        /// The schema.
        schema: String,
        /// Its version; 0 if there are no tables.
        found: i32,
        /// The version needed.
        known: i32,
    },
    /// The tables are missing or of an older release, and only [existing](crate::PostgresOptions::existing) ones of this
    /// release were asked for.
    #[error(
        "the schema {schema} is at version {found}, and this program needs {known} and changes none; is it the app's \
         database and schema, and this program of the app's release?"
    )]
    Unmigrated {
        /// The schema.
        schema: String,
        /// Its version; 0 if there are no tables.
        found: i32,
        /// The version needed.
        known: i32,
    },
    /// A newer release has migrated the tables.
    #[error(
        "the schema {schema} is at version {found}, and this release knows up to {known}; run the newer release"
    )]
    Newer {
        /// The schema.
        schema: String,
        /// Its version.
        found: i32,
        /// The newest version that this release knows.
        known: i32,
    },
    /// The level of `synchronous_commit` is not the requested one, and cannot be set for this store only.
    #[error(
        "synchronous_commit is {found} and {wanted} was asked for; behind a pooler set it for the role: \
         ALTER ROLE … SET synchronous_commit = {wanted}"
    )]
    Durability {
        /// The requested level.
        wanted: &'static str,
        /// The actual level.
        found: String,
    },
    /// The connections use another isolation level than READ COMMITTED, and it cannot be set for this store only.
    #[error(
        "the connections run under {0}, and sessions need read committed; set it in the pool, or for the role: \
         ALTER ROLE … SET default_transaction_isolation = 'read committed'"
    )]
    Isolation(String),
    /// A prepared statement did not exist: a pooler in transaction mode is in between, and the option
    /// [`pooler`](crate::PostgresOptions::pooler) is not set.
    #[error("prepared statements get lost: {0}; behind a pooler in transaction mode set pooler")]
    Prepared(String),
    /// The connection broke, or an answer could not be understood.
    #[error("the connection to PostgreSQL broke")]
    Broken(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// No answer came in time, too many calls are waiting, or the circuit breaker is open.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The server cannot do the call at present.
    #[error("PostgreSQL cannot do it now: {message} ({code})")]
    Cannot {
        /// Its SQLSTATE.
        code: String,
        /// Its message.
        message: String,
    },
    /// A statement failed because of a defect of this crate, or because another program changed the tables.
    #[error("a statement of the session tables failed: {message} ({code})")]
    Statement {
        /// Its SQLSTATE.
        code: String,
        /// Its message.
        message: String,
    },
    /// Another program wrote into the tables.
    #[error("a row of the session tables holds what no release wrote")]
    Row(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl PostgresError {
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Url(_) | Self::SchemaName(_) | Self::Statement { .. } | Self::Row(_) => Fault::Defect,
            Self::Cannot { code, .. } if code == SqlState::DISK_FULL.code() => Fault::Full,
            _ => Fault::Outage,
        }
    }

    pub(crate) fn row(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Row(Arc::new(source))
    }

    /// Converts the error of a statement. PostgreSQL's details are left out, because they may quote rows.
    pub(crate) fn new(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else { return Self::Broken(Arc::new(error)) };
        let (code, message) = (said.code(), said.message().to_owned());
        match *code {
            SqlState::INSUFFICIENT_PRIVILEGE => Self::Rights(message),
            SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => Self::Prepared(message),
            _ if is_a_state_of_the_server(code) => Self::Cannot { code: code.code().to_owned(), message },
            _ => Self::Statement { code: code.code().to_owned(), message },
        }
    }

    /// Converts the error of making a connection.
    pub(crate) fn connecting(error: tokio_postgres::Error, at: &Address) -> Self {
        let at = at.clone();
        if let Some(said) = error.as_db_error() {
            let message = said.message().to_owned();
            return match *said.code() {
                SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                    Self::Refused(at, message)
                }
                SqlState::INVALID_CATALOG_NAME => Self::NoDatabase(at, message),
                _ => Self::new(error),
            };
        }
        // The client distinguishes these only by its text.
        let (text, source) = (error.to_string(), std::error::Error::source(&error));
        let denied = source
            .and_then(|source| source.downcast_ref::<std::io::Error>())
            .is_some_and(|source| source.kind() == std::io::ErrorKind::PermissionDenied);
        match text.as_str() {
            "error connecting to server" if denied => Self::ReadOnly(at),
            "error connecting to server" => Self::Unreachable(at, Arc::new(error)),
            "error performing TLS handshake" => Self::Tls(at, Arc::new(error)),
            "authentication error" | "invalid configuration" => {
                let said = source.map(ToString::to_string).unwrap_or_default();
                Self::Refused(at, said)
            }
            _ => Self::Broken(Arc::new(error)),
        }
    }

    /// The error of the first connection, which says where no answer came from.
    pub(crate) fn starting(self, at: &Address) -> Self {
        match self {
            Self::Unavailable(Unavailable::Timeout(within)) => Self::Silent(at.clone(), within),
            other => other,
        }
    }

    pub(crate) fn pool(error: PoolError, at: &Address, timeout: std::time::Duration) -> Self {
        match error {
            PoolError::Backend(error) => Self::connecting(error, at),
            PoolError::PostCreateHook(HookError::Backend(error)) => Self::new(error),
            PoolError::Timeout(_) => Self::Unavailable(Unavailable::Timeout(timeout)),
            // For example, the app has closed its pool.
            error => Self::Broken(Arc::new(error)),
        }
    }

    /// Returns `true` if the connection that caused the error can still be used.
    pub(crate) fn spares_the_connection(&self) -> bool {
        match self {
            Self::Statement { .. } | Self::Rights(_) => true,
            // Read-only: another server is the primary now.
            Self::Cannot { code, .. } => ["53", "40", "55"].iter().any(|class| code.starts_with(class)),
            _ => false,
        }
    }
}

/// Returns `true` if waiting, a failover or an operator can resolve the error.
fn is_a_state_of_the_server(code: &SqlState) -> bool {
    // By class: connections, authorisation, a database or schema that no longer exists, rollbacks, resources, locks,
    // operators, disks, damaged configuration or data. By code: read-only, tables or columns that no longer exist, and
    // a cached plan that a migration made invalid.
    ["08", "28", "3D", "3F", "40", "53", "55", "57", "58", "F0", "XX"]
        .iter()
        .any(|class| code.code().starts_with(class))
        || [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::UNDEFINED_TABLE,
            SqlState::UNDEFINED_COLUMN,
            SqlState::FEATURE_NOT_SUPPORTED,
        ]
        .contains(code)
}

impl CallError for PostgresError {
    fn is_out_of_reach(&self) -> bool {
        match self {
            // With a full disk or a lock, the server can still serve other calls.
            Self::Cannot { code, .. } => !(code.starts_with("531") || code.starts_with("55")),
            _ => self.fault() == Fault::Outage,
        }
    }

    /// `true` for a refusal, because a call is one statement, which the refusal ends.
    ///
    /// `false` for an error that ends the connection: it may come between the commit and its answer.
    fn is_surely_undone(&self) -> bool {
        match self {
            Self::Unreachable(..) | Self::Tls(..) | Self::Refused(..) | Self::NoDatabase(..) => true,
            Self::ReadOnly(_) | Self::Prepared(_) => true,
            Self::Cannot { code, .. } => {
                ["25", "40", "53"].iter().any(|class| code.starts_with(class))
                    || code == SqlState::CANNOT_CONNECT_NOW.code()
            }
            _ => false,
        }
    }
}

fn from(path: &Option<std::path::PathBuf>) -> String {
    path.as_ref().map(|path| format!(" from {}", path.display())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waiting_or_an_operator_heals_is_an_outage() {
        for (state, outage) in [
            (SqlState::CONNECTION_FAILURE, true),
            (SqlState::ADMIN_SHUTDOWN, true),
            (SqlState::CANNOT_CONNECT_NOW, true),
            (SqlState::QUERY_CANCELED, true),
            (SqlState::TOO_MANY_CONNECTIONS, true),
            (SqlState::DISK_FULL, true),
            (SqlState::LOCK_NOT_AVAILABLE, true),
            (SqlState::T_R_DEADLOCK_DETECTED, true),
            (SqlState::READ_ONLY_SQL_TRANSACTION, true),
            (SqlState::UNDEFINED_TABLE, true),
            (SqlState::DATA_CORRUPTED, true),
            (SqlState::UNIQUE_VIOLATION, false),
            (SqlState::NOT_NULL_VIOLATION, false),
            (SqlState::SYNTAX_ERROR, false),
            (SqlState::UNDEFINED_FUNCTION, false),
            (SqlState::NUMERIC_VALUE_OUT_OF_RANGE, false),
        ] {
            assert_eq!(is_a_state_of_the_server(&state), outage, "{state:?}");
        }
    }

    #[test]
    fn a_connection_to_a_server_that_became_a_standby_is_not_kept() {
        let cannot =
            |state: SqlState| PostgresError::Cannot { code: state.code().to_owned(), message: String::new() };
        assert!(!cannot(SqlState::READ_ONLY_SQL_TRANSACTION).spares_the_connection());
        assert!(cannot(SqlState::DISK_FULL).spares_the_connection());
        assert!(!cannot(SqlState::DISK_FULL).is_out_of_reach());
    }
}
