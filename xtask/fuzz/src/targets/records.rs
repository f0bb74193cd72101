//! Stored records: what is sealed in them, and the rows of each engine.

pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod sqlite;

use futures_util::future::join5;
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

/// Asks a store in every way that reads rows; what came of it in words. Nothing may show a row that `is_over`.
pub(crate) async fn ask<S: SessionStore>(store: &S, key: &RecordKey, is_over: bool) -> String {
    // At once, as far as the store can.
    let (loaded, revalidated, listed, owned, otherwise) = join5(
        store.load(key, MOMENT),
        store.revalidate(key, MOMENT),
        store.list(OWNER, None, 10, MOMENT),
        store.owned(OWNER, key.public_id(), MOMENT),
        store.sealed_otherwise([9; 4], None, 10, MOMENT),
    )
    .await;
    if let Ok(Some(Found::Living(record))) = &loaded {
        assert!(record.device.len() <= 100_000, "a device of {} bytes", record.device.len());
    }
    let mut shown = Vec::new();
    if let Ok(Some(Found::Living(record))) = &loaded {
        shown.push(record.life);
    }
    if let Ok(Some(Found::Living(head))) = &revalidated {
        shown.push(head.life);
    }
    if let Ok(Some((_, record))) = &owned {
        shown.push(record.life);
    }
    shown.extend(listed.iter().flat_map(|page| &page.items).map(|item| item.life));
    shown.extend(otherwise.iter().flat_map(|page| &page.items).map(|(_, record)| record.life));
    assert!(shown.iter().all(|life| life.expires > MOMENT), "an expired row: {shown:?}");
    assert!(!is_over || shown.is_empty(), "a row that is over: {shown:?}");
    let shape = |text: String| words(&text);
    let mut said = shape(format!("{:?}", loaded.map(|found| found.is_some())));
    said += &shape(format!("{:?}", revalidated.map(|found| found.is_some())));
    said += &shape(format!("{:?}", listed.map(|page| page.items.len())));
    said += &shape(format!("{:?}", owned.map(|it| it.is_some())));
    said += &shape(format!("{:?}", otherwise.map(|it| it.items.len())));
    said
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
