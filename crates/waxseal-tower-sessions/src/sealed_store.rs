//! A Waxseal store as a store of tower-sessions.

use std::fmt;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{Error as TowerError, ExpiredDeletion, Result as TowerResult};
use waxseal_crypto::{Context, Keyring, Limits, Sealer, Times};
use waxseal_http::Clock;
use waxseal_store::{
    Creation, Found, Lifespan, PublicId, RecordKey, Revision, SessionStore, Swap, Timestamp, yield_once,
};

use crate::error::Error;

/// The most attempts to save a record that other requests change at the same time, and to find an unused id.
const ATTEMPTS: usize = 5;
/// The number of expired records that are deleted at a time. It is small, so that no request waits long for it.
const BATCH: usize = 500;

/// Wraps a Waxseal store for an app on tower-sessions.
///
/// Each record is sealed with the first key of the keyring and bound to its key and revision. A save replaces the whole
/// record, so of two concurrent saves the later wins, as in every store for tower-sessions. Saving a session that was
/// deleted or has expired is an error; other stores would create the session again.
///
/// A record that does not open, such as one of a key that left the keyring, is as good as absent: its visitor is a new
/// one, and the log says so. A record keeps its key until its next save, so leave an old key in the ring for as long as
/// its sessions live.
///
/// Expired records take up space until [`ExpiredDeletion::delete_expired`] deletes them, as in other stores for
/// tower-sessions. Call it every minute, from a task that goes on after an error.
///
/// # Example
///
/// ```
/// # use std::time::Duration;
/// # use waxseal_store::MemoryStore;
/// # use waxseal_tower_sessions::SealedStore;
/// use tower_sessions::session_store::ExpiredDeletion;
///
/// # fn example(store: SealedStore<MemoryStore>) {
/// let expired = store.clone();
/// tokio::spawn(async move {
///     loop {
///         if let Err(error) = expired.delete_expired().await {
///             eprintln!("expired sessions stay for now: {error}");
///         }
///         tokio::time::sleep(Duration::from_secs(60)).await;
///     }
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct SealedStore<S> {
    store: S,
    sealer: Sealer,
    kid: [u8; 4],
    clock: Clock,
}

impl<S: SessionStore> SealedStore<S> {
    /// Keeps the sessions of the app named `app` in `store`.
    ///
    /// # Errors
    ///
    /// [`Error::Name`] if the name is longer than 255 bytes.
    pub fn new(store: S, keyring: &Keyring, app: &str) -> Result<Self, Error> {
        let context = Context::new("tower-sessions")?.with_audience(app)?;
        let kid = *keyring.ids().next().expect("a ring has at least one key").as_bytes();
        Ok(Self { store, sealer: keyring.sealer(&context), kid, clock: Clock::system() })
    }

    /// Reads the time from `clock` instead of the system clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    fn sealed(
        &self,
        key: &RecordKey,
        revision: Revision,
        created: Timestamp,
        record: &Record,
    ) -> TowerResult<waxseal_store::Record> {
        let now = self.now();
        let data = serde_json::to_vec(&record.data).map_err(|error| TowerError::Encode(error.to_string()))?;
        let times = Times::new(created.as_secs(), now.as_secs(), Times::NO_IDLE, u32::MAX);
        let sealed = self.sealer.seal(&data, &key.bound(&revision), times);
        let end = Timestamp::from_millis(millis(record.expiry_date));
        Ok(waxseal_store::Record {
            revision,
            kid: self.kid,
            life: Lifespan::new(created, now.max(created), end, end),
            owner: None,
            device: String::new(),
            sealed: sealed.map_err(|error| TowerError::Encode(error.to_string()))?,
        })
    }
}

#[async_trait]
impl<S: SessionStore> tower_sessions_core::SessionStore for SealedStore<S> {
    async fn create(&self, record: &mut Record) -> TowerResult<()> {
        for _ in 0..ATTEMPTS {
            let (key, now) = (key(&record.id), self.now());
            let sealed = self.sealed(&key, Revision::first().map_err(backend)?, now, record)?;
            match self.store.create(&key, &sealed, now).await.map_err(backend)? {
                Creation::Created => return Ok(()),
                Creation::Taken => record.id = Id::default(),
            }
        }
        Err(TowerError::Backend("no free id was found for a session".to_owned()))
    }

    async fn save(&self, record: &Record) -> TowerResult<()> {
        let key = key(&record.id);
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let found = self.store.revalidate(&key, now).await.map_err(backend)?;
            let Some(Found::Living(there)) = found else { return Err(ended()) };
            let next = there.revision.next().map_err(backend)?;
            let sealed = self.sealed(&key, next, there.life.created, record)?;
            match self.store.update(&key, &there.revision, &sealed, now).await.map_err(backend)? {
                Swap::Done => return Ok(()),
                Swap::Conflict => {}
                Swap::Gone => return Err(ended()),
            }
        }
        Err(TowerError::Backend("too many requests save one session at once".to_owned()))
    }

    async fn load(&self, id: &Id) -> TowerResult<Option<Record>> {
        let (key, now) = (key(id), self.now());
        let found = self.store.load(&key, now).await.map_err(backend)?;
        let Some(Found::Living(there)) = found else { return Ok(None) };
        let bound = key.bound(&there.revision);
        let limits = Limits { idle: u32::MAX, absolute: u32::MAX };
        let opened = match self.sealer.open(there.sealed, &bound, now.as_secs(), limits) {
            Ok(opened) => opened,
            Err(rejected) => {
                // As an error it would be a 500 for each page of this visitor, and the cookie would stay.
                tracing::warn!(reason = %rejected.reason(), "a session's record does not open; its visitor is a new one");
                return Ok(None);
            }
        };
        let data = serde_json::from_slice(opened.payload());
        let data = data.map_err(|_| TowerError::Decode("the record is no JSON object".to_owned()))?;
        let nanos = i128::from(there.life.absolute_end.as_millis()) * 1_000_000;
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(nanos);
        let expiry_date = expiry_date.map_err(|error| TowerError::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> TowerResult<()> {
        self.store.delete(&key(id), self.now()).await.map(drop).map_err(backend)
    }
}

#[async_trait]
impl<S: SessionStore> ExpiredDeletion for SealedStore<S> {
    async fn delete_expired(&self) -> TowerResult<()> {
        while self.store.purge(self.now(), BATCH).await.map_err(backend)? == BATCH {
            // A store in memory never yields by itself.
            yield_once().await;
        }
        Ok(())
    }
}

/// The key of a record: a hash of its id, so that a copied table contains no id for a cookie.
fn key(id: &Id) -> RecordKey {
    let hash: [u8; RecordKey::HASH_BYTES] = Sha256::new()
        .chain_update(b"waxseal/tower-sessions\0")
        .chain_update(id.0.to_le_bytes())
        .finalize()
        .into();
    let public_id = hash.first_chunk().expect("a hash is longer than a public id");
    RecordKey::new(PublicId::from_bytes(*public_id), hash)
}

fn millis(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

fn backend(error: impl fmt::Display) -> TowerError {
    TowerError::Backend(error.to_string())
}

fn ended() -> TowerError {
    TowerError::Backend("the session has ended meanwhile and is not made again".to_owned())
}

impl<S> fmt::Debug for SealedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore").finish_non_exhaustive()
    }
}
