//! The store.

use std::fmt;
use std::sync::Arc;

use deadpool_postgres::Pool;

use crate::address::Address;
use crate::columns::{column, moment};
use crate::connection::Connection;
use crate::durability::{PostgresPromise, SynchronousCommit};
use crate::error::PostgresError;
use crate::options::{Pooler, PostgresOptions};
use crate::statements::{BATCH, Statements};
use crate::{parameters, pool, rows, schema, statements, usage};
use waxseal_store::network::{CallPolicy, Retry};
use waxseal_store::{
    Creation, Cursor, Fault, Found, Listed, Page, PublicId, Record, RecordHead, RecordKey, Revision,
    SessionStore, Swap, Timestamp, Usage,
};

/// Keeps records in PostgreSQL 12 or later, in separate tables that the store creates and migrates.
///
/// Each call is one statement in one round trip, in its own transaction under READ COMMITTED, on one of a few pooled
/// connections to the primary. [`NetworkOptions`] set timeouts, retries and the circuit breaker.
/// [`promise`](Self::promise) returns what an acknowledged write survives.
///
/// Clones share connections.
///
/// # Example
///
/// ```no_run
/// use waxseal_postgres::PostgresStore;
/// use waxseal_store::NetworkOptions;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::options("postgres://shop@db.example.org/shop?sslmode=require")
///     .schema("shop_sessions")
///     .network(NetworkOptions::new().connections(16))
///     .open()
///     .await?;
/// println!("{}", store.promise());
/// # Ok(()) }
/// ```
///
/// [`NetworkOptions`]: waxseal_store::NetworkOptions
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    policy: CallPolicy,
    statements: Statements,
    address: Address,
    promise: PostgresPromise,
    options: PostgresOptions,
}

impl PostgresStore {
    /// Opens the store in the database at `url` with default [options](Self::options).
    ///
    /// # Errors
    ///
    /// As for [`PostgresOptions::open`].
    pub async fn open(url: &str) -> Result<Self, PostgresError> {
        Self::options(url).open().await
    }

    /// Settings for a store in the database at `url`.
    ///
    /// The URL is `postgres://user:password@host:port/database`. Of several hosts, as `host1:port,host2:port`, the
    /// store uses the one that takes writes. Add `?sslmode=require`: the default, `prefer`, connects without TLS if the
    /// server has none.
    pub fn options(url: &str) -> PostgresOptions {
        PostgresOptions::new(url)
    }

    /// Settings for a store that shares the app's own pool of connections.
    ///
    /// The pool determines the hosts, TLS, and the number and setup of connections. They must lead to the primary and
    /// use READ COMMITTED, PostgreSQL's default. The store does not change their settings:
    /// [`synchronous_commit`](PostgresOptions::synchronous_commit) is only checked, as behind a pooler. Of
    /// [`network`](PostgresOptions::network) only the timeout of a call, the queue, the retries and the circuit breaker
    /// apply. A call that times out closes its connection, and the pool makes another.
    ///
    /// The pool has to be from the version of [`deadpool_postgres`] that this crate re-exports.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use waxseal_postgres::{PostgresStore, deadpool_postgres::Pool};
    ///
    /// # async fn open(pool: &Pool) -> Result<(), waxseal_postgres::PostgresError> {
    /// let store = PostgresStore::from_pool(pool.clone()).schema("shop_sessions").open().await?;
    /// # Ok(()) }
    /// ```
    pub fn from_pool(pool: Pool) -> PostgresOptions {
        PostgresOptions { pool: Some(pool), ..PostgresOptions::new("") }
    }

    /// The failures that an acknowledged write survives.
    #[must_use]
    pub fn promise(&self) -> &PostgresPromise {
        &self.shared.promise
    }

