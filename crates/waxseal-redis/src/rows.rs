//! The calls of scripts behind the store's methods.

use std::iter;

use futures_util::future::try_join_all;
use redis::{Cmd, ToRedisArgs, Value};

use crate::bond::{OwnerState, Pass};
use crate::commands::{self, Commands, Listing, Question, UNKNOWN};
use crate::error::RedisError;
use crate::keys::{Keys, OwnerTag};
use crate::row::{self, Row};
use crate::script::{self, decimal};
use waxseal_store::{
    Creation, Cursor, Found, Listed, Page, PublicId, Record, RecordHead, RecordKey, Revision, Swap, Timestamp,
};

/// The largest number of entries of an owner's list that one call reads.
const MAX_PAGE: usize = 1_000;

/// The largest number of attempts to end all of an owner's sessions but one. An attempt fails if another call came
/// first.
const MAX_RAISES: usize = 6;

/// A session that has a pass.
struct Kept {
    public_id: PublicId,
    pass: Pass,
    /// The end of its absolute lifetime.
    until: Timestamp,
    /// The generation from which the pass leads.
    since: Vec<u8>,
}

pub(crate) fn new_pass() -> Result<Pass, RedisError> {
    let mut pass = Pass::default();
    getrandom::fill(&mut pass).map_err(|_| RedisError::Shape("no randomness in the system"))?;
    Ok(pass)
}

const NOT_A_ROW: RedisError = RedisError::Shape("a row that is none");

