//! Sends scripts, and looks up owners.

use std::sync::Arc;

use redis::{Cmd, Pipeline, Value};

use crate::bond::{Bond, OwnerState};
use crate::error::RedisError;
use crate::keys::{Keys, OwnerTag};
use crate::last_owners::LastOwners;
use crate::options::RedisDurability;
use crate::refusal;
use crate::router::Router;
use crate::script::{self, Script, decimal};
use waxseal_store::{PublicId, Timestamp};

/// The largest number of look-ups of an owner in one call. Usually there is one, unless the session changes its owner.
const MAX_OWNER_LOOKUPS: usize = 6;

/// The commands that the store's methods are made of.
pub(crate) struct Commands {
    pub(crate) router: Arc<Router>,
    pub(crate) keys: Keys,
    pub(crate) durability: RedisDurability,
    pub(crate) last_owners: LastOwners,
}

/// A call of a script about one session.
pub(crate) struct Question<'a> {
    pub(crate) script: &'a Script,
    pub(crate) keys: Vec<String>,
    pub(crate) arguments: Vec<&'a [u8]>,
    pub(crate) now: Timestamp,
    /// `true` for a change that has to wait for replicas or disks, if that is set.
    pub(crate) durable: bool,
    /// The change to the owner's list, which is made when the owner is looked up anyway.
    pub(crate) listing: Listing,
}

#[derive(Clone, Copy)]
pub(crate) enum Listing {
    Leave,
    Add(PublicId, Timestamp),
    Remove(PublicId),
}

/// A script's answer.
///
/// Status 0 is no and 1 is yes; [`SWAP`](script::SWAP) and others have more.
pub(crate) struct Reply {
    pub(crate) status: i64,
    pub(crate) rest: Option<Vec<u8>>,
    doubt: Option<Doubt>,
}

/// The condition of an answer: it is valid if the owner, who is looked up on another server, has not ended the session.
struct Doubt {
    bond: Bond,
    tag: Vec<u8>,
}

/// The status of a script that did nothing, because it needs the owner's state first.
const NEEDS_OWNER_STATE: i64 = 3;

impl Commands {
    /// Runs the script, and checks its answer against the owner's state.
    ///
    /// It takes one round trip on a server that has all keys. In a cluster it takes one for a session without an owner,
    /// and two for one with an owner.
    ///
    /// In a cluster the script answers first, and the owner's state is read afterwards. If the session has ended by
    /// that state, the script runs once more with it, because the session may have been kept in between. If the session
    /// had ended, nobody sees what the first run wrote to it, because only a change of owner changes a row's bond.
    pub(crate) async fn settle(&self, question: &Question<'_>) -> Result<Reply, RedisError> {
        self.settle_knowing(question, None).await
    }

    /// As [`settle`](Self::settle), for a change that must not be checked after it was made.
    ///
    /// If the script ran once more, it could not know whether another call has changed the row after its own change. So
    /// the owner's state is looked up first. If the owner ends the session between the two, nobody sees the change, as
    /// above, and it counts as made before the end.
    pub(crate) async fn settle_once(
        &self,
        question: &Question<'_>,
        owner: Option<&str>,
    ) -> Result<Reply, RedisError> {
        let known = match owner.filter(|_| self.router.is_cluster()) {
            None => None,
            Some(owner) => {
                let owner = OwnerTag::of(owner);
                let state = self.look_up(&owner, question.listing, question.now).await?;
                Some((owner.as_bytes().to_vec(), state))
            }
        };
        self.settle_knowing(question, known).await
    }

    async fn settle_knowing(
        &self,
        question: &Question<'_>,
        mut known: Option<(Vec<u8>, OwnerState)>,
    ) -> Result<Reply, RedisError> {
        for _ in 0..MAX_OWNER_LOOKUPS {
            let reply = self.ask(question, known.as_ref()).await?;
            let Some(Doubt { bond, tag }) = &reply.doubt else { return Ok(reply) };
            let owner = OwnerTag::from_bytes(tag).ok_or(RedisError::Shape("an owner's tag that is none"))?;
            let state = self.look_up(&owner, question.listing, question.now).await?;
            if reply.status != NEEDS_OWNER_STATE && bond.holds(state) {
                return Ok(reply);
            }
            known = Some((tag.clone(), state));
        }
        Err(RedisError::Restless)
    }

