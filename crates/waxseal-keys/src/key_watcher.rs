//! Keys that change while the server runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;
use waxseal_crypto::{KeyId, Keyring};
use zeroize::Zeroizing;

use crate::rotation::Rotation;
use crate::secrets::Policy;
use crate::{KeyKind, Secrets, error_chain, secret_file};

/// How long new content must have been the same before it is taken: half of a file is a valid other passphrase.
const SETTLED: Duration = Duration::from_secs(1);
/// An interval beyond this is as good as none, and must not overflow the clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Follows the file that secret keys were read from, and hands over each new keyring.
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
/// use waxseal_keys::{KeyWatcher, SecretOptions, Secrets};
///
/// # async fn example() -> Result<(), waxseal_keys::SecretError> {
/// let secrets = Secrets::load(SecretOptions::new(), "wizard").await?;
/// let watcher = KeyWatcher::new(&secrets, Some(Duration::from_secs(1)));
/// tokio::spawn(watcher.run(|keyring| println!("{} keys", keyring.ids().count())));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct KeyWatcher {
    /// `None` if the keys come from the environment or a pipe, which cannot change for a running process.
    watch: Option<Watch>,
    /// `None` to look only when [woken](Self::waker).
    interval: Option<Duration>,
    wake: Arc<Notify>,
    status: Arc<KeyStatus>,
}

impl KeyWatcher {
    /// Watches the file of `secrets`, read every `interval`; without one, only when [woken](Self::waker).
    #[must_use]
    pub fn new(secrets: &Secrets, interval: Option<Duration>) -> Self {
        Self {
            watch: Watch::new(secrets),
            interval: interval.map(|interval| interval.min(LONGEST)),
            wake: Arc::new(Notify::new()),
            status: Arc::new(KeyStatus::new(secrets, SystemTime::now())),
        }
    }

    /// The keys at work, kept up to date while the watcher runs.
    #[must_use]
    pub fn status(&self) -> Arc<KeyStatus> {
        self.status.clone()
    }

    /// Makes the watcher read the file at once when [notified](Notify::notify_one), as a server does at SIGHUP.
    #[must_use]
    pub fn waker(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    /// `false` if the keys came from the environment or a pipe, which cannot change for a running process.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.watch.is_some()
    }

    /// Calls `take` with the new keyring whenever the file changes; never ends, unless there is no file to watch.
    ///
    /// New content is taken once it has been the same for a second. Content that cannot be used, or lacks the key that
    /// seals, is refused: the log says why, and `take` is not called.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with a timer.
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
                // The runtime ends.
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

/// A secret file that is compared with what was read from it before.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    policy: Policy,
    /// The key that seals now: a file without it signs everybody out.
    seals: Option<KeyId>,
    taken: Content,
    /// Something else, since then.
    candidate: Option<(Content, Instant)>,
    /// What was refused lately, so that it is judged and logged once.
    refused: Option<Content>,
}

/// What changed.
#[derive(Debug)]
pub(crate) enum Change {
    /// These are the keys now.
    Taken(Secrets),
    /// The old ones work on.
    Refused(String),
    /// What was refused is gone again.
    Restored,
}

/// What a secret file and its record said at one moment.
#[derive(Clone, PartialEq, Eq)]
struct Content {
    /// The bytes, or why there are none.
    file: Result<Zeroizing<Vec<u8>>, String>,
    /// The ids of keys that were revoked, or why nobody knows.
    revoked: Result<Vec<String>, String>,
}

impl Watch {
    /// Watches the file that `secrets` were read from; `None` if they were not, or from a pipe, which holds them once.
    pub(crate) fn new(secrets: &Secrets) -> Option<Self> {
        let path = secrets.file().filter(|path| path.is_file())?.to_owned();
        let file = Ok(Zeroizing::new(secrets.file_bytes()?.to_vec()));
        let taken = Content { file, revoked: Ok(Vec::new()) };
        let seals = secrets.keyring().ids().next();
        let policy = secrets.policy().clone();
        Some(Self { path, policy, seals, taken, candidate: None, refused: None })
    }