impl Commands {
    pub(crate) async fn load(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<Record>>, RedisError> {
        self.find(key, now, b"-1", |row| row.record()).await
    }

    pub(crate) async fn revalidate(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, RedisError> {
        let last = row::LAST_OF_HEAD.to_string();
        self.find(key, now, last.as_bytes(), |row| row.confirmed()).await
    }

    async fn find<T>(
        &self,
        key: &RecordKey,
        now: Timestamp,
        last: &[u8],
        read: fn(Row<'_>) -> Option<T>,
    ) -> Result<Option<Found<T>>, RedisError> {
        if let Some(owner) = self.last_owners.of(key.public_id(), now) {
            if let Some(row) = self.living(key, owner, now, last).await? {
                return found(&row, read);
            }
            self.last_owners.forget(key.public_id());
        }
        // Boxed, because it is seldom.
        Box::pin(async {
            let question = self.question(&script::FIND, key.public_id(), now, vec![key.hash(), last]);
            let reply = self.settle(&question).await?;
            match reply.status {
                1 => {
                    let row = reply.rest.unwrap_or_default();
                    self.note_owner(key.public_id(), &row, now);
                    found(&row, read)
                }
                2 => Ok(Some(Found::Renewed)),
                _ => Ok(None),
            }
        })
        .await
    }

    /// Reads the row of a session whose owner is expected to be the same as when it was last seen. `None` if that does not
    /// show that it lives; a script has the answer then.
    ///
    /// Without a script, because plain reads take the server a third of the time.
    async fn living(
        &self,
        key: &RecordKey,
        owner: Option<OwnerTag>,
        now: Timestamp,
        last: &[u8],
    ) -> Result<Option<Vec<u8>>, RedisError> {
        let row_key = self.keys.row(key.public_id());
        // Read after the row: what the owner ends before that counts. In a cluster it is on another server.
        let beside = owner.as_ref().filter(|_| !self.router.is_cluster());
        let read_state = beside.map(|tag| redis::cmd("GET").arg(self.keys.generation(tag)).take());
        let commands = iter::once(read(&row_key, last)).chain(read_state);
        let mut answers = self.send(&row_key, commands).await?.into_iter();
        let Some(Value::BulkString(bytes)) = answers.next() else { return Ok(None) };
        let Some(row) = Row::new(&bytes).filter(|row| row.hash() == *key.hash() && row.lives(now)) else {
            return Ok(None);
        };
        let holds = match owner {
            None => row.tag().is_none(),
            Some(tag) if row.tag() != Some(tag.as_bytes()) => false,
            Some(tag) => row.bond().holds(match answers.next() {
                Some(state) => commands::state(Some(state))?,
                None => Box::pin(self.state(&tag, now)).await?,
            }),
        };
        Ok(holds.then_some(bytes))
    }

    /// Notes whose session this row is.
    fn note_owner(&self, session: PublicId, row: &[u8], now: Timestamp) {
        if let Some(row) = Row::new(row) {
            self.last_owners.note(session, row.tag().and_then(OwnerTag::from_bytes), now);
        }
    }

    pub(crate) async fn create(
        &self,
        key: &RecordKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Creation, RedisError> {
        let (row, public_id) = (row::encode(key, record)?, key.public_id());
        let generation = match &record.owner {
            Some(owner) if self.router.is_cluster() => {
                self.bind(&OwnerTag::of(owner), public_id, record.life.absolute_end, now).await?.generation()
            }
            _ => [0; 8],
        };
        let arguments = vec![&public_id.as_bytes()[..], &row, &generation];
        let mut question = self.question(&script::CREATE, public_id, now, arguments);
        question.keys.extend(self.owner_keys(record));
        question.durable = true;
        let created = self.settle(&question).await?.status == 1;
        if created {
            self.note_owner(public_id, &row, now);
        }
        Ok(if created { Creation::Created } else { Creation::Taken })
    }

    pub(crate) async fn swap(
        &self,
        key: &RecordKey,
        expected: &Revision,
        renewal: Option<(&RecordKey, Timestamp)>,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, RedisError> {
        /// The new owner's generation is needed.
        const BIND: i64 = 4;
        let public_id = key.public_id();
        let (new_key, tombstone) = match renewal {
            Some((new_key, expires)) => (new_key, expires.as_millis().to_be_bytes().to_vec()),
            None => (key, Vec::new()),
        };
        let row = row::encode(new_key, record)?;
        let ends = record.life.absolute_end;
        let listing = if record.owner.is_some() { Listing::Add(public_id, ends) } else { Listing::Leave };
        let arguments =
            vec![&key.hash()[..], expected.as_bytes(), &row, public_id.as_bytes(), b"", &tombstone];
        let mut question = self.question(&script::SWAP, public_id, now, arguments);
        question.keys.extend(self.owner_keys(record));
        question.durable = true;
        question.listing = listing;
        let owner = record.owner.as_deref();
        let mut reply = self.settle_once(&question, owner).await?;
        if let (BIND, Some(owner)) = (reply.status, &record.owner) {
            let generation = self.bind(&OwnerTag::of(owner), public_id, ends, now).await?.generation();
            let mut question = question;
            question.arguments[4] = &generation;
            reply = self.settle_once(&question, Some(owner)).await?;
        }
        match reply.status {
            0 => Ok(Swap::Gone),
            1 => {
                self.note_owner(public_id, &row, now);
                Ok(Swap::Done)
            }
            2 => Ok(Swap::Conflict),
            _ => Err(RedisError::Restless),
        }
    }

    pub(crate) async fn touch(
        &self,
        key: &RecordKey,
        idle_end: Timestamp,
        now: Timestamp,
    ) -> Result<bool, RedisError> {
        let idle_end = decimal(idle_end);
        let question =
            self.question(&script::TOUCH, key.public_id(), now, vec![&key.hash()[..], idle_end.as_bytes()]);
        Ok(self.settle(&question).await?.status == 1)
    }

    pub(crate) async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, RedisError> {
        let public_id = key.public_id();
        let arguments = vec![&key.hash()[..], public_id.as_bytes()];
        let question = self.question(&script::DELETE, public_id, now, arguments);
        let question = Question { durable: true, listing: Listing::Remove(public_id), ..question };
        Ok(self.settle(&question).await?.status == 1)
    }

    pub(crate) async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, RedisError> {
        let arguments = vec![&key.hash()[..], revision.as_bytes(), &kid, sealed];
        let question = self.question(&script::REWRAP, key.public_id(), now, arguments);
        Ok(self.settle(&Question { durable: true, ..question }).await?.status == 1)
    }

    pub(crate) async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, RedisError> {
        let question = self.question(&script::OWNED, public_id, now, vec![owner.as_bytes()]);
        let reply = self.settle(&question).await?;
        if reply.status != 1 {
            return Ok(None);
        }
        let bytes = reply.rest.unwrap_or_default();
        let row = Row::new(&bytes).ok_or(NOT_A_ROW)?;
        Ok(Some((RecordKey::new(public_id, row.hash()), row.record().ok_or(NOT_A_ROW)?)))
    }

    pub(crate) async fn end(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<bool, RedisError> {
        let arguments = vec![owner.as_bytes(), public_id.as_bytes()];
        let question = self.question(&script::END, public_id, now, arguments);
        let question = Question { durable: true, listing: Listing::Remove(public_id), ..question };
        Ok(self.settle(&question).await?.status == 1)
    }

    /// Takes three steps: read the owner's state, give the kept session a pass, and raise the generation, which ends
    /// the others. If another call raises the generation after the pass was given, the session needs another pass.
    ///
    /// Without a session to keep, the raise also stores `pass`, the same for all attempts of a call, so that an attempt
    /// that arrives late sees that the owner's sessions were already ended.
    pub(crate) async fn end_all(
        &self,
        owner: &str,
        keep: Option<&RecordKey>,
        pass: &Pass,
        now: Timestamp,
    ) -> Result<(), RedisError> {
        let tag = OwnerTag::of(owner);
        let keys = [self.keys.generation(&tag), self.keys.index(&tag)];
        for _ in 0..MAX_RAISES {
            let kept = match keep {
                Some(keep) => self.keep(owner, &tag, keep, now).await?,
                None => None,
            };
            let pass = kept.as_ref().map_or(*pass, |kept| kept.pass);
            let (public_id, until, since) = kept.map_or_else(Default::default, |kept| {
                (kept.public_id.as_bytes().to_vec(), decimal(kept.until), kept.since)
            });
            let arguments: [&[u8]; 4] = [&pass, &public_id, until.as_bytes(), &since];
            let answer = self.script(&script::RAISE, &keys, now, UNKNOWN, &arguments, true).await?;
            if answer != Value::Int(0) {
                return Ok(());
            }
        }
        Err(RedisError::Restless)
    }

    /// Gives the session a pass, if it is the owner's and alive.
    async fn keep(
        &self,
        owner: &str,
        tag: &OwnerTag,
        keep: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Kept>, RedisError> {
        let (state, pass, public_id) = (self.state(tag, now).await?, new_pass()?, keep.public_id());
        let (bytes, generation) = (state.to_bytes(), state.generation());
        let arguments: [&[u8]; 4] = [keep.hash(), owner.as_bytes(), &generation, &pass];
        let known = (tag.as_bytes(), &bytes[..]);
        let keys = self.session_keys(public_id);
        let answer = self.script(&script::KEEP, &keys, now, known, &arguments, true).await?;
        let Value::Array(parts) = answer else { return Ok(None) };
        let [_, Value::BulkString(ends), Value::BulkString(given), Value::BulkString(from)] = &parts[..]
        else {
            return Ok(None);
        };
        let (Ok(ends), Ok(pass)) = (ends[..].try_into(), given[..].try_into()) else { return Ok(None) };
        let until = Timestamp::from_millis(u64::from_be_bytes(ends));
        Ok(Some(Kept { public_id, pass, until, since: from.clone() }))
    }

    pub(crate) async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, RedisError> {
        let (tag, limit) = (OwnerTag::of(owner), limit.clamp(1, MAX_PAGE));
        let (last, score) = after.map_or((&b""[..], &b""[..]), |cursor| {
            cursor.as_bytes().split_at_checked(PublicId::BYTES).unwrap_or((b"", b""))
        });
        let count = limit.to_string();
        let arguments = [count.as_bytes(), last, score];
        let index = [self.keys.index(&tag)];
        let answer = self.script(&script::PAGE, &index, now, UNKNOWN, &arguments, false).await?;
        let entries = entries(answer).ok_or(RedisError::Shape("an owner's list that is none"))?;
        let next = entries.last().filter(|_| entries.len() == limit);
        let next = next.map(|(public_id, score)| Cursor::new([&public_id.as_bytes()[..], score].concat()));
        let ids: Vec<_> = entries.iter().map(|(public_id, _)| *public_id).collect();

        let heads = self.heads(&ids).await?;
        let state = self.state(&tag, now).await?;
        let mut items = Vec::new();
        let mut ended = Vec::new();
        for (public_id, head) in ids.into_iter().zip(&heads) {
            match judge(head, owner, state, now) {
                Judged::Lists(row) => items.push(row.listed(public_id).ok_or(NOT_A_ROW)?),
                Judged::Ended => ended.push(public_id),
                Judged::Other => {}
            }
        }
        // Read before the state, because one of them may have been kept in between.
        let heads = self.heads(&ended).await?;
        for (public_id, head) in ended.into_iter().zip(&heads) {
            if let Judged::Lists(row) = judge(head, owner, state, now) {
                items.push(row.listed(public_id).ok_or(NOT_A_ROW)?);
            }
        }
        Ok(Page { items, next })
    }

    /// The heads of rows; empty for a row that does not exist.
    pub(crate) async fn heads(&self, public_ids: &[PublicId]) -> Result<Vec<Vec<u8>>, RedisError> {
        try_join_all(public_ids.iter().map(|public_id| async {
            let key = self.keys.row(*public_id);
            match self.send(&key, [read(&key, row::LAST_OF_HEAD)]).await?.pop() {
                Some(Value::BulkString(head)) => Ok(head),
                _ => Ok(Vec::new()),
            }
        }))
        .await
    }

    fn question<'a>(
        &self,
        script: &'a script::Script,
        public_id: PublicId,
        now: Timestamp,
        arguments: Vec<&'a [u8]>,
    ) -> Question<'a> {
        let keys = self.session_keys(public_id).into();
        Question { script, keys, arguments, now, durable: false, listing: Listing::Leave }
    }

    fn session_keys(&self, public_id: PublicId) -> [String; 2] {
        let row = self.keys.row(public_id);
        let tombstones = Keys::tombstones(&row);
        [row, tombstones]
    }

    /// The owner's keys, for a script on a server that has all keys; empty in a cluster.
    fn owner_keys(&self, record: &Record) -> Vec<String> {
        match &record.owner {
            Some(owner) if !self.router.is_cluster() => {
                let tag = OwnerTag::of(owner);
                vec![self.keys.generation(&tag), self.keys.index(&tag)]
            }
            _ => Vec::new(),
        }
    }
}

/// Reads a row up to this byte; -1 is its last one.
fn read(row: &str, last: impl ToRedisArgs) -> Cmd {
    let mut command = Cmd::with_capacity(4, row.len() + 16);
    command.arg("GETRANGE").arg(row).arg(0).arg(last);
    command
}

fn found<T>(row: &[u8], read: fn(Row<'_>) -> Option<T>) -> Result<Option<Found<T>>, RedisError> {
    Row::new(row).and_then(read).map(|found| Some(Found::Living(found))).ok_or(NOT_A_ROW)
}

enum Judged<'a> {
    Lists(Row<'a>),
    Ended,
    Other,
}

fn judge<'a>(head: &'a [u8], owner: &str, state: OwnerState, now: Timestamp) -> Judged<'a> {
    match Row::new(head).filter(|row| row.is_owned_by(owner) && row.lives(now)) {
        Some(row) if row.bond().holds(state) => Judged::Lists(row),
        Some(_) => Judged::Ended,
        None => Judged::Other,
    }
}

/// Parses public ids and their scores from the server's answer.
fn entries(answer: Value) -> Option<Vec<(PublicId, Vec<u8>)>> {
    let Value::Array(parts) = answer else { return None };
    let pair = |pair: &[Value]| match pair {
        [Value::BulkString(public_id), Value::BulkString(score)] => {
            Some((PublicId::from_bytes(public_id[..].try_into().ok()?), score.clone()))
        }
        _ => None,
    };
    parts.chunks(2).map(pair).collect()
}