    async fn ask(
        &self,
        question: &Question<'_>,
        known: Option<&(Vec<u8>, OwnerState)>,
    ) -> Result<Reply, RedisError> {
        let Question { script, keys, arguments, now, durable, .. } = question;
        let state = known.map_or([0; Bond::BYTES], |(_, state)| state.to_bytes());
        let tag = known.map_or(&[][..], |(tag, _)| tag);
        let value = self.script(script, keys, *now, (tag, &state), arguments, *durable).await?;
        let reply = Reply::parse(value).ok_or(RedisError::Shape("a script's answer that is none"))?;
        if *durable && reply.tells_of_earlier_writes() {
            self.confirm(&keys[0], *now).await?;
        }
        Ok(reply)
    }

    /// Waits until replicas or disks have all that was written so far to the primary of this row, if that is set.
    pub(crate) async fn confirm(&self, row: &str, now: Timestamp) -> Result<(), RedisError> {
        if self.durability != RedisDurability::Primary {
            self.script(&script::CONFIRM, &[row.to_owned()], now, UNKNOWN, &[], true).await?;
        }
        Ok(())
    }

    /// Reads the owner's state at the primary.
    async fn look_up(
        &self,
        owner: &OwnerTag,
        listing: Listing,
        now: Timestamp,
    ) -> Result<OwnerState, RedisError> {
        let (generation, index) = (self.keys.generation(owner), self.keys.index(owner));
        let mut get = redis::cmd("GET");
        get.arg(&generation);
        match listing {
            Listing::Add(public_id, ends) => self.bind(owner, public_id, ends, now).await,
            Listing::Leave => state(self.send(&generation, [get]).await?.pop()),
            Listing::Remove(public_id) => {
                let mut remove = redis::cmd("ZREM");
                remove.arg(&index).arg(public_id.as_bytes());
                state(self.send(&generation, [remove, get]).await?.pop())
            }
        }
    }

    /// Reads the owner's state.
    pub(crate) async fn state(&self, owner: &OwnerTag, now: Timestamp) -> Result<OwnerState, RedisError> {
        self.look_up(owner, Listing::Leave, now).await
    }

    /// Adds the session to the owner's list before the session gets this owner, and reads the owner's state.
    ///
    /// An extra entry is harmless. If one is missing, the owner does not see that session, so the entry is as durable
    /// as the session.
    pub(crate) async fn bind(
        &self,
        owner: &OwnerTag,
        public_id: PublicId,
        ends: Timestamp,
        now: Timestamp,
    ) -> Result<OwnerState, RedisError> {
        let keys = [self.keys.generation(owner), self.keys.index(owner)];
        let ends = decimal(ends);
        let arguments: [&[u8]; 2] = [public_id.as_bytes(), ends.as_bytes()];
        state(Some(self.script(&script::BIND, &keys, now, UNKNOWN, &arguments, true).await?))
    }

    /// Runs a script, and waits for replicas or disks if `durable` is set.
    pub(crate) async fn script(
        &self,
        script: &Script,
        keys: &[String],
        now: Timestamp,
        (tag, state): (&[u8], &[u8]),
        arguments: &[&[u8]],
        durable: bool,
    ) -> Result<Value, RedisError> {
        let owners = if self.router.is_cluster() { "" } else { self.keys.owners() };
        let now = decimal(now);
        let first = [owners.as_bytes(), now.as_bytes(), tag, state];
        let wait = self.durability.command().filter(|_| durable);
        let waits = wait.is_some();
        let with_wait = |command| pipeline(std::iter::once(command).chain(wait.clone()));
        let by_hash = with_wait(script.by_hash(keys, &first, arguments));
        let mut answers = self.router.send(&keys[0], &by_hash, waits).await?;
        if answers.first().is_some_and(|answer| refusal::is(answer, &["NOSCRIPT"])) {
            let in_full = with_wait(script.in_full(keys, &first, arguments));
            answers = Box::pin(self.router.send(&keys[0], &in_full, waits)).await?;
        }
        let mut answers = answers.into_iter();
        let answer = answers.next().unwrap_or_default().extract_error().map_err(RedisError::said)?;
        if let Some(confirmed) = answers.next()
            && has_changed_something(&answer)
        {
            let confirmed = confirmed.extract_error();
            self.durability.judge(confirmed.map_err(|error| RedisError::Uncounted(Arc::new(error)))?)?;
        }
        Ok(answer)
    }

    /// Sends plain commands about one key. Returns the first error among their answers.
    pub(crate) async fn send(
        &self,
        key: &str,
        commands: impl IntoIterator<Item = Cmd>,
    ) -> Result<Vec<Value>, RedisError> {
        let answers = self.router.send(key, &pipeline(commands), false).await?;
        answers.into_iter().map(|answer| answer.extract_error().map_err(RedisError::said)).collect()
    }
}

