//! A store of one's own: sessions in redb, an embedded database of Rust alone.
//!
//! ```text
//! cargo run --package waxseal-manager --example redb_store
//! ```
//!
//! `redb_values.rs` is the store; its three methods are all that is to be written.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]
#![expect(clippy::result_large_err, reason = "redb's error is what its calls give")]

mod redb_values;

use std::error::Error;
use std::path::Path;
use std::time::SystemTime;

use redb_values::RedbValues;
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_key_value::KeyValueStore;
use waxseal_manager::{Access, Outcome, SessionManager};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let visits = two_requests(&folder.path().join("sessions.redb")).await?;
    println!("the second request reads what the first one wrote: {visits} visit");
    Ok(())
}

/// What a server does for a visitor's first two requests. Between them it is started anew.
async fn two_requests(path: &Path) -> Result<u32, Box<dyn Error>> {
    let (keyring, now) = (Keyring::new(SecretKey::generate()?), SystemTime::now());
    let store = || Ok::<_, redb::Error>(KeyValueStore::new(RedbValues::open(path)?));

    let sessions = SessionManager::store(&keyring, "__Host-session", "example", store()?)?;
    let visit = sessions.create();
    visit.sign_in("albus", now)?;
    visit.insert("visits", 1)?;
    let Outcome::Set { token, .. } = sessions.commit(&visit, now).await? else { unreachable!("it is new") };
    drop((visit, sessions));

    let sessions = SessionManager::store(&keyring, "__Host-session", "example", store()?)?;
    let visit = sessions.open(token.as_bytes(), Access::Read, now)?.load(now).await?;
    assert_eq!(sessions.list("albus", None, 10, now).await?.items.len(), 1);
    Ok(visit.get("visits")?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;
    use waxseal_store::testing::{Conformance, Verdict};
    use waxseal_store::{Promise, SessionStore};

    #[tokio::test]
    async fn a_session_is_there_in_the_next_request() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(two_requests(&folder.path().join("sessions.redb")).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn sessions_are_counted_and_not_what_is_kept_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.redb");
        two_requests(&path).await.unwrap();
        let store = KeyValueStore::new(RedbValues::open(&path).unwrap());
        assert_eq!(store.usage().await.unwrap().records, Some(1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_store_keeps_every_promise() {
        let suite = Conformance::new().spawn_with(|task| drop(tokio::spawn(task))).rounds(5);
        let report = suite
            .run(async || {
                let database = redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
                let store = KeyValueStore::new(RedbValues::over(database).unwrap());
                [store.clone(), store]
            })
            .await;
        for promise in Promise::ALL {
            assert!(matches!(report.verdict(promise), Verdict::Kept { .. }), "{report}");
        }
    }
}
