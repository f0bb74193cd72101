//! The conformance suite on a store over keys and values, with an order and without.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use waxseal_key_value::{KeyAndValue, KeyValue, KeyValueStore};
use waxseal_store::testing::{Conformance, FaultyStore, Report, Verdict};
use waxseal_store::{
    Creation, Found, Lifespan, Promise, Record, RecordKey, Revision, SessionId, SessionStore, Timestamp,
};

/// A map, of which parallel calls see every step of each other.
#[derive(Clone, Default)]
struct Map<const ORDERED: bool> {
    values: Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>,
}

impl<const ORDERED: bool> KeyValue for Map<ORDERED> {
    type Error = Infallible;

    const ORDERED: bool = ORDERED;

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        std::thread::yield_now();
        Ok(self.values.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn swap(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        _expires: Timestamp,
    ) -> Result<bool, Infallible> {
        std::thread::yield_now();
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.get(key).map(Vec::as_slice) != before {
            return Ok(false);
        }
        match after {
            Some(after) => values.insert(key.to_vec(), after.to_vec()),
            None => values.remove(key),
        };
        Ok(true)
    }

    async fn scan(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<KeyAndValue>, Infallible> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let later = values.range(after.to_vec()..).filter(|(key, _)| key.as_slice() != after);
        let found = later.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

fn report<const ORDERED: bool>() -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let suite = Conformance::new().spawn_with(|task| drop(tokio::spawn(task)));
    runtime.block_on(suite.run(async || {
        // It yields at every call, so that calls meet between two steps of a session's change.
        let store = FaultyStore::new(KeyValueStore::new(Map::<ORDERED>::default()));
        [store.clone(), store]
    }))
}

#[test]
fn a_store_over_keys_and_values_keeps_every_promise() {
    let report = report::<true>();
    for promise in Promise::ALL {
        assert!(matches!(report.verdict(promise), Verdict::Kept { .. }), "{report}");
    }
}

#[test]
fn without_an_order_it_keeps_all_but_two_which_it_does_not_make() {
    let report = report::<false>();
    for promise in Promise::ALL {
        match report.verdict(promise) {
            Verdict::Kept { .. } => assert!(!promise.is_optional(), "{report}"),
            verdict => assert!(promise.is_optional() && *verdict == Verdict::NotMade, "{report}"),
        }
    }
    let text = report.to_string();
    assert!(text.contains("records: kept (15 cases)\n"), "{text}");
    assert!(text.contains("\nlists: not made, so not fit for a list of one's own sessions"), "{text}");
}

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A record of an owner that expires then, and has no absolute end.
fn record(expires: Timestamp) -> Record {
    Record {
        revision: Revision::first().unwrap(),
        kid: [0; 4],
        life: Lifespan::new(NOW, NOW, expires, Timestamp::MAX),
        owner: Some("albus".to_owned()),
        device: String::new(),
        sealed: b"sealed".to_vec(),
    }
}

/// Creates a session that expires then.
async fn create(store: &KeyValueStore<Map<true>>, expires: Timestamp) -> RecordKey {
    let key = SessionId::generate().unwrap().key();
    assert_eq!(store.create(&key, &record(expires), NOW).await.unwrap(), Creation::Created);
    key
}

/// Values whose owner's other sessions end just before his epoch is read.
struct EndsBetween {
    map: Map<true>,
    keep: Mutex<Option<RecordKey>>,
}

impl KeyValue for EndsBetween {
    type Error = Infallible;

    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        let keep = if key.starts_with(b"o") { self.keep.lock().unwrap().take() } else { None };
        if let Some(keep) = keep {
            KeyValueStore::new(self.map.clone()).end_all("albus", Some(&keep), NOW).await.unwrap();
        }
        self.map.get(key).await
    }

    async fn swap(
        &self,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        expires: Timestamp,
    ) -> Result<bool, Infallible> {
        self.map.swap(key, before, after, expires).await
    }
}

#[tokio::test]
async fn a_session_that_is_kept_between_two_reads_does_not_seem_ended() {
    let (map, key) = (Map::default(), SessionId::generate().unwrap().key());
    let record = record(Timestamp::MAX);
    let _ = KeyValueStore::new(map.clone()).create(&key, &record, NOW).await.unwrap();
    let store = KeyValueStore::new(EndsBetween { map, keep: Mutex::new(Some(key)) });
    assert_eq!(store.load(&key, NOW).await.unwrap(), Some(Found::Living(record)));
}

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test]
async fn a_session_without_an_absolute_end_leaves_its_owners_list_when_it_is_over() {
    let map = Map::default();
    let store = KeyValueStore::new(map.clone());
    let (over, stays) = (create(&store, NOW.after(HOUR)).await, create(&store, Timestamp::MAX).await);
    // Of one that is about to begin, the first purge meets the place in the list and no record yet.
    let begins = create(&store, Timestamp::MAX).await;
    let key = [b"s", &begins.public_id().as_bytes()[..]].concat();
    let value = map.values.lock().unwrap().remove(&key).unwrap();
    store.purge(NOW.after(2 * HOUR), 9).await.unwrap();
    map.values.lock().unwrap().insert(key, value);
    store.purge(NOW.after(3 * HOUR), 9).await.unwrap();

    let values = map.values.lock().unwrap();
    let end = |key: &RecordKey| {
        values.get(&[b"l\0\x05albus", &key.public_id().as_bytes()[..]].concat()).map(Vec::as_slice)
    };
    let never = Timestamp::MAX.as_millis().to_be_bytes();
    assert_eq!([&over, &stays, &begins].map(end), [None, Some(&never[..]), Some(&never[..])]);
    assert_eq!(values.len(), 4, "two sessions, and their places in the list");
}

#[tokio::test]
async fn walks_pass_over_a_damaged_value() {
    let map = Map::default();
    let store = KeyValueStore::new(map.clone());
    let (damaged, good) = (create(&store, NOW.after(HOUR)).await, create(&store, NOW.after(HOUR)).await);
    let key = [b"s", &damaged.public_id().as_bytes()[..]].concat();
    map.values.lock().unwrap().insert(key.clone(), b"no session".to_vec());

    assert_eq!(store.list("albus", None, 9, NOW).await.unwrap().items.len(), 1);
    let other = store.sealed_otherwise([1; 4], None, 9, NOW).await.unwrap();
    assert_eq!(other.items.iter().map(|(key, _)| key.public_id()).collect::<Vec<_>>(), [good.public_id()]);
    assert_eq!(store.purge(NOW.after(2 * HOUR), 9).await.unwrap(), 1);
    assert!(map.values.lock().unwrap().contains_key(&key), "it may be somebody else's");
    assert!(store.load(&damaged, NOW).await.is_err());
}

/// A store in memory never waits, and a runtime's other tasks would.
#[tokio::test]
async fn a_purge_lets_other_tasks_run_between_its_pages() {
    let map = Map::default();
    let store = KeyValueStore::new(map.clone());
    for _ in 0..300 {
        create(&store, Timestamp::MAX).await;
    }
    let mut purge = pin!(store.purge(NOW, 9));
    let mut turns = 0;
    while purge.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        turns += 1;
    }
    assert!(turns >= 4, "{turns}: sessions and lists have 300 values each");
}
