//! Counting the records of a session store by key, and sealing them again.

use std::time::SystemTime;

use waxseal::{SessionState, StoreUrl};
use waxseal_crypto::{KeyId, Keyring};

use crate::failure::Failure;

/// The number of records in a batch.
const BATCH: usize = 500;

/// Seals all records with the first key. Returns how many were sealed with another key before.
pub(crate) fn rewrap(keys: &Keyring, store: &StoreUrl, app: &str) -> Result<usize, Failure> {
    waiting(async {
        let sessions = store.sessions(keys, app, SessionState::Store).await?;
        let (mut total, mut after) = (0, None);
        loop {
            // The time anew for each batch: a walk may take longer than clocks may differ.
            let (done, next) = sessions.rewrap(after.as_ref(), BATCH, SystemTime::now()).await?;
            total += done;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(total),
            }
        }
    })
}

/// Counts the records that are sealed with the key `kid`, which must not be the first.
pub(crate) fn count(
    keys: &Keyring,
    store: &StoreUrl,
    app: &str,
    kid: &str,
    now: SystemTime,
) -> Result<usize, Failure> {
    let kid = u32::from_str_radix(kid, 16)
        .map_err(|_| Failure::Usage("a key's id is eight hex digits".to_owned()))?;
    let kid = KeyId::from_bytes(kid.to_be_bytes());
    waiting(async {
        let sessions = store.sessions(keys, app, SessionState::Store).await?;
        let (mut total, mut after) = (0, None);
        loop {
            let (found, next) = sessions.count_sealed_by(kid, after.as_ref(), BATCH, now).await?;
            total += found;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(total),
            }
        }
    })
}

pub(crate) fn waiting<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
