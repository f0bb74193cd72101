//! Sentinels, and the primary that they know.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{Pipeline, Value};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::address::Address;
use crate::error::RedisError;
use crate::host::Host;
use crate::node::{Node, Role};
use waxseal_store::network::CallError;
use waxseal_store::{NetworkOptions, Unavailable};

/// The time after which Sentinels are asked again. This is needed because a primary that was cut off from them and
/// replaced still answers calls.
const INTERVAL: Duration = Duration::from_secs(1);
/// The shortest time between two rounds of questions.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Asks all Sentinels of a URL in parallel, so that silent ones do not delay the others' answers.
pub(crate) struct Sentinels {
    /// The primary's name in the Sentinels.
    name: String,
    nodes: Vec<Node>,
    /// The longest time for a question, and for a call.
    command_timeout: Duration,
    state: Mutex<State>,
    /// `true` if the primary may have been replaced. Calls then wait for a Sentinel's answer.
    doubtful: AtomicBool,
}

#[derive(Default)]
struct State {
    believed: Option<Statement>,
    round: Option<Round>,
}

/// A Sentinel's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    primary: Host,
    /// Grows with each failover; 0 if the Sentinel does not send it.
    epoch: u64,
}

/// One round of questions to all Sentinels.
struct Round {
    begun: Instant,
    /// The first accepted answer, or the error if there was none.
    outcome: Outcome,
}

type Outcome = watch::Receiver<Option<Result<(), RedisError>>>;

impl Sentinels {
    /// `None` if the URL has no Sentinels.
    pub(crate) fn new(address: &Address, network: &NetworkOptions) -> Result<Option<Self>, RedisError> {
        let Some(name) = address.monitored.clone() else { return Ok(None) };
        let theirs = address.of_sentinels();
        let node = |host: &Host| Node::new(host.clone(), Role::Sentinel, &theirs, network);
        Ok(Some(Self {
            name,
            nodes: address.hosts.iter().map(node).collect::<Result<_, _>>()?,
            command_timeout: network.limits().command_timeout,
            state: Mutex::default(),
            doubtful: AtomicBool::new(false),
        }))
    }

    /// Returns the primary. Each new connection checks that it really is one.
    ///
    /// While no Sentinel answers, this is the last known primary.
    pub(crate) async fn primary(self: &Arc<Self>) -> Result<Host, RedisError> {
        let (known, mut outcome) = self.ask_if_due();
        match known {
            Some(primary) if !self.doubtful.load(Ordering::Relaxed) => return Ok(primary),
            Some(_) => drop(timeout(self.patience(), outcome.wait_for(Option::is_some)).await),
            None => drop(outcome.wait_for(Option::is_some).await),
        }
        if let Some(Statement { primary, .. }) = &self.lock().believed {
            return Ok(primary.clone());
        }
        match &*outcome.borrow() {
            Some(Err(error)) => Err(error.clone()),
            _ => Err(Unavailable::Timeout(self.command_timeout).into()),
        }
    }

    /// Marks the primary as doubtful.
    pub(crate) fn doubt(&self) {
        self.doubtful.store(true, Ordering::Relaxed);
    }

