//! The keys in use by a running server, for its operator.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use waxseal_crypto::KeyId;

use crate::file_watch::FileChange;
use crate::secrets::{KeyKind, Secrets};

const REFUSED: &str = "waxseal_file_refused";

/// The keys in use by a running server, kept up to date by a [`KeyWatcher`](crate::KeyWatcher).
///
/// Sets the gauge `waxseal_file_refused{file="secret"}` through the `metrics` facade.
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
    is_record_unread: bool,
}

impl KeyStatus {
    /// The status of a server that has used `secrets` since `now`.
    #[must_use]
    pub fn new(secrets: &Secrets, now: SystemTime) -> Self {
        metrics::describe_gauge!(
            REFUSED,
            "1 if what a file holds now is refused, and what it held before is used; of the secret file also if its record \
             cannot be read."
        );
        set_refused(secrets.is_record_unread());
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
        // Here, and not when the report is read: an app with a recorder of its own reads none.
        set_refused(match &change {
            FileChange::Taken(secrets) => secrets.is_record_unread(),
            FileChange::Refused(_) => true,
            FileChange::Restored => report.is_record_unread,
        });
        match change {
            FileChange::Taken(secrets) => {
                for warning in secrets.warnings() {
                    tracing::warn!("{warning}");
                }
                let new = KeyReport::new(&secrets, now);
                if new.keys == report.keys {
                    // The record alone has changed, or the file in a way that changes no key.
                    tracing::info!("secret keys as before {secrets}");
                    *report = KeyReport { since: report.since, ..new };
                } else {
                    tracing::info!("secret keys changed {secrets}: {}", secrets.roles());
                    *report = new;
                }
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

fn set_refused(is_refused: bool) {
    metrics::gauge!(REFUSED, "file" => "secret").set(f64::from(u8::from(is_refused)));
}

impl KeyReport {
    fn new(secrets: &Secrets, since: SystemTime) -> Self {
        let (source, keys) = (secrets.to_string(), secrets.kinds().collect());
        Self {
            source,
            keys,
            since,
            warnings: secrets.warnings().to_vec(),
            refused: None,
            is_record_unread: secrets.is_record_unread(),
        }
    }
}