fn pipeline(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(1);
    commands.into_iter().for_each(|command| _ = pipeline.add_command(command));
    pipeline
}

/// The owner's tag and state, for scripts that need neither.
pub(crate) const UNKNOWN: (&[u8], &[u8]) = (b"", b"");

pub(crate) fn state(answer: Option<Value>) -> Result<OwnerState, RedisError> {
    let kept = match answer {
        Some(Value::BulkString(kept)) => kept,
        _ => Vec::new(),
    };
    OwnerState::parse(&kept).ok_or(RedisError::Shape("an owner's generation that is none"))
}

fn has_changed_something(answer: &Value) -> bool {
    match answer {
        Value::Array(parts) => parts.first() == Some(&Value::Int(1)),
        // The owner's state, from [`BIND`](script::BIND).
        Value::BulkString(_) => true,
        answer => *answer == Value::Int(1),
    }
}

impl Reply {
    /// Returns `true` if the script wrote nothing, because of what earlier calls wrote, such as a deletion.
    fn tells_of_earlier_writes(&self) -> bool {
        matches!(self.status, 0 | 2)
    }

    fn parse(value: Value) -> Option<Self> {
        let parts = match value {
            Value::Array(parts) => parts,
            Value::Int(status) => return Some(Self { status, rest: None, doubt: None }),
            Value::BulkString(row) => return Some(Self { status: 1, rest: Some(row), doubt: None }),
            _ => return None,
        };
        let mut parts = parts.into_iter();
        let Some(Value::Int(status)) = parts.next() else { return None };
        let doubt = match parts.next()? {
            Value::BulkString(bytes) => {
                let (bond, tag) = bytes.split_first_chunk()?;
                Some(Doubt { bond: Bond::from_bytes(*bond), tag: tag.to_vec() })
            }
            _ => None,
        };
        let rest = match parts.next() {
            Some(Value::BulkString(rest)) => Some(rest),
            _ => None,
        };
        Some(Self { status, rest, doubt })
    }
}

impl RedisDurability {
    /// The command that waits for replicas or disks, sent after a write on the same connection.
    fn command(self) -> Option<Cmd> {
        let millis = |timeout: std::time::Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Primary => None,
            Self::Replicas { count, timeout } => {
                let mut command = redis::cmd("WAIT");
                command.arg(count).arg(millis(timeout));
                Some(command)
            }
            Self::Disks { replicas, timeout } => {
                let mut command = redis::cmd("WAITAOF");
                command.arg(1).arg(replicas).arg(millis(timeout));
                Some(command)
            }
        }
    }

    /// Checks that enough replicas or disks have confirmed the write.
    fn judge(self, confirmed: Value) -> Result<(), RedisError> {
        let count = |value: &Value| if let Value::Int(count) = value { *count } else { 0 };
        let (confirmed, wanted, by) = match (self, confirmed) {
            (Self::Primary, _) => return Ok(()),
            (Self::Replicas { count: wanted, .. }, confirmed) => {
                (count(&confirmed), i64::from(wanted), "replicas")
            }
            (Self::Disks { replicas, .. }, Value::Array(disks)) => {
                let wanted = i64::from(replicas);
                // Counts the primary's disk, and at most as many of the others as were requested.
                let others = disks.get(1).map_or(0, count).min(wanted);
                (disks.first().map_or(0, count) + others, 1 + wanted, "disks")
            }
            (Self::Disks { replicas, .. }, _) => (0, 1 + i64::from(replicas), "disks"),
        };
        if confirmed >= wanted { Ok(()) } else { Err(RedisError::Unconfirmed { confirmed, wanted, by }) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn fewer_confirmations_than_asked_for_are_an_error() {
        let timeout = Duration::from_millis(100);
        let (two, disks) = (
            RedisDurability::Replicas { count: 2, timeout },
            RedisDurability::Disks { replicas: 1, timeout },
        );
        let both = |local, others| Value::Array(vec![Value::Int(local), Value::Int(others)]);
        for (case, durability, answer, enough) in [
            ("two of two", two, Value::Int(2), true),
            ("three of two", two, Value::Int(3), true),
            ("one of two", two, Value::Int(1), false),
            ("no number", two, Value::Nil, false),
            ("both disks", disks, both(1, 1), true),
            ("the replicas' disks alone", disks, both(0, 2), false),
            ("the primary's disk alone", disks, both(1, 0), false),
        ] {
            assert_eq!(durability.judge(answer).is_ok(), enough, "{case}");
        }
    }
}
