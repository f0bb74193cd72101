//! Records for tests of stores.

use waxseal_store::{
    Found, Lifespan, PublicId, Record, RecordKey, Revision, SessionId, SessionStore, Swap, Timestamp,
};

/// The time of every call.
pub const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);

/// Runs a future on this thread, without the driver of a runtime.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A key that no store has.
pub fn new_key() -> RecordKey {
    SessionId::generate().unwrap().key()
}

/// A record without an owner, with these sealed bytes.
pub fn record(sealed: &[u8]) -> Record {
    Record {
        revision: Revision::first().unwrap(),
        kid: [1; 4],
        life: Lifespan::new(NOW, NOW, Timestamp::MAX, Timestamp::MAX),
        owner: None,
        device: "Firefox on Linux".to_owned(),
        sealed: sealed.to_vec(),
    }
}

/// The living record under a key.
pub async fn load<S: SessionStore>(store: &S, key: &RecordKey) -> Option<Record> {
    match store.load(key, NOW).await.unwrap() {
        Some(Found::Living(record)) => Some(record),
        Some(Found::Renewed) | None => None,
    }
}

/// Adds one to the number in the sealed bytes, `times` times, by compare-and-swap.
pub async fn increment<S: SessionStore>(store: &S, key: &RecordKey, times: u64) {
    for _ in 0..times {
        loop {
            let before = load(store, key).await.unwrap();
            let number = u64::from_be_bytes(before.sealed[..].try_into().unwrap());
            let sealed = (number + 1).to_be_bytes().to_vec();
            let after = Record { revision: before.revision.next().unwrap(), sealed, ..before.clone() };
            match store.update(key, &before.revision, &after, NOW).await.unwrap() {
                Swap::Done => break,
                Swap::Conflict => {}
                Swap::Gone => panic!("nobody ended it"),
            }
        }
    }
}

/// Runs [`increment`] on `tasks` threads.
pub fn increment_on_threads<S: SessionStore>(store: &S, key: &RecordKey, tasks: usize, times: u64) {
    std::thread::scope(|scope| {
        for _ in 0..tasks {
            scope.spawn(|| wait(increment(store, key, times)));
        }
    });
}

/// The number in the sealed bytes.
pub async fn number<S: SessionStore>(store: &S, key: &RecordKey) -> u64 {
    u64::from_be_bytes(load(store, key).await.unwrap().sealed[..].try_into().unwrap())
}

/// Writes a key as text, for another process.
pub fn write_key(key: &RecordKey) -> String {
    let hash: String = key.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}:{hash}", key.public_id())
}

/// Reads the key that [`write_key`] wrote.
pub fn read_key(text: &str) -> RecordKey {
    let (public_id, hash) = text.split_once(':').unwrap();
    let byte = |at| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).unwrap();
    RecordKey::new(PublicId::parse(public_id).unwrap(), std::array::from_fn(byte))
}
