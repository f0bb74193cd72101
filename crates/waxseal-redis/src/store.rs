//! The store.

use std::fmt;
use std::sync::Arc;

use redis::{Client, Value};
use tokio::time::timeout;

use crate::address::Address;
use crate::commands::Commands;
use crate::error::RedisError;
use crate::keys::Keys;
use crate::last_owners::LastOwners;
use crate::node::CALLS_PER_CONNECTION;
use crate::options::{RedisDurability, RedisOptions};
use crate::parameters;
use crate::router::Router;
use crate::rows::new_pass;
use waxseal_store::network::{CallPolicy, NetworkLimits, Retry};
use waxseal_store::{
    Creation, Cursor, Fault, Found, Listed, Page, PublicId, Record, RecordHead, RecordKey, Revision,
    SessionStore, Swap, Timestamp, Unavailable, Usage,
};

/// Keeps records in Redis (6.0 or newer) or Valkey, in one primary or in a cluster.
///
/// Most methods are one round trip on one server. In a cluster they take two for a session with an owner, whose
/// generation is on another server. Reads go only to primaries. The server expires records by itself, a little late and
/// never early, so `purge` has nothing to do.
///
/// If a server is away, a call fails within
/// [`NetworkOptions::command_timeout`](waxseal_store::NetworkOptions::command_timeout), or at once while a circuit
/// breaker is open; nothing has to be restarted. [`RedisDurability`] says what an acknowledged write survives.
///
/// Clones share the connections, which belong to the tokio runtime on which the store was opened.
///
/// # Example
///
/// ```no_run
/// use waxseal_redis::{RedisError, RedisStore};
///
/// # async fn open() -> Result<(), RedisError> {
/// let store = RedisStore::options("rediss://app:password@sessions.example:6379").prefix("wizard:").open().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    shared: Arc<Shared>,
}

struct Shared {
    policy: CallPolicy,
    /// The policy of writes that wait for replicas or disks. It is separate, so that a replica that is away does not
    /// stop reads.
    patient: Option<CallPolicy>,
    commands: Commands,
}

impl RedisStore {
    /// Opens the store at `url` with default [options](Self::options).
    ///
    /// # Errors
    ///
    /// As for [`RedisOptions::open`].
    pub async fn open(url: &str) -> Result<Self, RedisError> {
        Self::options(url).open().await
    }

    /// Settings for a store at `url`.
    ///
    /// The URL is `redis://user:password@host:port/database`, or `rediss://…` for TLS. For a cluster it is
    /// `redis-cluster://host:port,host:port` or `rediss-cluster://…`; one of the hosts has to answer.
    pub fn options(url: &str) -> RedisOptions {
        RedisOptions::new(url)
    }

    /// Settings for a store at the server of the app's own client: its address, TLS, user, password, database and
    /// protocol.
    ///
    /// The store makes its own connections with that client, because a connection that waits for replicas cannot serve
    /// other calls. The client is for one server, not for a cluster, and has to be from the version of [`redis`] that
    /// this crate re-exports.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use waxseal_redis::{RedisStore, redis::Client};
    ///
    /// # async fn open(client: &Client) -> Result<(), waxseal_redis::RedisError> {
    /// let store = RedisStore::from_client(client.clone()).prefix("wizard:sessions:").open().await?;
    /// # Ok(()) }
    /// ```
    pub fn from_client(client: Client) -> RedisOptions {
        RedisOptions { client: Some(client), ..RedisOptions::new("") }
    }

    async fn with(options: RedisOptions) -> Result<Self, RedisError> {
        let RedisOptions { url, client, prefix, durability, allow_eviction, network } =
            parameters::taken(options)?;
        let address = client.map_or_else(|| Address::parse(&url), |client| Ok(Address::of(&client)))?;
        let keys = Keys::new(&prefix)?;
        durability.check(&network)?;
        if address.tls {
            // The app may have installed a provider already.
            _ = rustls::crypto::ring::default_provider().install_default();
        }
        let NetworkLimits { connect_timeout, command_timeout, connections, .. } = network.limits();
        let limit = connect_timeout + command_timeout;
        let concurrency_limit = connections * CALLS_PER_CONNECTION;
        let cluster = address.cluster;
        let make = if cluster { CallPolicy::without_breaker } else { CallPolicy::new };
        let policy = || make(&network, concurrency_limit);
        let patient = (durability != RedisDurability::Primary).then(policy);
        let policy = policy();
        let router = Arc::new(Router::new(address, network)?);
        let commands = Commands { router, keys, durability, last_owners: LastOwners::default() };
        let looked = timeout(limit, commands.look_around(allow_eviction)).await;
        looked.unwrap_or(Err(Unavailable::Timeout(limit).into()))?;
        Ok(Self { shared: Arc::new(Shared { policy, patient, commands }) })
    }

    /// Makes a call with the durability that was set.
    async fn keep<'a, T, F>(
        &'a self,
        retry: Retry,
        attempt: impl Fn(&'a Commands) -> F,
    ) -> Result<T, RedisError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let Shared { policy, patient, commands } = &*self.shared;
        patient.as_ref().unwrap_or(policy).call(retry, || attempt(commands)).await
    }

    async fn call<'a, T, F>(
        &'a self,
        retry: Retry,
        attempt: impl Fn(&'a Commands) -> F,
    ) -> Result<T, RedisError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        self.shared.policy.call(retry, || attempt(&self.shared.commands)).await
    }
}