    async fn with(options: PostgresOptions) -> Result<Self, PostgresError> {
        let options = parameters::taken(&options)?;
        options.check_schema_name()?;
        let (pool, address, connections) = match &options.pool {
            Some(pool) => (pool.clone(), Address::of_pool(), pool.status().max_size),
            None => {
                let configs = options.configs()?;
                let address = Address::of(&configs);
                (pool::pool(&options, configs)?, address, options.network.limits().connections)
            }
        };
        let statements = Statements::new(&options.schema);
        let promise = {
            let on = connection(&pool, &statements, &address, &options).await;
            let mut on = on.map_err(|error| error.starting(&address))?;
            let promise = look_at_the_server(&mut on, &address, &options).await?;
            schema::prepare(&mut on, &options).await?;
            promise
        };
        tracing::info!("sessions are kept in PostgreSQL at {address}; {promise}");
        let policy = CallPolicy::new(&options.network, connections);
        Ok(Self { shared: Arc::new(Shared { pool, policy, statements, address, promise, options }) })
    }

    /// Makes a call that does `work` on a connection.
    async fn call<'a, T, F>(
        &'a self,
        retry: Retry,
        work: impl Fn(Connection<'a>) -> F,
    ) -> Result<T, PostgresError>
    where
        F: Future<Output = Result<T, PostgresError>>,
    {
        let Shared { pool, policy, statements, address, options, .. } = &*self.shared;
        let attempt = || async { work(connection(pool, statements, address, options).await?).await };
        policy.call(retry, attempt).await
    }
}

async fn connection<'a>(
    pool: &Pool,
    statements: &'a Statements,
    address: &Address,
    options: &'a PostgresOptions,
) -> Result<Connection<'a>, PostgresError> {
    let timeout = options.network.limits().connect_timeout;
    let object = pool.get().await.map_err(|error| PostgresError::pool(error, address, timeout))?;
    let prepare = options.pooler != Pooler::Transaction;
    Ok(Connection::new(object, statements, &options.schema, prepare))
}

/// Refuses a server that cannot serve sessions, and reads its durability settings.
async fn look_at_the_server(
    on: &mut Connection<'_>,
    address: &Address,
    options: &PostgresOptions,
) -> Result<PostgresPromise, PostgresError> {
    const OLDEST: i32 = 120_000;
    let row = on
        .row_once(
            "SELECT current_setting('server_version_num')::int, \
             pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', \
             current_setting('synchronous_commit'), current_setting('fsync') = 'on', \
             current_setting('synchronous_standby_names') <> '', current_setting('transaction_isolation')",
        )
        .await?;
    let version: i32 = column(&row, 0)?;
    if version < OLDEST {
        return Err(PostgresError::TooOld(address.clone(), version / 10_000));
    }
    if column(&row, 1)? {
        return Err(PostgresError::ReadOnly(address.clone()));
    }
    let isolation: String = column(&row, 5)?;
    if isolation != "read committed" {
        return Err(PostgresError::Isolation(isolation));
    }
    let promise = PostgresPromise {
        synchronous_commit: column(&row, 2)?,
        fsync: column(&row, 3)?,
        synchronous_standbys: column(&row, 4)?,
    };
    match options.synchronous_commit.map(SynchronousCommit::name) {
        Some(wanted) if wanted != promise.synchronous_commit => {
            Err(PostgresError::Durability { wanted, found: promise.synchronous_commit })
        }
        _ => Ok(promise),
    }
}

impl PostgresOptions {
    /// Returns the script that creates or migrates the tables, and grants `role` the rights to use them.
    ///
    /// For an administrator, who runs it by hand (`psql -f`).
    ///
    /// # Errors
    ///
    /// [`PostgresError::SchemaName`], or [`PostgresError::Url`] if the URL's parameters are wrong.
    ///
    /// ```
    /// use waxseal_postgres::PostgresStore;
    ///
    /// let script = PostgresStore::options("").schema("shop_sessions").migration(Some("shop"))?;
    /// assert!(script.contains("CREATE TABLE shop_sessions.sessions"));
    /// assert!(script.contains("GRANT USAGE ON SCHEMA shop_sessions TO \"shop\""));
    /// # Ok::<(), waxseal_postgres::PostgresError>(())
    /// ```
    pub fn migration(&self, role: Option<&str>) -> Result<String, PostgresError> {
        let options = parameters::taken(self)?;
        options.check_schema_name()?;
        let quoted = role.map(|role| format!("\"{}\"", role.replace('"', "\"\"")));
        let grants = quoted.map(|role| schema::grants(&options.schema, &role)).unwrap_or_default();
        Ok(schema::script(&options.schema) + &grants)
    }

