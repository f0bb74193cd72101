//! Stored records: what is sealed in them, and the rows of each engine.

pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod sqlite;

use futures_util::future::join_all;
use tokio::runtime::Runtime;
use waxseal_crypto::{Context, Sealer};
use waxseal_manager::{Access, SessionManager};
use waxseal_store::{
    Found, Lifespan, MemoryStore, Record, RecordKey, Revision, SessionId, SessionStore, Swap, Timestamp,
};

use super::sealed::{NOW, keyring, now, times};
use super::session::{contents, look_at};
use crate::target::{Target, outcome, words};

pub(crate) const OWNER: &str = "user-7";
pub(crate) const MOMENT: Timestamp = Timestamp::from_millis(NOW * 1_000);

pub(crate) fn id() -> SessionId {
    SessionId::from_bytes([7; 32])
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The record under [`id`], with these sealed bytes.
pub(crate) fn record(sealed: Vec<u8>) -> Record {
    let life = Lifespan::new(MOMENT, MOMENT, Timestamp::MAX, Timestamp::MAX);
    let revision = Revision::from_bytes([0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    Record {
        revision,
        kid: [1; 4],
        life,
        owner: Some(OWNER.to_owned()),
        device: "Firefox".to_owned(),
        sealed,
    }
}

/// A way to read rows.
#[derive(Clone, Copy)]
pub(crate) enum Reading {
    Load,
    Revalidate,
    List,
    Owned,
    Otherwise,
}

impl Reading {
    pub(crate) const ALL: [Self; 5] =
        [Self::Load, Self::Revalidate, Self::List, Self::Owned, Self::Otherwise];

    /// Asks a store in this way; what came of it in words. It may not show a row that `is_over`.
    pub(crate) async fn ask<S: SessionStore>(self, store: &S, key: &RecordKey, is_over: bool) -> String {
        let lives = match self {
            Self::Load => store.load(key, MOMENT).await.map(|found| match found {
                Some(Found::Living(record)) => {
                    assert!(record.device.len() <= 100_000, "a device of {} bytes", record.device.len());
                    vec![Some(record.life)]
                }
                found => found.iter().map(|_| None).collect(),
            }),
            Self::Revalidate => store.revalidate(key, MOMENT).await.map(|found| match found {
                Some(Found::Living(head)) => vec![Some(head.life)],
                found => found.iter().map(|_| None).collect(),
            }),
            Self::List => {
                let page = store.list(OWNER, None, 10, MOMENT).await;
                page.map(|page| page.items.iter().map(|item| Some(item.life)).collect())
            }
            Self::Owned => {
                let owned = store.owned(OWNER, key.public_id(), MOMENT).await;
                owned.map(|found| found.iter().map(|(_, record)| Some(record.life)).collect())
            }
            Self::Otherwise => {
                let page = store.sealed_otherwise([9; 4], None, 10, MOMENT).await;
                page.map(|page| page.items.iter().map(|(_, record)| Some(record.life)).collect())
            }
        };
        // Of what is there without a life, such as a tombstone, nothing is shown.
        let shown: Vec<_> = lives.iter().flatten().flatten().collect();
        assert!(shown.iter().all(|life| life.expires > MOMENT), "an expired row: {shown:?}");
        assert!(!is_over || shown.is_empty(), "a row that is over: {shown:?}");
        words(&format!("{:?}", lives.map(|lives| !lives.is_empty())))
    }
}

/// Asks a store in every way that reads rows, at once, as far as it can; what came of it in words. Nothing may show a
/// row that `is_over`.
pub(crate) async fn ask<S: SessionStore>(store: &S, key: &RecordKey, is_over: bool) -> String {
    join_all(Reading::ALL.map(|reading| reading.ask(store, key, is_over))).await.concat()
}

/// A record whose sealed bytes anybody wrote, and one whose content was sealed with the right key.
pub(crate) struct Sealed {
    runtime: Runtime,
    sessions: SessionManager,
    store: MemoryStore,
    sealer: Sealer,
    token: String,
}

impl Sealed {
    pub(crate) fn new() -> Self {
        let (runtime, store) = (runtime(), MemoryStore::new());
        let key = id().key();
        let first = Record { owner: None, ..record(Vec::new()) };
        let made = runtime.block_on(store.create(&key, &first, MOMENT));
        assert!(made.is_ok(), "an empty store has room");
        let short = "contexts of short texts";
        let context = Context::new("record").and_then(|context| context.with_audience("demo")).expect(short);
        let token = Context::new("session/store").and_then(|context| context.with_name("__Host-session"));
        let token = token.and_then(|context| context.with_audience("demo")).expect(short);
        Self {
            sessions: SessionManager::store(&keyring(), "__Host-session", "demo", store.clone())
                .expect(short),
            sealer: keyring().sealer(&context),
            token: keyring().signer::<32>(&token).sign(&[7; 32], NOW).expect("before 2106"),
            runtime,
            store,
        }
    }

    /// Writes the sealed bytes, always in the same revision, so that seeds open.
    fn put(&mut self, sealed: Vec<u8>) {
        let next = Record { owner: None, ..record(sealed) };
        let swap = self.runtime.block_on(self.store.update(&id().key(), &next.revision, &next, MOMENT));
        assert!(matches!(swap, Ok(Swap::Done)), "nobody else writes");
    }
}

impl Target for Sealed {
    /// The first byte says that the rest is the content behind a good key.
    fn seeds(&self) -> Vec<Vec<u8>> {
        let bound = id().key().bound(&record(Vec::new()).revision);
        let content = |content: Vec<u8>| {
            let sealed = self.sealer.seal(&content, &bound, times()).expect("a small session");
            [[&[1], &content[..]].concat(), [&[0], &sealed[..]].concat()]
        };
        contents().into_iter().flat_map(content).collect()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let Some((kind, rest)) = input.split_first() else { return "nothing".to_owned() };
        let sealed = match kind % 2 {
            0 => rest.to_vec(),
            _ => match self.sealer.seal(rest, &id().key().bound(&record(Vec::new()).revision), times()) {
                Ok(sealed) => sealed,
                Err(error) => return words(&format!("{error:?}")),
            },
        };
        self.put(sealed);
        let opened =
            self.sessions.open(self.token.as_bytes(), Access::Read, now()).expect("the token is good");
        let loaded = self.runtime.block_on(opened.load(now()));
        let said = loaded.as_ref().map(|visit| format!("{} {}", visit.is_new(), look_at(visit)));
        format!("{} {said:?}", outcome(&loaded.as_ref().map(|_| ()), "loaded"), said = said.ok())
    }
}
