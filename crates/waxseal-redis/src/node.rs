//! One server and its connections.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, Value};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};

use crate::address::Address;
use crate::error::RedisError;
use crate::host::Host;
use waxseal_store::NetworkOptions;
use waxseal_store::network::{CallError, CircuitBreaker, NetworkLimits, Permit};

/// The number of calls on one connection before another takes part.
///
/// A larger number saves little. A smaller one costs more system calls, here and on the server.
pub(crate) const CALLS_PER_CONNECTION: usize = 64;

/// A server. Each of its connections carries many calls at once, in order.
pub(crate) struct Node {
    host: Host,
    tls: bool,
    password: bool,
    /// `true` if each new connection is checked to lead to a primary. In a cluster this is not needed, because a server
    /// redirects commands for which it is not the primary.
    check_role: bool,
    client: Client,
    connect_timeout: Duration,
    /// The time without an answer after which a call doubts its connection.
    patience: Duration,
    ordinary: Pool,
    /// Connections for writes that wait for replicas or disks, because a waiting connection cannot serve other calls.
    waiting: Pool,
    /// Only in a cluster. For a single server, the policy's breaker is enough.
    breaker: Option<CircuitBreaker>,
    /// In a cluster, `true` if the last call could not reach the server, or waited for its answer in vain.
    doubtful: AtomicBool,
}

/// A pool of connections. As long as there are few calls, the first connections take all of them.
///
/// Calls on the same connection share the cost of sending, waking up and receiving.
struct Pool {
    slots: Box<[Slot]>,
    /// The number of calls on one connection before another takes part.
    together: usize,
}

/// A place for a connection, which is made when a call needs it.
struct Slot {
    link: AsyncMutex<Option<Arc<Link>>>,
    calls: AtomicUsize,
    /// The time of the last answer, or of the first call in flight.
    heard: Mutex<Instant>,
}

/// A connection.
struct Link {
    connection: MultiplexedConnection,
    broken: AtomicBool,
}

impl Link {
    fn works(&self) -> bool {
        !self.broken.load(Ordering::Relaxed)
    }
}

/// The role of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has all records.
    Primary,
    /// It has the records of some slots.
    Part,
    /// It knows which server is the primary.
    Sentinel,
}

impl Node {
    pub(crate) fn new(
        host: Host,
        role: Role,
        address: &Address,
        network: &NetworkOptions,
    ) -> Result<Self, RedisError> {
        let NetworkLimits { connect_timeout, command_timeout, connections, .. } = network.limits();
        let breaker =
            (role == Role::Part).then(|| CircuitBreaker::new(network, format!("the Redis server at {host}")));
        Ok(Self {
            breaker,
            doubtful: AtomicBool::new(false),
            tls: address.tls,
            password: address.password.is_some(),
            check_role: role == Role::Primary,
            client: address.client(&host)?,
            host,
            connect_timeout,
            patience: command_timeout / 2,
            ordinary: Pool::new(connections, CALLS_PER_CONNECTION),
            waiting: Pool::new(connections, 1),
        })
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Returns `true` if the server, a part of a cluster, did not answer its last call.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Relaxed)
    }

    /// Sends commands together and returns one answer for each, including errors of the server.
    ///
    /// `waits` is set for a command that waits for replicas or disks: if it takes long, this says little about the
    /// server itself.
    pub(crate) async fn send(&self, commands: &Pipeline, waits: bool) -> Result<Vec<Value>, RedisError> {
        let mut attempt = match &self.breaker {
            Some(breaker) => {
                let patience = if waits { Duration::MAX } else { self.patience };
                let permit = Some(breaker.permit()?);
                Some(Attempt { node: self, permit, since: Instant::now(), patience })
            }
            None => None,
        };
        let outcome = self.send_now(commands, if waits { &self.waiting } else { &self.ordinary }).await;
        if let Some(attempt) = &mut attempt {
            attempt.report(outcome.as_ref().is_err_and(RedisError::is_out_of_reach));
        }
        outcome
    }

    async fn send_now(&self, commands: &Pipeline, pool: &Pool) -> Result<Vec<Value>, RedisError> {
        let now = Instant::now();
        let slot = pool.slot(self.patience, now);
        let _call = Call::begin(slot, now);
        let (link, since) = match slot.standing() {
            Some(link) => (link, now),
            None => (self.link(slot).await?, Instant::now()),
        };
        let watch = Watch { slot, link: &link, since, patience: self.patience, answered: false };
        let mut connection = link.connection.clone();
        let outcome = connection.send_packed_commands(commands, 0, commands.len()).await;
        watch.answered(outcome.is_ok());
        outcome.map_err(RedisError::said)
    }

    /// Drops all connections. The next calls resolve the host name again, and check that the server is a primary.
    pub(crate) async fn forget_connections(&self) {
        for slot in self.ordinary.slots.iter().chain(&self.waiting.slots) {
            *slot.link.lock().await = None;
        }
    }

    /// Returns the connection of a slot, and makes it if there is none. Concurrent calls wait for the same connection.
    async fn link(&self, slot: &Slot) -> Result<Arc<Link>, RedisError> {
        let mut slot = slot.link.lock().await;
        match &*slot {
            Some(link) if link.works() => Ok(Arc::clone(link)),
            _ => {
                *slot = None;
                // Boxed, because it is rare and needs much space. `boxed` also erases the type: otherwise callers'
                // futures nest so deeply that the compiler asks for a higher recursion limit.
                let link = Arc::new(self.connect().boxed().await?);
                *slot = Some(Arc::clone(&link));
                Ok(link)
            }
        }
    }

    async fn connect(&self) -> Result<Link, RedisError> {
        // The client's own timeouts are off: the policy ends calls, and `Watch` detects broken connections.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connecting = async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            if self.check_role {
                let role: redis::RedisResult<Vec<Value>> =
                    redis::cmd("ROLE").query_async(&mut connection).await;
                match role {
                    Ok(role) if role.first() != Some(&Value::BulkString(b"master".to_vec())) => {
                        return Ok(None);
                    }
                    // A user who may not send `ROLE` finds out with the first write.
                    Err(error) if error.code() != Some("NOPERM") => return Err(error),
                    _ => {}
                }
            }
            Ok(Some(connection))
        };
        let connected = timeout(self.connect_timeout, connecting).await.unwrap_or_else(|_| {
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection in time").into())
        });
        let connection = connected
            .map_err(|error| RedisError::connecting(&self.host, self.tls, self.password, error))?
            .ok_or_else(|| RedisError::Replica(self.host.to_string()))?;
        Ok(Link { connection, broken: AtomicBool::new(false) })
    }
}

