//! Sends commands to the server that has their key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use redis::{Pipeline, ServerErrorKind, Value};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, sleep, timeout};

use crate::address::Address;
use crate::error::RedisError;
use crate::host::Host;
use crate::node::{Node, Role};
use crate::refusal;
use crate::sentinels::Sentinels;
use crate::slots::{Division, Range, SlotMap, slot};
use waxseal_store::{NetworkOptions, Unavailable};

/// The number of redirections that a command follows before it fails. While a slot moves, there are usually two.
const MAX_REDIRECTIONS: usize = 5;
/// The pause after a refusal by a server whose slot is moving: then some of a script's keys are on one server and some
/// on the other.
const MOVE_PAUSE: Duration = Duration::from_millis(25);
/// The shortest time between two requests for the map of slots.
const MAP_INTERVAL: Duration = Duration::from_millis(100);

/// Finds the server of a key, even while a cluster moves the key or Sentinels promote another server.
///
/// The client library's own cluster connection is not used: it follows redirections only if retries are on, and with
/// retries it may do a creation twice (decision D88).
pub(crate) struct Router {
    address: Address,
    network: NetworkOptions,
    /// Used instead of a map of slots, if Sentinels know the primary.
    sentinels: Option<Arc<Sentinels>>,
    nodes: Mutex<HashMap<Host, Arc<Node>>>,
    /// The server of the URL, if there are neither a cluster nor Sentinels; set by the first call.
    one_server: OnceLock<Arc<Node>>,
    map: Mutex<Arc<SlotMap>>,
    stale: AtomicBool,
    /// The time of the last round of questions for the map. It is locked during a round.
    asked: Arc<AsyncMutex<Option<Instant>>>,
}

impl Router {
    pub(crate) fn new(address: Address, network: NetworkOptions) -> Result<Self, RedisError> {
        let stale = AtomicBool::new(address.cluster);
        let sentinels = Sentinels::new(&address, &network)?.map(Arc::new);
        let (nodes, one_server) = (Mutex::default(), OnceLock::new());
        let (map, asked) = (Mutex::default(), Arc::default());
        Ok(Self { address, network, sentinels, nodes, one_server, map, stale, asked })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.address.cluster
    }

    /// Sends commands about `key` on one connection, and returns their answers in order.
    ///
    /// `waits` is for a command that waits for replicas or disks.
    pub(crate) async fn send(
        self: &Arc<Self>,
        key: &str,
        commands: &Pipeline,
        waits: bool,
    ) -> Result<Vec<Value>, RedisError> {
        if self.is_cluster() {
            return self.send_by_map(slot(key), commands, waits).await;
        }
        let promoted;
        let node = match &self.sentinels {
            Some(sentinels) => {
                promoted = self.node(&sentinels.primary().await?)?;
                &*promoted
            }
            None => self.one_server()?,
        };
        let answers = self.send_observed(node, commands, waits).await?;
        self.look_at(node, answers).await
    }

    /// Sends commands to this server. If it is the primary that Sentinels know, the outcome of the call is recorded for
    /// them.
    async fn send_observed(
        &self,
        node: &Node,
        commands: &Pipeline,
        waits: bool,
    ) -> Result<Vec<Value>, RedisError> {
        let observation = self.sentinels.as_ref().map(|sentinels| sentinels.observe());
        let outcome = node.send(commands, waits).await;
        if let Some(observation) = observation {
            observation.ended(&outcome);
        }
        outcome
    }

    async fn send_by_map(
        self: &Arc<Self>,
        slot: u16,
        commands: &Pipeline,
        waits: bool,
    ) -> Result<Vec<Value>, RedisError> {
        let mut node = self.node_of(slot).await?;
        let mut asking = false;
        let mut redirections = 0;
        while redirections < MAX_REDIRECTIONS {
            let asked = if asking { &after_asking(commands) } else { commands };
            let mut answers = node.send(asked, waits).await?;
            if asking {
                answers = answers.into_iter().skip(1).step_by(2).collect();
            }
            if answers.iter().any(|answer| refusal::is(answer, &["TRYAGAIN"])) {
                // Repeats for as long as the caller waits.
                sleep(MOVE_PAUSE).await;
                (node, asking) = (self.node_of(slot).await?, false);
                continue;
            }
            redirections += 1;
            match answers.iter().find_map(redirection) {
                Some((kind, host)) => {
                    asking = kind == ServerErrorKind::Ask;
                    if !asking {
                        self.stale.store(true, Ordering::Relaxed);
                    }
                    let host = if host.name.is_empty() {
                        Host { name: node.host().name.clone(), ..host }
                    } else {
                        host
                    };
                    node = self.node(&host)?;
                }
                None => return self.look_at(&node, answers).await,
            }
        }
        Err(RedisError::Uncovered(slot))
    }

