//! Taking back what state `cookie` has handed out: a list of ended sessions, and for each owner a moment before which
//! all are ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::any_store::AnyStore;
use crate::error::StoreError;
use crate::origin::COOKIE_ID_BYTES;
use crate::record::{Creation, Found, Life, Record, Swap};
use crate::{Access, Error, Handle, Moment, RecordKey, Revision};

/// For how long an answer of the store's is good enough for a request that reads.
const WINDOW: Duration = Duration::from_secs(5);
/// And while the store is away.
const GRACE: Duration = Duration::from_secs(5 * 60);
/// Answers that are remembered.
const MAX_KNOWN: usize = 65_536;
/// Ended sessions that wait for a store that is away. More are only logged: their copies live until they expire.
const MAX_UNFINISHED: usize = 10_000;
/// How often a moment is moved on when others move it too.
const ATTEMPTS: usize = 5;

/// What a store says of sessions that it does not keep. Its entries are records without data, under keys that no session
/// has, and of an owner that no app can name; so any store can keep them, and purges them when they matter no more.
pub(crate) struct Revocations {
    store: Arc<dyn AnyStore>,
    known: Mutex<HashMap<RecordKey, Known>>,
    unfinished: Mutex<Vec<(RecordKey, Record)>>,
}

#[derive(Clone, Copy)]
struct Known {
    asked: Moment,
    /// The moment that the entry names, if there is one.
    entry: Option<Moment>,
}

/// What is to be asked of one session.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    id: [u8; COOKIE_ID_BYTES],
    owner: Option<String>,
    /// When the session began, in unix seconds.
    created: u64,
    /// When nobody has to remember any more that it was ended.
    end: Moment,
}

impl Revocations {
    pub(crate) fn new(store: Arc<dyn AnyStore>) -> Self {
        Self { store, known: Mutex::default(), unfinished: Mutex::default() }
    }

    /// Whether the session was taken back, if that was asked within the last seconds; `None` if it was not.
    pub(crate) fn remembered(&self, question: &Question, access: Access, now: Moment) -> Option<bool> {
        match access {
            Access::Read => self.within(question, now, WINDOW),
            Access::Change => None,
        }
    }

    /// Asks whether the session was taken back. While the store is away, what is known of the last minutes counts for a
    /// request that reads.
    pub(crate) async fn is_revoked(
        &self,
        question: &Question,
        access: Access,
        now: Moment,
    ) -> Result<bool, StoreError> {
        for key in question.keys() {
            match self.ask(&key, now).await {
                Ok(entry) if question.is_ended_by(entry, &key) => return Ok(true),
                Ok(_) => {}
                Err(error) => {
                    let readable = access == Access::Read && error.fault().passes();
                    return self.within(question, now, GRACE).filter(|_| readable).ok_or(error);
                }
            }
        }
        Ok(false)
    }

    /// Takes one session back. While the store is away, this process refuses it, and the entry is made up for.
    pub(crate) async fn revoke(&self, question: &Question, now: Moment) {
        let key = id_key(&question.id);
        self.note(key, Known { asked: now, entry: Some(now) }, now);
        let record = match entry(&key, now, question.end) {
            Ok(record) => record,
            Err(error) => {
                return tracing::error!(%error, "a session was ended and its copies were not taken back");
            }
        };
        if let Err(error) = self.store.create(&key, &record, now).await {
            tracing::warn!(%error, "a session was ended and the store does not answer; its copies open until it does");
            let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
            if unfinished.len() < MAX_UNFINISHED {
                unfinished.push((key, record));
            } else {
                tracing::error!(
                    "too many sessions were ended while the store is away; some live until they expire"
                );
            }
        }
    }

    /// Takes back all of the owner's sessions that began up to now, in whole seconds.
    pub(crate) async fn revoke_all(&self, owner: &str, end: Moment, now: Moment) -> Result<(), Error> {
        let key = owner_key(owner);
        let mut record = entry(&key, now, end)?;
        for _ in 0..ATTEMPTS {
            match self.store.load(&key, now).await? {
                Some(Found::Living(there)) => {
                    record.revision = there.revision.next()?;
                    record.life.created = now.max(there.life.created);
                    match self.store.update(&key, &there.revision, &record, now).await? {
                        Swap::Done => {}
                        Swap::Conflict | Swap::Gone => continue,
                    }
                }
                _ => match self.store.create(&key, &record, now).await? {
                    Creation::Created => {}
                    Creation::Taken => continue,
                },
            }
            self.note(key, Known { asked: now, entry: Some(record.life.created) }, now);
            return Ok(());
        }
        Err(Error::Contended)
    }