    /// Opens the store: connects once, checks the server, and creates, migrates or checks the tables. It needs a tokio
    /// runtime, which drives the connections and has to outlive the store.
    ///
    /// # Errors
    ///
    /// [`PostgresError`] says why it cannot be opened.
    pub async fn open(self) -> Result<PostgresStore, PostgresError> {
        PostgresStore::with(self).await
    }
}

impl SessionStore for PostgresStore {
    type Error = PostgresError;

    fn fault(error: &PostgresError) -> Fault {
        error.fault()
    }

    async fn load(&self, key: &RecordKey, now: Timestamp) -> Result<Option<Found<Record>>, PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move { rows::load(&mut on, key, now).await }).await
    }

    async fn revalidate(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move { rows::revalidate(&mut on, key, now).await }).await
    }

    async fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Creation, PostgresError> {
        self.call(Retry::IfUndone, |mut on| async move { rows::create(&mut on, key, record, now).await })
            .await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, PostgresError> {
        self.call(
            Retry::IfUndone,
            |mut on| async move { rows::update(&mut on, key, expected, record, now).await },
        )
        .await
    }

    async fn touch(
        &self,
        key: &RecordKey,
        idle_end: Timestamp,
        now: Timestamp,
    ) -> Result<bool, PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move { rows::touch(&mut on, key, idle_end, now).await })
            .await
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        now: Timestamp,
    ) -> Result<Swap, PostgresError> {
        self.call(Retry::IfUndone, |mut on| async move {
            rows::renew(&mut on, old, expected, new, record, tombstone_expires, now).await
        })
        .await
    }

    async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move { rows::delete(&mut on, key, now).await }).await
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move {
            rows::rewrap(&mut on, key, revision, kid, sealed, now).await
        })
        .await
    }

    async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move {
            rows::sealed_otherwise(&mut on, kid, after, limit, now).await
        })
        .await
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, PostgresError> {
        self.call(
            Retry::Idempotent,
            |mut on| async move { rows::list(&mut on, owner, after, limit, now).await },
        )
        .await
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, PostgresError> {
        self.call(
            Retry::Idempotent,
            |mut on| async move { rows::owned(&mut on, owner, public_id, now).await },
        )
        .await
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move { rows::end(&mut on, owner, public_id, now).await })
            .await
    }

    async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> Result<(), PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move { rows::end_all(&mut on, owner, keep, now).await })
            .await
    }

    /// Purges in batches, each in its own transaction. Several processes may purge at once.
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, PostgresError> {
        let mut purged = 0;
        for sql in statements::PURGES {
            loop {
                let batch = (limit - purged).min(BATCH);
                let taken =
                    self.call(Retry::Idempotent, |mut on| async move {
                        rows::purge(&mut on, sql, now, batch).await
                    })
                    .await?;
                purged += taken;
                if taken < batch || purged >= limit {
                    break;
                }
            }
        }
        Ok(purged)
    }

    async fn ready(&self) -> Result<(), PostgresError> {
        let read_only = self
            .call(Retry::IfUndone, |mut on| async move {
                let sql = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";
                column::<bool>(&on.row_once(sql).await?, 0)
            })
            .await?;
        if read_only { Err(PostgresError::ReadOnly(self.shared.address.clone())) } else { Ok(()) }
    }

    async fn usage(&self) -> Result<Usage, PostgresError> {
        self.call(Retry::Idempotent, |mut on| async move { usage::usage(&mut on).await }).await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, PostgresError> {
        self.call(Retry::IfUndone, |mut on| async move {
            let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
            moment(&on.row_once(sql).await?, 0).map(Some)
        })
        .await
    }
}

/// Does not show the URL, which may contain a password.
impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { address, promise, options, .. } = &*self.shared;
        f.debug_struct("PostgresStore")
            .field("address", address)
            .field("promise", promise)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schemas_name_needs_no_quotes() {
        let long = "a".repeat(64);
        for name in ["", "Shop", "shop-sessions", "1shop", "shop sessions", "a\"; DROP", "pg_shop", &long] {
            let options = PostgresOptions::new("").schema(name);
            assert!(matches!(options.migration(None), Err(PostgresError::SchemaName(_))), "{name}");
        }
        assert!(PostgresOptions::new("").schema("shop_sessions_2").migration(None).is_ok());
    }
}