    /// Sends commands to this server, whatever keys it has.
    pub(crate) async fn send_to(&self, host: &Host, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        self.send_observed(&*self.node(host)?, commands, false).await
    }

    /// The primaries in the order of their slots; without a cluster, the one server.
    pub(crate) async fn primaries(&self) -> Result<Vec<Range>, RedisError> {
        if self.is_cluster() {
            self.refresh_if_stale().await?;
            return Ok(self.lock_map().primaries().into_iter().cloned().collect());
        }
        let primary = match &self.sentinels {
            Some(sentinels) => sentinels.primary().await?,
            None => self.address.hosts[0].clone(),
        };
        Ok(vec![Range { first: 0, last: crate::slots::SLOTS - 1, primary }])
    }

    /// The primaries, by a new map of slots, and the division of the slots among them.
    pub(crate) async fn parts(&self) -> Result<(Vec<Range>, Division), RedisError> {
        if !self.is_cluster() {
            return Ok((self.primaries().await?, Division::default()));
        }
        self.stale.store(true, Ordering::Relaxed);
        self.refresh_if_stale().await?;
        let map = self.lock_map();
        Ok((map.primaries().into_iter().cloned().collect(), map.division()))
    }

    /// A slot that no primary has, by a new map of slots.
    pub(crate) async fn gap(&self) -> Result<Option<u16>, RedisError> {
        if !self.is_cluster() {
            return Ok(None);
        }
        self.stale.store(true, Ordering::Relaxed);
        self.refresh_if_stale().await?;
        Ok(self.lock_map().gap())
    }

    /// Drops the connections to a server that was demoted, because it takes no writes and its reads may be stale.
    async fn look_at(&self, node: &Node, answers: Vec<Value>) -> Result<Vec<Value>, RedisError> {
        if answers.iter().any(|answer| refusal::is(answer, &["READONLY", "UNBLOCKED"])) {
            self.stale.store(self.is_cluster(), Ordering::Relaxed);
            if let Some(sentinels) = &self.sentinels {
                sentinels.doubt();
            }
            node.forget_connections().await;
        }
        Ok(answers)
    }

    /// The server of a slot. Only a slot that has none by the map waits for another map (decision D295).
    async fn node_of(self: &Arc<Self>, slot: u16) -> Result<Arc<Node>, RedisError> {
        if let Some(host) = self.lock_map().primary(slot) {
            let node = self.node(host)?;
            if node.is_doubtful() {
                self.stale.store(true, Ordering::Relaxed);
            }
            self.begin_refresh_if_stale();
            return Ok(node);
        }
        let refreshed = self.refresh_if_stale().await;
        match self.lock_map().primary(slot) {
            Some(host) => self.node(host),
            None => {
                self.stale.store(true, Ordering::Relaxed);
                Err(refreshed.err().unwrap_or(RedisError::Uncovered(slot)))
            }
        }
    }

    /// The server of the URL, if there are neither a cluster nor Sentinels.
    fn one_server(&self) -> Result<&Node, RedisError> {
        if self.one_server.get().is_none() {
            let node = self.node(&self.address.hosts[0])?;
            let _ = self.one_server.set(node);
        }
        Ok(self.one_server.get().expect("it was set just now, or before"))
    }