    /// Observes a call to the primary until it is answered or dropped.
    pub(crate) fn observe(&self) -> Observation<'_> {
        Observation { sentinels: self, since: Instant::now(), answered: false }
    }

    /// The part of a call's time for which it waits for Sentinels if a primary is known, and after which a silent
    /// primary is doubtful.
    fn patience(&self) -> Duration {
        self.command_timeout / 4
    }

    /// Returns the known primary, and the current or last round of questions; begins a round if one is due.
    fn ask_if_due(self: &Arc<Self>) -> (Option<Host>, Outcome) {
        let mut state = self.lock();
        let known = state.believed.as_ref().map(|believed| believed.primary.clone());
        let age = state.round.as_ref().map_or(Duration::MAX, |round| round.begun.elapsed());
        if age >= self.command_timeout.saturating_add(INTERVAL) {
            // There were no calls for a while, so Sentinels were not asked.
            self.doubt();
        }
        let settled = known.is_some() && !self.doubtful.load(Ordering::Relaxed);
        let interval = if settled { INTERVAL } else { SHORTEST_INTERVAL };
        let outcome = match &state.round {
            Some(round) if age < interval || !round.is_over() => round.outcome.clone(),
            _ => {
                let round = self.begin_round();
                state.round.insert(round).outcome.clone()
            }
        };
        (known, outcome)
    }

    /// Runs in its own task, because a cancelled call must not end the round, and a call that does not doubt the
    /// primary does not wait for it.
    fn begin_round(self: &Arc<Self>) -> Round {
        let (tell, outcome) = watch::channel(None);
        let sentinels = Arc::clone(self);
        tokio::spawn(async move { sentinels.ask_all(&tell).await });
        Round { begun: Instant::now(), outcome }
    }

    async fn ask_all(&self, tell: &watch::Sender<Option<Result<(), RedisError>>>) {
        let mut answers: FuturesUnordered<_> = self.nodes.iter().map(|node| self.ask(node)).collect();
        let (mut outdated, mut failed) = (Vec::new(), None);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(statement) if self.believe(&statement) => _ = tell.send_replace(Some(Ok(()))),
                Ok(statement) => outdated.push(statement),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        // Sentinels that were set up again count epochs from the beginning.
        let latest = outdated.iter().max_by_key(|statement| statement.epoch);
        let latest = latest.filter(|_| 2 * outdated.len() > self.nodes.len());
        if let Some(statement) = latest {
            self.lock().believed = None;
            self.believe(statement);
            tell.send_replace(Some(Ok(())));
        } else if let Some(error) = failed {
            tell.send_if_modified(|outcome| outcome.is_none().then(|| *outcome = Some(Err(error))).is_some());
        }
    }

    async fn ask(&self, sentinel: &Node) -> Result<Statement, RedisError> {
        let mut question = Pipeline::new();
        question.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        question.cmd("SENTINEL").arg("MASTER").arg(&self.name);
        let asked = timeout(self.command_timeout, sentinel.send(&question, false)).await;
        let mut answers = asked.unwrap_or_else(|_| Err(silent(sentinel)))?.into_iter();
        let address = answers.next().unwrap_or_default();
        let address = address.extract_error().map_err(|error| match error.detail() {
            Some(detail) if detail.starts_with("unknown command") => {
                RedisError::NoSentinel(sentinel.host().to_string())
            }
            _ => RedisError::said(error),
        })?;
        let primary = host(address).ok_or_else(|| RedisError::Unmonitored {
            sentinel: sentinel.host().to_string(),
            name: self.name.clone(),
        })?;
        Ok(Statement { primary, epoch: answers.next().and_then(epoch).unwrap_or(0) })
    }

    /// Accepts a Sentinel's answer unless another one knew of a later failover, because a Sentinel that is cut off from
    /// the others still answers with what it knew.
    fn believe(&self, statement: &Statement) -> bool {
        let mut state = self.lock();
        let outdated = state.believed.as_ref().is_some_and(|believed| statement.epoch < believed.epoch);
        if !outdated {
            state.believed = Some(statement.clone());
            self.doubtful.store(false, Ordering::Relaxed);
        }
        !outdated
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Round {
    /// `true` once an answer was accepted, or none can be any more. Slow Sentinels may still be asked.
    fn is_over(&self) -> bool {
        self.outcome.borrow().is_some() || self.outcome.has_changed().is_err()
    }
}

/// A call to the primary.
pub(crate) struct Observation<'a> {
    sentinels: &'a Sentinels,
    since: Instant,
    answered: bool,
}

impl Observation<'_> {
    pub(crate) fn ended(mut self, outcome: &Result<Vec<Value>, RedisError>) {
        self.answered = true;
        match outcome {
            Err(error) if error.is_out_of_reach() => self.sentinels.doubt(),
            // While no Sentinel answers, the primary's own answer is the best evidence.
            Ok(_) if self.sentinels.doubtful.load(Ordering::Relaxed) => {
                self.sentinels.doubtful.store(false, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        // The caller stopped waiting. A primary that hangs causes no error.
        if !self.answered && self.since.elapsed() >= self.sentinels.patience() {
            self.sentinels.doubt();
        }
    }
}

fn silent(sentinel: &Node) -> RedisError {
    let source = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    RedisError::Unreachable { address: sentinel.host().to_string(), source: Arc::new(source) }
}

fn host(answer: Value) -> Option<Host> {
    let (name, port): (String, String) = redis::from_redis_value(answer).ok()?;
    Some(Host { name, port: port.parse().ok()? })
}

fn epoch(answer: Value) -> Option<u64> {
    let fields: HashMap<String, String> = redis::from_redis_value(answer).ok()?;
    fields.get("config-epoch")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinel_that_knows_less_than_another_is_not_believed() {
        let address = Address::parse("redis-sentinel://x,y,z/main").unwrap();
        let sentinels = Sentinels::new(&address, &NetworkOptions::new()).unwrap().unwrap();
        let statement =
            |name: &str, epoch| Statement { primary: Host { name: name.to_owned(), port: 1 }, epoch };
        for (case, said, believed) in [
            ("the first", statement("a", 1), true),
            ("a failover", statement("b", 2), true),
            ("of before the failover", statement("a", 1), false),
            ("of one that does not say", statement("a", 0), false),
            ("the same again", statement("b", 2), true),
        ] {
            sentinels.doubt();
            assert_eq!(sentinels.believe(&said), believed, "{case}");
            assert_eq!(sentinels.doubtful.load(Ordering::Relaxed), !believed, "{case}");
        }
        assert_eq!(sentinels.lock().believed, Some(statement("b", 2)));
    }
}