    /// Reads the file, and says what changed. Blocks: a passphrase takes a quarter of a second.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Change> {
        // The file before its record: our own commands write them in the other order.
        let file = match std::fs::metadata(&self.path) {
            // Opening a pipe might wait for ever.
            Ok(metadata) if !metadata.is_file() => Err(format!("{} is no file", self.path.display())),
            _ => secret_file::read(&self.path)
                .map_err(|error| error_chain::one_line(error_chain::texts(&error))),
        };
        if file == self.taken.file {
            self.candidate = None;
            return self.refused.take().map(|_| Change::Restored);
        }
        let record =
            Rotation::read(&self.path).map_err(|error| error_chain::one_line(error_chain::texts(&error)));
        let content = Content { file, revoked: record.map(|record| record.revoked.into_keys().collect()) };
        if self.refused.as_ref() == Some(&content) {
            self.candidate = None;
            return None;
        }
        match &self.candidate {
            Some((same, since)) if *same == content => {
                if now.duration_since(*since) < SETTLED {
                    return None;
                }
            }
            _ => {
                self.candidate = Some((content, now));
                return None;
            }
        }
        self.candidate = None;
        Some(match self.judge(&content) {
            Ok(secrets) => {
                self.seals = secrets.keyring().ids().next();
                (self.taken, self.refused) = (content, None);
                Change::Taken(secrets)
            }
            Err(why) => {
                self.refused = Some(content);
                Change::Refused(why)
            }
        })
    }

    /// When to look again, before the next regular look: once what is new has settled.
    pub(crate) fn settles(&self) -> Option<Instant> {
        self.candidate.as_ref().map(|(_, since)| *since + SETTLED)
    }

    fn judge(&self, content: &Content) -> Result<Secrets, String> {
        let bytes = content.file.clone()?;
        let secrets = Secrets::from_bytes(self.path.clone(), bytes, &self.policy);
        let secrets = secrets.map_err(|error| error_chain::one_line(error_chain::texts(&error)))?;
        let Some(seals) = self.seals.filter(|seals| !secrets.keyring().ids().any(|id| id == *seals)) else {
            return Ok(secrets);
        };
        match &content.revoked {
            Ok(revoked) if revoked.contains(&seals.to_string()) => Ok(secrets),
            Ok(_) => Err(format!(
                "it lacks {seals}, the key that seals here, and every visitor would be signed out; put the key back, \
                 or revoke it with `waxseal keys retire --revoke {seals}` and bring the record along, {}",
                Rotation::path(&self.path).display()
            )),
            Err(why) => Err(format!("it lacks {seals}, the key that seals here, and {why}")),
        }
    }
}

/// Says how it was read, never what.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("file", &self.file.as_ref().map(|bytes| bytes.len()))
            .field("revoked", &self.revoked)
            .finish()
    }
}

/// The keys at work in a running server.
#[derive(Debug)]
pub struct KeyStatus(Mutex<KeyReport>);

/// One moment's [`KeyStatus`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeyReport {
    /// The variable or file that they came from.
    pub source: String,
    /// The keys in ring order: the first seals.
    pub keys: Vec<(KeyId, KeyKind)>,
    /// Since when they are at work.
    pub since: SystemTime,
    /// Weaknesses of these keys, each a sentence without a secret.
    pub warnings: Vec<String>,
    /// Why the file as it is now was not taken.
    pub refused: Option<String>,
}

impl KeyStatus {
    /// The status of a server that has worked with `secrets` since `now`.
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