    /// The first whole second at which a session of the owner's may begin so that it is not taken back already.
    pub(crate) async fn earliest(&self, owner: &str, now: Moment) -> Result<u64, StoreError> {
        Ok(self.ask(&owner_key(owner), now).await?.map_or(0, |moment| moment.as_secs() + 1))
    }

    /// Makes up for what the store missed while it was away. How much is left.
    pub(crate) async fn finish(&self, now: Moment) -> Result<usize, StoreError> {
        loop {
            let next = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((key, record)) = next else { return Ok(0) };
            if let Err(error) = self.store.create(&key, &record, now).await {
                let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
                unfinished.push((key, record));
                return if error.fault().passes() { Ok(unfinished.len()) } else { Err(error) };
            }
        }
    }

    pub(crate) fn store(&self) -> &dyn AnyStore {
        &*self.store
    }

    async fn ask(&self, key: &RecordKey, now: Moment) -> Result<Option<Moment>, StoreError> {
        let entry = match self.store.confirm(key, now).await? {
            Some(Found::Living(found)) => Some(found.life.created),
            Some(Found::Renewed(_)) | None => None,
        };
        // Also what this process noted while the store was away, or while this was on its way.
        let noted = self.known().get(key).and_then(|known| known.entry);
        let entry = entry.max(noted);
        self.note(*key, Known { asked: now, entry }, now);
        Ok(entry)
    }

    /// What is remembered of all that is to be asked, nothing of it older than `span`.
    fn within(&self, question: &Question, now: Moment, span: Duration) -> Option<bool> {
        let known = self.known();
        let mut revoked = false;
        for key in question.keys() {
            let Known { asked, entry } = *known.get(&key)?;
            // An end is an end, however long ago it was learned of.
            let ended = question.is_ended_by(entry, &key);
            if !ended && !now.is_within(span, asked) {
                return None;
            }
            revoked |= ended;
        }
        Some(revoked)
    }

    fn note(&self, key: RecordKey, known: Known, now: Moment) {
        let mut all = self.known();
        if all.len() >= MAX_KNOWN && !all.contains_key(&key) {
            all.retain(|_, known| now.is_within(GRACE, known.asked));
            if all.len() >= MAX_KNOWN {
                // What is forgotten is asked for again.
                all.clear();
            }
        }
        all.insert(key, known);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<RecordKey, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    pub(crate) fn new(id: [u8; COOKIE_ID_BYTES], owner: Option<String>, created: u64, end: Moment) -> Self {
        Self { id, owner, created, end }
    }

    fn keys(&self) -> impl Iterator<Item = RecordKey> {
        [id_key(&self.id)].into_iter().chain(self.owner.as_deref().map(owner_key))
    }

    /// By an entry of its own, or by one of its owner's that names a moment not before it began.
    fn is_ended_by(&self, entry: Option<Moment>, key: &RecordKey) -> bool {
        entry.is_some_and(|moment| *key == id_key(&self.id) || self.created <= moment.as_secs())
    }
}

fn id_key(id: &[u8; COOKIE_ID_BYTES]) -> RecordKey {
    key(b"waxseal/revoked", id)
}

fn owner_key(owner: &str) -> RecordKey {
    key(b"waxseal/not before", owner.as_bytes())
}

/// Under a handle of its own, which is no session's: those are random, and this is a hash.
fn key(kind: &[u8], what: &[u8]) -> RecordKey {
    let hash: [u8; RecordKey::HASH_BYTES] =
        Sha256::new().chain_update(kind).chain_update([0]).chain_update(what).finalize().into();
    let handle = Handle::from_bytes(*hash.first_chunk().expect("a hash is longer than a handle"));
    RecordKey::new(handle, hash)
}

fn entry(key: &RecordKey, now: Moment, end: Moment) -> Result<Record, Error> {
    let [first, ..] = *key.hash();
    Ok(Record {
        revision: Revision::first()?,
        kid: [0; 4],
        life: Life::new(now, now, end, end),
        // No app's owner has a control character. A bounded store forgets what is nobody's; spread, as a store may keep
        // a list for each owner.
        owner: Some(format!("\u{1}revoked {first:02x}")),
        device: String::new(),
        sealed: Vec::new(),
    })
}
