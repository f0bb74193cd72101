//! The conformance suite on a store over keys and values, with an order and without.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use waxseal_key_value::{KeyAndValue, KeyValue, KeyValueStore};
use waxseal_store::testing::{Conformance, FaultyStore, Report, Verdict};
use waxseal_store::{
    Found, Lifespan, Promise, Record, RecordKey, Revision, SessionId, SessionStore, Timestamp,
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
    let record = Record {
        revision: Revision::first().unwrap(),
        kid: [0; 4],
        life: Lifespan::new(NOW, NOW, Timestamp::MAX, Timestamp::MAX),
        owner: Some("albus".to_owned()),
        device: String::new(),
        sealed: b"sealed".to_vec(),
    };
    let _ = KeyValueStore::new(map.clone()).create(&key, &record, NOW).await.unwrap();
    let store = KeyValueStore::new(EndsBetween { map, keep: Mutex::new(Some(key)) });
    assert_eq!(store.load(&key, NOW).await.unwrap(), Some(Found::Living(record)));
}