impl RedisOptions {
    /// Connects, and checks the server: its role, its version, whether it may evict sessions, and what it may lose when
    /// it stops. Warnings go to `tracing`.
    ///
    /// The connections belong to the tokio runtime on which this is called.
    ///
    /// # Errors
    ///
    /// [`RedisError`] says why the server cannot be used.
    pub async fn open(self) -> Result<RedisStore, RedisError> {
        RedisStore::with(self).await
    }
}

impl SessionStore for RedisStore {
    type Error = RedisError;

    fn fault(error: &RedisError) -> Fault {
        error.fault()
    }

    async fn load(&self, key: &RecordKey, now: Timestamp) -> Result<Option<Found<Record>>, RedisError> {
        self.call(Retry::Idempotent, |commands| commands.load(key, now)).await
    }

    async fn revalidate(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, RedisError> {
        self.call(Retry::Idempotent, |commands| commands.revalidate(key, now)).await
    }

    async fn confirm(&self, key: &RecordKey, now: Timestamp) -> Result<(), RedisError> {
        let row = &self.shared.commands.keys.row(key.public_id());
        self.keep(Retry::Idempotent, |commands| commands.confirm(row, now)).await
    }

    async fn create(&self, key: &RecordKey, record: &Record, now: Timestamp) -> Result<Creation, RedisError> {
        self.keep(Retry::IfUndone, |commands| commands.create(key, record, now)).await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, RedisError> {
        self.keep(Retry::IfUndone, |commands| commands.swap(key, expected, None, record, now)).await
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> Result<bool, RedisError> {
        self.call(Retry::Idempotent, |commands| commands.touch(key, idle_end, now)).await
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        now: Timestamp,
    ) -> Result<Swap, RedisError> {
        let renewal = Some((new, tombstone_expires));
        self.keep(Retry::IfUndone, |commands| commands.swap(old, expected, renewal, record, now)).await
    }

    async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, RedisError> {
        self.keep(Retry::Idempotent, |commands| commands.delete(key, now)).await
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, RedisError> {
        self.keep(Retry::Idempotent, |commands| commands.rewrap(key, revision, kid, sealed, now)).await
    }

    async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, RedisError> {
        self.call(Retry::Idempotent, |commands| commands.sealed_otherwise(kid, after, limit, now)).await
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, RedisError> {
        self.call(Retry::Idempotent, |commands| commands.list(owner, after, limit, now)).await
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, RedisError> {
        self.call(Retry::Idempotent, |commands| commands.owned(owner, public_id, now)).await
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, RedisError> {
        self.keep(Retry::Idempotent, |commands| commands.end(owner, public_id, now)).await
    }

    /// Takes three round trips with a session to keep, and one without. An ended session takes up space until it
    /// expires.
    async fn end_all(&self, owner: &str, keep: Option<&RecordKey>, now: Timestamp) -> Result<(), RedisError> {
        let pass = &new_pass()?;
        self.keep(Retry::Idempotent, |commands| commands.end_all(owner, keep, pass, now)).await
    }

    /// Does nothing: the server expires records by itself.
    async fn purge(&self, _: Timestamp, _: usize) -> Result<usize, RedisError> {
        Ok(0)
    }

    /// Checks that every primary answers, and that one of them takes a write.
    async fn ready(&self) -> Result<(), RedisError> {
        self.call(Retry::Idempotent, Commands::probe).await
    }

    /// Returns the memory use of the fullest server, if its `maxmemory` is set and the user may ask for it. Records are
    /// not counted, because other programs may have keys there.
    async fn usage(&self) -> Result<Usage, RedisError> {
        self.call(Retry::Idempotent, Commands::usage).await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, RedisError> {
        self.call(Retry::Idempotent, Commands::clock).await
    }
}

impl Commands {
    async fn usage(&self) -> Result<Usage, RedisError> {
        let mut fullest: Option<f64> = None;
        for range in &self.router.primaries().await? {
            let mut info = redis::Pipeline::new();
            info.cmd("INFO").arg("memory");
            let answer = self.router.send_to(&range.primary, &info).await?.pop().unwrap_or_default();
            let Ok(text) = redis::from_redis_value::<String>(answer) else { continue };
            let bytes = |name: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<f64>().ok())
            };
            let share = bytes("maxmemory").filter(|max| *max > 0.0).zip(bytes("used_memory"));
            fullest = share.map(|(max, used)| used / max).into_iter().chain(fullest).reduce(f64::max);
        }
        Ok(fullest.map_or_else(Usage::default, |share| Usage::default().fullness(share)))
    }

    async fn clock(&self) -> Result<Option<Timestamp>, RedisError> {
        let answer = self.send(&self.keys.probe(), [redis::cmd("TIME")]).await?.pop().unwrap_or(Value::Nil);
        let (seconds, micros): (u64, u64) = redis::from_redis_value(answer)
            .map_err(|_| RedisError::Shape("an answer to `TIME` that is none"))?;
        Ok(Some(Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.shared.commands.router.address();
        f.debug_struct("RedisStore").field("address", &format_args!("{address}")).finish_non_exhaustive()
    }
}
