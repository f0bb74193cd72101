//! One process's connection to the store.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use waxseal_store::{
    Creation, Cursor, Fault, Found, Lifespan, Listed, MemoryStore, Page, PublicId, Record, RecordHead,
    RecordKey, Revision, SessionStore, Swap, Timestamp,
};

use crate::clock::Clock;
use crate::wire::{Call, Fate, Kind, Told, Wire, now};

#[derive(Debug, thiserror::Error)]
#[error("the wire is cut")]
pub(crate) struct Cut;

/// One process's connection to the store.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) process: usize,
    pub(crate) wire: Arc<Mutex<Wire>>,
    pub(crate) clock: Clock,
    /// Whether the store tells its time, which is the true one.
    pub(crate) tells_time: bool,
}

impl Line {
    pub(crate) fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap()
    }

    fn call<T: Clone + Send + 'static>(
        &self,
        kind: Kind,
        key: Option<&RecordKey>,
        work: impl Fn(&MemoryStore) -> T + Send + 'static,
        tell: impl Fn(&T) -> Told + Send + 'static,
    ) -> Waiting<T> {
        let answer = Arc::new(Mutex::new(None));
        let fate = Arc::new(Mutex::new(Fate::Open));
        let waiting = Waiting { answer: answer.clone(), fate: fate.clone() };
        let work = move |store: &MemoryStore| {
            let done = work(store);
            let told = tell(&done);
            answer.lock().unwrap().get_or_insert(done);
            told
        };
        let mut wire = self.wire();
        let (process, request, is_loading) = (self.process, wire.request, wire.is_loading);
        let asked = self.clock.now();
        let (sent, key, work) = (self.clock.true_millis(), key.copied(), Box::new(work));
        wire.calls.push(Call {
            process,
            request,
            kind,
            key,
            is_loading,
            asked,
            sent,
            work,
            fate,
            told: None,
            done: None,
            is_dropped: false,
            heard: None,
        });
        waiting
    }
}

struct Waiting<T> {
    answer: Arc<Mutex<Option<T>>>,
    fate: Arc<Mutex<Fate>>,
}

impl<T: Clone> Future for Waiting<T> {
    type Output = Result<T, Cut>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match *self.fate.lock().unwrap() {
            Fate::Open => Poll::Pending,
            Fate::Answered => {
                Poll::Ready(Ok(self.answer.lock().unwrap().clone().expect("only what was done is answered")))
            }
            Fate::Lost => Poll::Ready(Err(Cut)),
        }
    }
}

/// The caller has gone, and will not hear the answer.
impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        let mut fate = self.fate.lock().unwrap();
        if *fate == Fate::Open {
            *fate = Fate::Lost;
        }
    }
}

fn nothing<T>(_: &T) -> Told {
    Told::default()
}

fn living(key: RecordKey, revision: Revision) -> Told {
    Told { key: Some(key), revision: Some(revision), ..Told::default() }
}

fn found(key: RecordKey, found: Option<(Revision, Lifespan)>, is_absent: bool) -> Told {
    let last_seen = found.map(|(_, life)| life.last_seen);
    Told { key: Some(key), revision: found.map(|(revision, _)| revision), last_seen, is_absent, made: false }
}

impl SessionStore for Line {
    type Error = Cut;

    fn fault(_: &Cut) -> Fault {
        Fault::Outage
    }

    async fn load(&self, key: &RecordKey, at: Timestamp) -> Result<Option<Found<Record>>, Cut> {
        let key = *key;
        let work = move |store: &MemoryStore| now(store.load(&key, at)).unwrap();
        let tell = move |answer: &Option<Found<Record>>| match answer {
            Some(Found::Living(record)) => found(key, Some((record.revision, record.life)), false),
            other => found(key, None, other.is_none()),
        };
        self.call(Kind::Load, Some(&key), work, tell).await
    }

    async fn revalidate(&self, key: &RecordKey, at: Timestamp) -> Result<Option<Found<RecordHead>>, Cut> {
        let key = *key;
        let work = move |store: &MemoryStore| now(store.revalidate(&key, at)).unwrap();
        let tell = move |answer: &Option<Found<RecordHead>>| match answer {
            Some(Found::Living(RecordHead { revision, life, .. })) => {
                found(key, Some((*revision, *life)), false)
            }
            other => found(key, None, other.is_none()),
        };
        self.call(Kind::Confirm, Some(&key), work, tell).await
    }