    /// Notes a change, logs it, and returns the keys if there are new ones.
    fn note(&self, change: Change, now: SystemTime) -> Option<Secrets> {
        let mut report = self.lock();
        match change {
            Change::Taken(secrets) => {
                for warning in secrets.warnings() {
                    tracing::warn!("{warning}");
                }
                tracing::info!("secret keys changed {secrets}: {}", secrets.roles());
                *report = KeyReport::new(&secrets, now);
                Some(secrets)
            }
            Change::Refused(why) => {
                tracing::error!("secret keys not changed, {}: {why}", report.source);
                report.refused = Some(why);
                None
            }
            Change::Restored => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyFile, SecretOptions};
    use std::fs;
    use waxseal_crypto::SecretKey;

    const PASSPHRASE: &str = "a passphrase of a decent length";

    struct Case {
        _folder: tempfile::TempDir,
        path: PathBuf,
        watch: Watch,
        now: Instant,
        first: String,
    }

    impl Case {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("secret");
            let key = SecretKey::generate().unwrap();
            fs::write(&path, format!("{}\n", *key.to_text())).unwrap();
            let secrets = Secrets::from_file(&path, SecretOptions::new(), "demo").unwrap();
            let watch = Watch::new(&secrets).unwrap();
            Self { _folder: folder, path, watch, now: Instant::now(), first: key.id().to_string() }
        }

        fn write(&self, text: &str) {
            fs::write(&self.path, text).unwrap();
        }

        fn text(&self) -> String {
            fs::read_to_string(&self.path).unwrap()
        }

        /// Looks so many milliseconds later.
        fn later(&mut self, milliseconds: u64) -> Option<Change> {
            self.now += Duration::from_millis(milliseconds);
            self.watch.look(self.now)
        }

        fn settled(&mut self) -> Option<Change> {
            assert!(self.later(1_000).is_none());
            self.later(1_000)
        }

        fn taken(&mut self) -> Vec<String> {
            match self.settled() {
                Some(Change::Taken(secrets)) => secrets.keyring().ids().map(|id| id.to_string()).collect(),
                other => panic!("{other:?}"),
            }
        }

        fn refused(&mut self) -> String {
            match self.settled() {
                Some(Change::Refused(why)) => why,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_rotation_is_followed_step_by_step() {
        let mut case = Case::new();
        assert!(case.settled().is_none(), "nothing changed");
        let file = KeyFile::new(&case.path);
        let (now, first) = (SystemTime::now(), case.first.clone());
        let new = file.add(now).unwrap().to_string();
        assert_eq!(case.taken(), [first.clone(), new.clone()]);
        file.promote(&new, now).unwrap();
        assert_eq!(case.taken(), [new.clone(), first.clone()]);
        file.retire(&first, now, Duration::from_secs(1), true).unwrap();
        assert_eq!(case.taken(), [new]);
        assert!(case.settled().is_none());
    }

    #[test]
    fn a_half_written_file_is_never_taken() {
        let mut case = Case::new();
        let whole = format!("{}{PASSPHRASE}\n", case.text());
        for end in [whole.len() - 20, whole.len() - 10, whole.len()] {
            case.write(&whole[..end]);
            assert!(case.later(400).is_none(), "first seen");
            assert!(case.later(599).is_none(), "not for a second yet");
        }
        assert_eq!(case.watch.settles(), Some(case.now + Duration::from_millis(401)));
        assert!(
            matches!(case.later(401), Some(Change::Taken(secrets)) if secrets.keyring().ids().count() == 2)
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_once_and_the_old_keys_work_on() {
        let mut case = Case::new();
        let good = case.text();
        for (case_, text, expected) in [
            ("empty", String::new(), "has an empty line"),
            ("an empty line", format!("{good}\n"), "has an empty line"),
            ("a slip", format!("{}\n", &good[..40]), "cannot be used: secret key text has 40 bytes"),
            ("weak", format!("{good}dev\n"), "is printed in public documentation"),
            ("twice", good.repeat(2), "list each key once"),
            ("too many", good.repeat(17), "17 secret keys are more"),
            ("without the key that seals", format!("{PASSPHRASE}\n"), "the key that seals here"),
        ] {
            case.write(&text);
            let why = case.refused();
            assert!(why.contains(expected), "{case_}: {why}");
            assert!(!why.contains(PASSPHRASE) && !why.contains(&good[9..40]), "{case_}: {why}");
            assert!(case.settled().is_none() && case.settled().is_none(), "{case_}: said once");
        }
        fs::remove_file(&case.path).unwrap();
        fs::create_dir(&case.path).unwrap();
        assert!(case.refused().ends_with("is no file"));
        fs::remove_dir(&case.path).unwrap();
        assert!(case.refused().contains("cannot be read: No such file"));
        case.write(&good);
        assert!(matches!(case.later(1_000), Some(Change::Restored)));
        assert!(case.settled().is_none());
    }

    #[test]
    fn the_key_that_seals_may_go_once_it_was_revoked() {
        let mut case = Case::new();
        let new = SecretKey::generate().unwrap();
        case.write(&new.to_text());
        let why = case.refused();
        assert!(why.contains(&format!("it lacks {}", case.first)), "{why}");
        // The record comes later than the file, as a copy of both may.
        let mut record = Rotation::default();
        record.revoked.insert(case.first.clone(), 1);
        record.write(&case.path).unwrap();
        assert_eq!(case.taken(), [new.id().to_string()]);
        fs::write(Rotation::path(&case.path), "half of a rec").unwrap();
        case.write(PASSPHRASE);
        assert!(case.refused().contains("is no record of a rotation"));
    }
}
