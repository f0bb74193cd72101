//! A store that meddles with what is created and replaced in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use waxseal_store::{
    Creation, Cursor, Fault, Found, Listed, MemoryStore, Page, PublicId, Record, RecordHead, RecordKey,
    Revision, SessionStore, Swap, Timestamp,
};

/// What becomes of a record before it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meddling {
    Nothing,
    /// Another record, of another hash, gets its public session id.
    Squat,
    Refuse(Fault),
}

/// What becomes of a record that replaces another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replacing {
    Done,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It never arrives, and there is no answer.
    Lost,
    /// It has no answer, and arrives just before the next one does.
    Late,
    Refuse(Fault),
}

/// A write on its way: the key, the version that it expects, and the record.
type OnItsWay = (RecordKey, Revision, Record, Timestamp);

type Decide = dyn Fn(&RecordKey, &Record) -> Meddling + Send + Sync;

#[derive(Clone)]
pub(crate) struct Meddler {
    pub(crate) inner: MemoryStore,
    decide: Arc<Decide>,
    script: Arc<Mutex<VecDeque<Replacing>>>,
    late: Arc<Mutex<Option<OnItsWay>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("refused as it was told to")]
pub(crate) struct Refused(Fault);

impl Meddler {
    /// A store in which the next updates become what `script` says, and all others are done.
    pub(crate) fn scripted(script: &[Replacing]) -> Self {
        let store = Self::new(|_, _| Meddling::Nothing);
        store.script.lock().unwrap().extend(script);
        store
    }

    pub(crate) fn new(decide: impl Fn(&RecordKey, &Record) -> Meddling + Send + Sync + 'static) -> Self {
        let (script, late) = (Arc::default(), Arc::default());
        Self { inner: MemoryStore::new(), decide: Arc::new(decide), script, late }
    }
}

fn full<E>(_: E) -> Refused {
    Refused(Fault::Full)
}

impl SessionStore for Meddler {
    type Error = Refused;

    fn fault(error: &Refused) -> Fault {
        error.0
    }

    async fn load(&self, key: &RecordKey, now: Timestamp) -> Result<Option<Found<Record>>, Refused> {
        self.inner.load(key, now).await.map_err(full)
    }

    async fn revalidate(
        &self,
        key: &RecordKey,
        now: Timestamp,
    ) -> Result<Option<Found<RecordHead>>, Refused> {
        self.inner.revalidate(key, now).await.map_err(full)
    }

    async fn create(&self, key: &RecordKey, record: &Record, now: Timestamp) -> Result<Creation, Refused> {
        match (self.decide)(key, record) {
            Meddling::Nothing => {}
            Meddling::Squat => {
                let other = RecordKey::new(key.public_id(), [7; 32]);
                let _ = self.inner.create(&other, record, now).await.map_err(full)?;
            }
            Meddling::Refuse(fault) => return Err(Refused(fault)),
        }
        self.inner.create(key, record, now).await.map_err(full)
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Swap, Refused> {
        let late = self.late.lock().unwrap().take();
        if let Some((key, expected, record, now)) = late {
            let _ = self.inner.update(&key, &expected, &record, now).await.map_err(full)?;
        }
        let turn = self.script.lock().unwrap().pop_front().unwrap_or(Replacing::Done);
        match turn {
            Replacing::Done => self.inner.update(key, expected, record, now).await.map_err(full),
            Replacing::AnswerLost => {
                let _ = self.inner.update(key, expected, record, now).await.map_err(full)?;
                Err(Refused(Fault::Outage))
            }
            Replacing::Lost => Err(Refused(Fault::Outage)),
            Replacing::Late => {
                *self.late.lock().unwrap() = Some((*key, *expected, record.clone(), now));
                Err(Refused(Fault::Outage))
            }
            Replacing::Refuse(fault) => Err(Refused(fault)),
        }
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, now: Timestamp) -> Result<bool, Refused> {
        self.inner.touch(key, idle_end, now).await.map_err(full)
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        now: Timestamp,
    ) -> Result<Swap, Refused> {
        self.inner.renew(old, expected, new, record, tombstone_expires, now).await.map_err(full)
    }

    async fn delete(&self, key: &RecordKey, now: Timestamp) -> Result<bool, Refused> {
        self.inner.delete(key, now).await.map_err(full)
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<bool, Refused> {
        self.inner.rewrap(key, revision, kid, sealed, now).await.map_err(full)
    }

    async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, Refused> {
        self.inner.sealed_otherwise(kid, after, limit, now).await.map_err(full)
    }

    async fn list(
        &self,
        owner: &str,
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<Listed>, Refused> {
        self.inner.list(owner, after, limit, now).await.map_err(full)
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        now: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, Refused> {
        self.inner.owned(owner, public_id, now).await.map_err(full)
    }

    async fn end(&self, owner: &str, public_id: PublicId, now: Timestamp) -> Result<bool, Refused> {
        self.inner.end(owner, public_id, now).await.map_err(full)
    }

    async fn end_all(&self, owner: &str, keep: Option<&RecordKey>, now: Timestamp) -> Result<(), Refused> {
        self.inner.end_all(owner, keep, now).await.map_err(full)
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, Refused> {
        self.inner.purge(now, limit).await.map_err(full)
    }
}