    async fn create(&self, key: &RecordKey, record: &Record, at: Timestamp) -> Result<Creation, Cut> {
        let (key, record) = (*key, record.clone());
        let revision = record.revision;
        let work = move |store: &MemoryStore| now(store.create(&key, &record, at)).unwrap();
        let tell = move |creation: &Creation| match creation {
            Creation::Created => Told { made: true, ..living(key, revision) },
            Creation::Taken => Told::default(),
        };
        self.call(Kind::Create, Some(&key), work, tell).await
    }

    async fn update(
        &self,
        key: &RecordKey,
        expected: &Revision,
        record: &Record,
        at: Timestamp,
    ) -> Result<Swap, Cut> {
        let (key, expected, record) = (*key, *expected, record.clone());
        let revision = record.revision;
        let work = move |store: &MemoryStore| now(store.update(&key, &expected, &record, at)).unwrap();
        let tell = move |swap: &Swap| match swap {
            Swap::Done => living(key, revision),
            _ => Told::default(),
        };
        self.call(Kind::Update, Some(&key), work, tell).await
    }

    async fn touch(&self, key: &RecordKey, idle_end: Timestamp, at: Timestamp) -> Result<bool, Cut> {
        let key = *key;
        let work = move |store: &MemoryStore| now(store.touch(&key, idle_end, at)).unwrap();
        self.call(Kind::Touch, Some(&key), work, nothing).await
    }

    async fn renew(
        &self,
        old: &RecordKey,
        expected: &Revision,
        new: &RecordKey,
        record: &Record,
        tombstone_expires: Timestamp,
        at: Timestamp,
    ) -> Result<Swap, Cut> {
        let (old, expected, new, record) = (*old, *expected, *new, record.clone());
        let revision = record.revision;
        let work = move |store: &MemoryStore| {
            now(store.renew(&old, &expected, &new, &record, tombstone_expires, at)).unwrap()
        };
        let tell = move |swap: &Swap| match swap {
            Swap::Done => Told { made: true, ..living(new, revision) },
            _ => Told::default(),
        };
        self.call(Kind::Renew, Some(&old), work, tell).await
    }

    async fn delete(&self, key: &RecordKey, at: Timestamp) -> Result<bool, Cut> {
        let key = *key;
        let work = move |store: &MemoryStore| now(store.delete(&key, at)).unwrap();
        self.call(Kind::Delete, Some(&key), work, nothing).await
    }

    async fn rewrap(
        &self,
        key: &RecordKey,
        revision: &Revision,
        kid: [u8; 4],
        sealed: &[u8],
        at: Timestamp,
    ) -> Result<bool, Cut> {
        let (key, revision, sealed) = (*key, *revision, sealed.to_vec());
        let work = move |store: &MemoryStore| now(store.rewrap(&key, &revision, kid, &sealed, at)).unwrap();
        self.call(Kind::Rewrap, Some(&key), work, nothing).await
    }

    async fn sealed_otherwise(
        &self,
        _: [u8; 4],
        _: Option<&Cursor>,
        _: usize,
        _: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, Cut> {
        Ok(Page { items: Vec::new(), next: None })
    }

    async fn list(&self, _: &str, _: Option<&Cursor>, _: usize, _: Timestamp) -> Result<Page<Listed>, Cut> {
        Ok(Page { items: Vec::new(), next: None })
    }

    async fn owned(
        &self,
        owner: &str,
        public_id: PublicId,
        at: Timestamp,
    ) -> Result<Option<(RecordKey, Record)>, Cut> {
        let owner = owner.to_owned();
        let work = move |store: &MemoryStore| now(store.owned(&owner, public_id, at)).unwrap();
        let tell = |answer: &Option<(RecordKey, Record)>| match answer {
            Some((key, record)) => found(*key, Some((record.revision, record.life)), false),
            None => Told::default(),
        };
        self.call(Kind::Owned, None, work, tell).await
    }

    async fn end(&self, owner: &str, public_id: PublicId, at: Timestamp) -> Result<bool, Cut> {
        let owner = owner.to_owned();
        let work = move |store: &MemoryStore| now(store.end(&owner, public_id, at)).unwrap();
        self.call(Kind::End, None, work, nothing).await
    }

    async fn end_all(&self, owner: &str, keep: Option<&RecordKey>, at: Timestamp) -> Result<(), Cut> {
        let (owner, keep) = (owner.to_owned(), keep.copied());
        let work = move |store: &MemoryStore| now(store.end_all(&owner, keep.as_ref(), at)).unwrap();
        self.call(Kind::EndAll, None, work, nothing).await
    }

    async fn purge(&self, _: Timestamp, _: usize) -> Result<usize, Cut> {
        Ok(0)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Cut> {
        if self.wire().is_away() {
            return Err(Cut);
        }
        Ok(self.tells_time.then(|| self.clock.ahead(0).now()))
    }
}
