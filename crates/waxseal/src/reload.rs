//! Keys that change while the server runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use waxseal_crypto::KeyId;
use zeroize::Zeroizing;

use crate::rotation::Rotation;
use crate::secrets::{Kind, Policy};
use crate::server::Hangups;
use crate::{AppService, Secrets, Settings, error_chain, secret_file};

/// How long new content must have been the same before it is taken: half of a file is a valid other passphrase.
const SETTLED: Duration = Duration::from_secs(1);
/// An interval beyond this is as good as none, and must not overflow the clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a running server follows its secret file.
#[derive(Debug)]
pub(crate) struct Reload {
    /// `None` if the keys come from the environment or a pipe, which cannot change for a running process.
    watch: Option<Watch>,
    /// `None` to look at SIGHUP alone.
    interval: Option<Duration>,
    status: Arc<Status>,
}

impl Reload {
    pub(crate) fn new(settings: &Settings, app: &str, secrets: &Secrets) -> Self {
        let interval = settings.secret_reload_interval;
        Self {
            watch: Watch::new(secrets, Policy::new(settings, app)),
            interval: (interval > 0).then(|| Duration::from_secs(interval).min(LONGEST)),
            status: Arc::new(Status::new(secrets, SystemTime::now())),
        }
    }

    pub(crate) fn status(&self) -> Arc<Status> {
        self.status.clone()
    }

    /// Changes the keys of `service` whenever the file does; never ends.
    pub(crate) async fn run(self, service: AppService, mut hangups: Hangups) {
        let Some(mut watch) = self.watch else {
            loop {
                hangups.next().await;
                let source = self.status.report().source;
                tracing::warn!(
                    "SIGHUP: the secret keys are {source}, which cannot change for a running process; \
                     restart it, or keep the keys in a file and set SECRET_KEY_FILE"
                );
            }
        };
        loop {
            let regular = self.interval.map(|interval| Instant::now() + interval);
            tokio::select! {
                () = until(earlier(regular, watch.settles())) => {}
                () = hangups.next() => tracing::info!("SIGHUP: looking at the secret keys {}", self.status.report().source),
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
                service.set_keyring(secrets.keyring());
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
    pub(crate) fn new(secrets: &Secrets, policy: Policy) -> Option<Self> {
        let path = secrets.file().filter(|path| path.is_file())?.to_owned();
        let file = Ok(Zeroizing::new(secrets.file_bytes()?.to_vec()));
        let taken = Content { file, revoked: Ok(Vec::new()) };
        let seals = secrets.keyring().ids().next();
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

/// The keys at work, for whoever asks about them.
#[derive(Debug)]
pub(crate) struct Status(Mutex<Report>);

#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) source: String,
    pub(crate) keys: Vec<(KeyId, Kind)>,
    pub(crate) since: SystemTime,
    pub(crate) warnings: Vec<String>,
    /// Why the file as it is now was not taken.
    pub(crate) refused: Option<String>,
}

impl Status {
    pub(crate) fn new(secrets: &Secrets, now: SystemTime) -> Self {
        Self(Mutex::new(Report::new(secrets, now)))
    }

    pub(crate) fn report(&self) -> Report {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change, logs it, and returns the keys if there are new ones.
    pub(crate) fn note(&self, change: Change, now: SystemTime) -> Option<Secrets> {
        let mut report = self.lock();
        match change {
            Change::Taken(secrets) => {
                for warning in secrets.warnings() {
                    tracing::warn!("{warning}");
                }
                tracing::info!("secret keys changed {secrets}: {}", secrets.roles());
                *report = Report::new(&secrets, now);
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

impl Report {
    fn new(secrets: &Secrets, since: SystemTime) -> Self {
        let (source, keys) = (secrets.to_string(), secrets.kinds().collect());
        Self { source, keys, since, warnings: secrets.warnings().to_vec(), refused: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyFile;
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
            let settings = Settings::default();
            let secrets = Secrets::from_file(&path, &settings, "demo").unwrap();
            let watch = Watch::new(&secrets, Policy::new(&settings, "demo")).unwrap();
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
