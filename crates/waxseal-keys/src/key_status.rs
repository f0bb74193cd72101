//! The keys in use by a running server, for its operator.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use waxseal_crypto::KeyId;

use crate::file_watch::FileChange;
use crate::secrets::{KeyKind, Secrets};

/// The keys in use by a running server, kept up to date by a [`KeyWatcher`](crate::KeyWatcher).
#[derive(Debug)]
pub struct KeyStatus(Mutex<KeyReport>);

/// The keys in use at one time: a copy of a [`KeyStatus`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeyReport {
    /// The variable or file that they came from, as a phrase that follows "secret keys".
    pub source: String,
    /// The keys in ring order: the first seals.
    pub keys: Vec<(KeyId, KeyKind)>,
    /// The time since which they are in use.
    pub since: SystemTime,
    /// Weaknesses of these keys, each as a sentence without a secret.
    pub warnings: Vec<String>,
    /// Why the file's present content was refused, if it was.
    pub refused: Option<String>,
}

impl KeyStatus {
    /// The status of a server that has used `secrets` since `now`.
    #[must_use]
    pub fn new(secrets: &Secrets, now: SystemTime) -> Self {
        Self(Mutex::new(KeyReport::new(secrets, now)))
    }

    /// The keys as they are now.
    #[must_use]
    pub fn report(&self) -> KeyReport {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, KeyReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records and logs a change. Returns the keys if they are new.
    pub(crate) fn note(&self, change: FileChange, now: SystemTime) -> Option<Secrets> {
        let mut report = self.lock();
        match change {
            FileChange::Taken(secrets) => {
                for warning in secrets.warnings() {
                    tracing::warn!("{warning}");
                }
                tracing::info!("secret keys changed {secrets}: {}", secrets.roles());
                *report = KeyReport::new(&secrets, now);
                Some(secrets)
            }
            FileChange::Refused(why) => {
                tracing::error!("secret keys not changed, {}: {why}", report.source);
                report.refused = Some(why);
                None
            }
            FileChange::Restored => {
                tracing::info!("secret keys as before {}", report.source);
                report.refused = None;
                None
            }
        }
    }
}

impl KeyReport {
    fn new(secrets: &Secrets, since: SystemTime) -> Self {
        let (source, keys) = (secrets.to_string(), secrets.kinds().collect());
        Self { source, keys, since, warnings: secrets.warnings().to_vec(), refused: None }
    }
}
