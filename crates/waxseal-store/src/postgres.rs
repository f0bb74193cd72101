//! A store in PostgreSQL.

mod connection;
mod durability;
mod error;
mod hosts;
mod options;
mod parameters;
mod pool;
mod rows;
mod schema;
mod statements;

use std::fmt;
use std::sync::Arc;

use deadpool_postgres::Pool;

use self::connection::Connection;
pub use self::durability::{PostgresPromise, SynchronousCommit};
pub use self::error::PostgresError;
pub use self::options::{Address, Pooler, PostgresOptions};
use self::rows::column;
use self::statements::{BATCH, Statements};
use crate::network::{Guard, Repeat};
use crate::record::{Creation, Cursor, Found, Listed, Page, Record, RecordHead, Swap};
use crate::{Fault, PublicId, RecordKey, Revision, SessionStore, Timestamp};

/// Keeps records in PostgreSQL 12 or later, in tables of their own that the store makes and migrates.
///
/// Each call is one statement in one round trip, a transaction of its own under READ COMMITTED, on one of a few
/// pooled connections to the primary. Timeouts, repeats and the breaker are as [`NetworkOptions`] say; what a write is
/// safe from, as [`promise`](Self::promise) says; all of it, with what was tried, in `docs/stores.md`.
///
/// Clones share connections.
///
/// # Example
///
/// ```no_run
/// use waxseal_store::{NetworkOptions, PostgresStore};
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
/// [`NetworkOptions`]: crate::NetworkOptions
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    guard: Guard,
    statements: Statements,
    address: Address,
    promise: PostgresPromise,
    options: PostgresOptions,
}

impl PostgresStore {
    /// Opens the store in the database at `url` with the usual [options](Self::options).
    ///
    /// # Errors
    ///
    /// As for [`PostgresOptions::open`].
    pub async fn open(url: &str) -> Result<Self, PostgresError> {
        Self::options(url).open().await
    }

    /// What to set before opening the database at `url`: `postgres://user:password@host:port/database`, with several
    /// hosts as `host1:port,host2:port`, of which the one that takes writes is found; with `?sslmode=require`, for
    /// `prefer` (the default) does without TLS if the server has none.
    pub fn options(url: &str) -> PostgresOptions {
        PostgresOptions::new(url)
    }

    /// What an acknowledged write is safe from.
    #[must_use]
    pub fn promise(&self) -> &PostgresPromise {
        &self.shared.promise
    }

    async fn with(options: PostgresOptions) -> Result<Self, PostgresError> {
        let options = parameters::taken(&options)?;
        options.check_schema_name()?;
        let configs = options.configs()?;
        let address = Address::of(&configs);
        let pool = pool::pool(&options, configs)?;
        let statements = Statements::new(&options.schema);
        let promise = {
            let mut on = connection(&pool, &statements, &address, &options).await?;
            let promise = look_at_the_server(&mut on, &address, &options).await?;
            schema::prepare(&mut on, options.migrate).await?;
            promise
        };
        tracing::info!("sessions are kept in PostgreSQL at {address}; {promise}");
        let guard = Guard::new(options.network.clone(), options.network.connections);
        Ok(Self { shared: Arc::new(Shared { pool, guard, statements, address, promise, options }) })
    }

    /// Does `work` on a connection.
    async fn call<'a, T, F>(
        &'a self,
        repeat: Repeat,
        work: impl Fn(Connection<'a>) -> F,
    ) -> Result<T, PostgresError>
    where
        F: Future<Output = Result<T, PostgresError>>,
    {
        let Shared { pool, guard, statements, address, options, .. } = &*self.shared;
        let attempt = || async { work(connection(pool, statements, address, options).await?).await };
        guard.call(repeat, attempt).await
    }
}

async fn connection<'a>(
    pool: &Pool,
    statements: &'a Statements,
    address: &Address,
    options: &'a PostgresOptions,
) -> Result<Connection<'a>, PostgresError> {
    let timeout = options.network.connect_timeout;
    let object = pool.get().await.map_err(|error| PostgresError::pool(error, address, timeout))?;
    let prepare = options.pooler != Pooler::Transaction;
    Ok(Connection::new(object, statements, &options.schema, prepare))
}

/// Refuses a server that cannot serve sessions, and finds out what it promises.
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
             current_setting('synchronous_standby_names') <> ''",
        )
        .await?;
    let version: i32 = column(&row, 0)?;
    if version < OLDEST {
        return Err(PostgresError::TooOld(address.clone(), version / 10_000));
    }
    if column(&row, 1)? {
        return Err(PostgresError::ReadOnly(address.clone()));
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

impl SessionStore for PostgresStore {
    type Error = PostgresError;

    fn fault(error: &PostgresError) -> Fault {
        error.fault()
    }

    async fn load(&self, key: &RecordKey, now: Timestamp) -> Result<Option<Found<Record>>, PostgresError> {
        self.call(Repeat::Harmless, |mut on| async move { rows::load(&mut on, key, now).await }).await
    }

    async fn confirm(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, PostgresError> {
        self.call(Repeat::Harmless, |mut on| async move { rows::confirm(&mut on, key, now).await }).await
    }

    async fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Creation, PostgresError> {
        self.call(Repeat::Never, |mut on| async move { rows::create(&mut on, key, record, now).await }).await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, PostgresError> {
        self.call(
            Repeat::Never,
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
        self.call(Repeat::Harmless, |mut on| async move { rows::touch(&mut on, key, idle_end, now).await })
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
        self.call(Repeat::Never, |mut on| async move {
            rows::renew(&mut on, old, expected, new, record, tombstone_expires, now).await
        })
        .await
    }

    async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, PostgresError> {
        self.call(Repeat::Harmless, |mut on| async move { rows::delete(&mut on, key, now).await }).await
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, PostgresError> {
        self.call(Repeat::Harmless, |mut on| async move {
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
        self.call(Repeat::Harmless, |mut on| async move {
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
            Repeat::Harmless,
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
        self.call(Repeat::Harmless, |mut on| async move { rows::owned(&mut on, owner, public_id, now).await })
            .await
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, PostgresError> {
        self.call(Repeat::Harmless, |mut on| async move { rows::end(&mut on, owner, public_id, now).await })
            .await
    }

    async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        now: Timestamp,
    ) -> Result<(), PostgresError> {
        self.call(Repeat::Harmless, |mut on| async move { rows::end_all(&mut on, owner, keep, now).await })
            .await
    }

    /// In batches, each a transaction of its own; several processes may purge at once.
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, PostgresError> {
        let mut purged = 0;
        for sql in statements::PURGES {
            loop {
                let batch = (limit - purged).min(BATCH);
                let taken =
                    self.call(Repeat::Harmless, |mut on| async move {
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
            .call(Repeat::Never, |mut on| async move {
                let sql = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'";
                column::<bool>(&on.row_once(sql).await?, 0)
            })
            .await?;
        if read_only { Err(PostgresError::ReadOnly(self.shared.address.clone())) } else { Ok(()) }
    }

    async fn clock(&self) -> Result<Option<Timestamp>, PostgresError> {
        self.call(Repeat::Never, |mut on| async move {
            let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
            rows::moment(&on.row_once(sql).await?, 0).map(Some)
        })
        .await
    }
}

/// Without the URL, which may hold a password.
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