impl Pool {
    fn new(connections: usize, together: usize) -> Self {
        let slot = || Slot {
            link: AsyncMutex::default(),
            calls: AtomicUsize::new(0),
            heard: Mutex::new(Instant::now()),
        };
        Self { slots: (0..connections).map(|_| slot()).collect(), together }
    }

    /// The first slot that has space and whose connection answers, or the one with the fewest calls.
    fn slot(&self, patience: Duration, now: Instant) -> &Slot {
        let good = |slot: &&Slot| slot.calls() < self.together && !slot.is_silent(patience, now);
        let fewest = || self.slots.iter().min_by_key(|slot| slot.calls());
        self.slots.iter().find(good).or_else(fewest).expect("at least one connection is allowed")
    }
}

impl Slot {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns `true` if its calls have waited for so long that no others should be added.
    fn is_silent(&self, patience: Duration, now: Instant) -> bool {
        self.calls() > 0 && now.saturating_duration_since(self.heard()) >= patience
    }

    /// The connection, if there is one and nobody is about to replace it.
    fn standing(&self) -> Option<Arc<Link>> {
        self.link.try_lock().ok()?.as_ref().filter(|link| link.works()).cloned()
    }

    fn heard(&self) -> Instant {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, now: Instant) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

/// A call in flight. It is counted until it is dropped, even if the caller stops waiting.
struct Call<'a>(&'a Slot);

impl<'a> Call<'a> {
    fn begin(slot: &'a Slot, now: Instant) -> Self {
        if slot.calls.fetch_add(1, Ordering::Relaxed) == 0 {
            slot.hear(now);
        }
        Self(slot)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reports a call's outcome to the breaker, even if the caller stops waiting.
struct Attempt<'a> {
    node: &'a Node,
    permit: Option<Permit<'a>>,
    since: Instant,
    patience: Duration,
}

impl Attempt<'_> {
    fn report(&mut self, outage: bool) {
        if let Some(permit) = self.permit.take() {
            self.node.doubtful.store(outage, Ordering::Relaxed);
            permit.report(outage);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() >= self.patience {
            self.report(true);
        }
    }
}

/// Marks a connection as broken if it leaves its calls unanswered for too long.
///
/// The other end of such a connection may be gone, which TCP notices only after many minutes.
struct Watch<'a> {
    slot: &'a Slot,
    link: &'a Link,
    since: Instant,
    patience: Duration,
    answered: bool,
}

impl Watch<'_> {
    fn answered(mut self, sound: bool) {
        self.answered = true;
        if sound {
            self.slot.hear(Instant::now());
        } else {
            self.link.broken.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.answered && self.slot.heard() <= self.since && self.since.elapsed() >= self.patience {
            self.link.broken.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn begin(pool: &Pool) -> (usize, Call<'_>) {
        let now = Instant::now();
        let slot = pool.slot(PATIENCE, now);
        let at = pool.slots.iter().position(|other| std::ptr::eq(slot, other)).unwrap();
        (at, Call::begin(slot, now))
    }

    #[tokio::test(start_paused = true)]
    async fn few_calls_share_a_connection_and_many_are_spread() {
        let pool = Pool::new(3, 2);
        let mut calls: Vec<_> = (0..8).map(|_| begin(&pool)).collect();
        assert_eq!(calls.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2, 0, 1]);
        calls.retain(|(at, _)| *at != 1);
        assert_eq!(begin(&pool).0, 1, "where room is again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_fallen_silent_gets_no_more_calls() {
        let pool = Pool::new(2, 64);
        advance(PATIENCE).await;
        let (at, silent) = begin(&pool);
        assert_eq!(at, 0, "it was idle, not silent");
        advance(PATIENCE / 2).await;
        let (at, answered) = begin(&pool);
        assert_eq!(at, 0);
        answered.0.hear(Instant::now());
        drop(answered);
        advance(PATIENCE / 2).await;
        assert_eq!(begin(&pool).0, 0, "it answers others");
        advance(PATIENCE / 2).await;
        assert_eq!(begin(&pool).0, 1);
        drop(silent);
        assert_eq!(begin(&pool).0, 0, "it may try again once nobody waits");
    }
}