    fn node(&self, host: &Host) -> Result<Arc<Node>, RedisError> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(host) {
            return Ok(Arc::clone(node));
        }
        let role = if self.is_cluster() { Role::Part } else { Role::Primary };
        let node = Arc::new(Node::new(host.clone(), role, &self.address, &self.network)?);
        if self.sentinels.is_some() {
            // The primary that was replaced.
            nodes.clear();
        }
        nodes.insert(host.clone(), Arc::clone(&node));
        Ok(node)
    }

    /// Asks for a new map in a task of its own, which goes on if the caller gives up.
    fn begin_refresh_if_stale(self: &Arc<Self>) {
        if !self.stale.load(Ordering::Relaxed) {
            return;
        }
        // If it is locked, a round is under way.
        if let Ok(mut asked) = Arc::clone(&self.asked).try_lock_owned() {
            let router = Arc::clone(self);
            tokio::spawn(async move { router.refresh(&mut asked).await });
        }
    }

    async fn refresh_if_stale(&self) -> Result<(), RedisError> {
        match self.stale.load(Ordering::Relaxed) {
            // Boxed, because it is rare and needs much space.
            true => Box::pin(async { self.refresh(&mut *self.asked.lock().await).await }).await,
            false => Ok(()),
        }
    }

    /// Asks for the map of slots: the servers of the last map, then those of the URL, and after all others those that
    /// left their last call without an answer.
    async fn refresh(&self, asked: &mut Option<Instant>) -> Result<(), RedisError> {
        let recently = asked.is_some_and(|asked| asked.elapsed() < MAP_INTERVAL);
        if !self.stale.load(Ordering::Relaxed) || recently {
            return Ok(()); // While this call waited, another asked; with what it heard this one goes on.
        }
        let known = self.lock_map();
        let known = known.primaries().into_iter().map(|range| range.primary.clone());
        let mut hosts: Vec<_> = known.chain(self.address.hosts.iter().cloned()).collect();
        hosts.sort_by_cached_key(|host| self.node(host).is_ok_and(|node| node.is_doubtful()));
        let mut last = None;
        for host in hosts {
            match self.ask_for_map(&host).await {
                Ok(map) => {
                    self.keep_nodes_of(&map);
                    *self.map.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
                    self.stale.store(false, Ordering::Relaxed);
                    *asked = Some(Instant::now());
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
        }
        *asked = Some(Instant::now());
        Err(last.expect("a URL has a host"))
    }

    async fn ask_for_map(&self, host: &Host) -> Result<SlotMap, RedisError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("CLUSTER").arg("SLOTS");
        let limit = self.network.limits().command_timeout;
        let asked = timeout(limit, self.node(host)?.send(&pipeline, false)).await;
        let mut answers = asked.unwrap_or_else(|_| Err(Unavailable::Timeout(limit).into()))?;
        let answer = answers.pop().unwrap_or_default();
        let answer = answer.extract_error().map_err(|error| match error.detail() {
            Some(detail) if detail.contains("cluster support disabled") => {
                RedisError::NoCluster(host.to_string())
            }
            _ => RedisError::said(error),
        })?;
        SlotMap::parse(answer, host).ok_or(RedisError::Shape("an answer to `CLUSTER SLOTS` that is none"))
    }

    /// Drops servers that have left the cluster, except those of the URL, which may be asked again.
    fn keep_nodes_of(&self, map: &SlotMap) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let primaries = map.primaries();
        nodes.retain(|host, _| {
            self.address.hosts.contains(host) || primaries.iter().any(|range| range.primary == *host)
        });
    }

    fn lock_map(&self) -> Arc<SlotMap> {
        let map: MutexGuard<'_, Arc<SlotMap>> = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&map)
    }
}

/// The same commands, each preceded by `ASKING`, for a server that is about to get the slot. `ASKING` is for one command.
fn after_asking(commands: &Pipeline) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(2 * commands.len());
    for command in commands.cmd_iter() {
        pipeline.cmd("ASKING");
        pipeline.add_command(command.clone());
    }
    pipeline
}

/// The server that an answer redirects to.
fn redirection(answer: &Value) -> Option<(ServerErrorKind, Host)> {
    let Value::ServerError(error) = answer else { return None };
    let kind = error.kind().filter(|kind| matches!(kind, ServerErrorKind::Moved | ServerErrorKind::Ask))?;
    // The slot, then `host:port`; an IPv6 address has no brackets, and the host may be empty.
    let (_, place) = error.details()?.split_once(' ')?;
    let (name, port) = place.rsplit_once(':')?;
    Some((kind, Host { name: name.to_owned(), port: port.parse().ok()? }))
}
