//! Keys that change while a server runs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;
use waxseal_crypto::Keyring;

use crate::file_watch::FileWatch;
use crate::key_status::KeyStatus;
use crate::secrets::Secrets;

/// The longest interval between two reads of the file. A longer one would be of no use, and must not overflow the
/// clock.
const MAX_INTERVAL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Watches the file that secret keys were read from, and passes on each new keyring.
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
/// use waxseal_keys::{KeyWatcher, SecretOptions, Secrets};
///
/// # async fn example() -> Result<(), waxseal_keys::Error> {
/// let secrets = Secrets::load(SecretOptions::new(), "wizard").await?;
/// let watcher = KeyWatcher::new(&secrets, Some(Duration::from_secs(1)));
/// tokio::spawn(watcher.run(|keyring| println!("{} keys", keyring.ids().count())));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct KeyWatcher {
    /// `None` if the keys come from the environment or a pipe, which cannot change for a running process.
    watch: Option<FileWatch>,
    /// `None` to read the file only when woken.
    interval: Option<Duration>,
    wake: Arc<Notify>,
    status: Arc<KeyStatus>,
}

impl KeyWatcher {
    /// Watches the file of `secrets`, reading it every `interval`, or with `None` only when [woken](Self::waker).
    #[must_use]
    pub fn new(secrets: &Secrets, interval: Option<Duration>) -> Self {
        Self {
            watch: FileWatch::new(secrets),
            interval: interval.map(|interval| interval.min(MAX_INTERVAL)),
            wake: Arc::new(Notify::new()),
            status: Arc::new(KeyStatus::new(secrets, SystemTime::now())),
        }
    }

    /// The keys in use, kept up to date while the watcher [runs](Self::run).
    #[must_use]
    pub fn status(&self) -> Arc<KeyStatus> {
        self.status.clone()
    }

    /// The handle that makes the watcher read the file at once, by [`Notify::notify_one`]: for example on SIGHUP.
    #[must_use]
    pub fn waker(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    /// `true` if there is a file to watch. Variables and pipes cannot change for a running process.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.watch.is_some()
    }

    /// Calls `take` with the new keyring whenever the file changes. Returns only if there is no file to watch.
    ///
    /// New content is used once it has been the same for a second. Content that cannot be used, or that lacks the key
    /// that seals, is refused: the log says why, and `take` is not called.
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime with a timer.
    pub async fn run(self, mut take: impl FnMut(&Keyring)) {
        let Some(mut watch) = self.watch else { return };
        loop {
            let regular = self.interval.map(|interval| Instant::now() + interval);
            tokio::select! {
                () = until(earlier(regular, watch.settles())) => {}
                () = self.wake.notified() => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                let change = watch.look(Instant::now());
                (watch, change)
            });
            let change;
            (watch, change) = match looked.await {
                Ok(looked) => looked,
                Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                // The runtime is shutting down.
                Err(_) => return,
            };
            if let Some(secrets) = change.and_then(|change| self.status.note(change, SystemTime::now())) {
                take(secrets.keyring());
            }
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
