//! Compares a key file with the content that the keys at work were read from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use waxseal_crypto::KeyId;
use zeroize::Zeroizing;

use crate::rotation::Rotation;
use crate::secret_file;
use crate::secrets::{self, Policy, Secrets};

/// How long new content must stay the same before it is used. Without this, a file that is half written could be taken
/// for another passphrase.
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// A key file, with the content that is in use and the content that was refused.
#[derive(Debug)]
pub(crate) struct FileWatch {
    path: PathBuf,
    policy: Policy,
    /// The keys in use. The first seals: a file without it would sign all visitors out.
    ids: Vec<KeyId>,
    /// The revoked keys, by id, with the latest time on any record that was read. An old copy of the record may come with an old
    /// copy of the file.
    revoked: BTreeMap<String, u64>,
    taken: Content,
    /// New content, and the time since which it has been the same.
    candidate: Option<(Content, Instant)>,
    /// Content that was refused. Kept so that it is judged and logged only once.
    refused: Option<Content>,
}

/// A change of the file, and what was decided about it.
#[derive(Debug)]
pub(crate) enum FileChange {
    /// New keys, to be used from now on.
    Taken(Secrets),
    /// Content that cannot be used, with the reason. The old keys stay in use.
    Refused(String),
    /// The content in use is back in the file, after other content was refused.
    Restored,
}

/// The content of a key file and of its record, read together.
#[derive(Clone, PartialEq, Eq)]
struct Content {
    /// The bytes, or the reason why they cannot be read.
    file: Result<Zeroizing<Vec<u8>>, String>,
    /// The record, or the reason why it cannot be read. All of it, because a promotion may change nothing else.
    record: Result<Rotation, String>,
}

impl FileWatch {
    /// Watches the file that `secrets` were read from. `None` for variables, and for a pipe, which can be read only
    /// once.
    pub(crate) fn new(secrets: &Secrets) -> Option<Self> {
        let path = secrets.file().filter(|path| path.is_file())?.to_owned();
        let file = Ok(Zeroizing::new(secrets.file_bytes()?.to_vec()));
        let record = record(&path);
        let ids = secrets.keyring().ids().collect();
        let policy = secrets.policy().clone();
        let revoked = record.as_ref().map(|record| record.revoked.clone()).unwrap_or_default();
        let taken = Content { file, record };
        Some(Self { path, policy, ids, revoked, taken, candidate: None, refused: None })
    }

    /// Reads the file and judges new content. Blocks the thread: a passphrase takes a quarter of a second.
    pub(crate) fn look(&mut self, now: Instant) -> Option<FileChange> {
        // The file is read before its record, because this crate's commands write them in the opposite order.
        let file = self.read();
        let content = Content { file, record: record(&self.path) };
        if content == self.taken {
            self.candidate = None;
            return self.refused.take().map(|_| FileChange::Restored);
        }
        if self.refused.as_ref() == Some(&content) {
            self.candidate = None;
            return None;
        }
        if !self.has_settled(&content, now) {
            return None;
        }
        if let Ok(record) = &content.record {
            self.note_revocations(record);
        }
        Some(match self.judge(&content) {
            Ok(secrets) => {
                self.ids = secrets.keyring().ids().collect();
                (self.taken, self.refused) = (content, None);
                FileChange::Taken(secrets)
            }
            Err(why) => {
                self.refused = Some(content);
                FileChange::Refused(why)
            }
        })
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        match std::fs::metadata(&self.path) {
            // Opening a pipe might block forever.
            Ok(metadata) if !metadata.is_file() => {
                Err(format!("{} is not a regular file", self.path.display()))
            }
            _ => secret_file::read(&self.path).map_err(|error| error.one_line()),
        }
    }

    /// `true` if the content has been the same for long enough. Otherwise remembers it and since when it has been the
    /// same.
    fn has_settled(&mut self, content: &Content, now: Instant) -> bool {
        match &self.candidate {
            Some((same, since)) if same == content => {
                let settled = now.duration_since(*since) >= SETTLING_TIME;
                if settled {
                    self.candidate = None;
                }
                settled
            }
            _ => {
                self.candidate = Some((content.clone(), now));
                false
            }
        }
    }

    /// The time at which new content will have settled, so that it is read again before the next regular time.
    pub(crate) fn settles(&self) -> Option<Instant> {
        self.candidate.as_ref().map(|(_, since)| *since + SETTLING_TIME)
    }

    /// Remembers revocations that this record has, and forgets those of keys that were promoted after them.
    fn note_revocations(&mut self, record: &Rotation) {
        for (id, time) in &record.revoked {
            let known = self.revoked.entry(id.clone()).or_default();
            *known = (*known).max(*time);
        }
        let promoted = |id: &String| record.keys.get(id).and_then(|dates| dates.promoted);
        self.revoked.retain(|id, revoked| {
            record.revoked.contains_key(id) || promoted(id).is_none_or(|promoted| promoted <= *revoked)
        });
    }

    fn judge(&self, content: &Content) -> Result<Secrets, String> {
        let bytes = content.file.clone()?;
        let revoked = content.record.as_ref().map(|_| &self.revoked).map_err(String::as_str);
        let secrets = Secrets::from_bytes(self.path.clone(), bytes, revoked, &self.policy);
        let secrets = secrets.map_err(|error| error.one_line())?;
        let is_revoked = |id: &KeyId| self.revoked.contains_key(&id.to_string());
        // A revoked key that is in use already has its warning. One that comes back is most likely in an old copy of
        // the file, and nobody has a session that depends on it.
        if let Some(id) = secrets.keyring().ids().find(|id| is_revoked(id) && !self.ids.contains(id)) {
            return Err(format!("it holds {id} again, {}", secrets::revoked(id)));
        }
        let first = self.ids.first().copied();
        let Some(seals) = first.filter(|seals| !secrets.keyring().ids().any(|id| id == *seals)) else {
            return Ok(secrets);
        };
        match &content.record {
            Ok(_) if is_revoked(&seals) => Ok(secrets),
            Ok(_) => Err(format!(
                "it lacks {seals}, the key that seals here, and every visitor would be signed out; if the key was \
                 revoked on another machine, copy the record from there, too, to {}; if not, put the key back, or revoke \
                 it with `waxseal keys retire --revoke {seals}`",
                Rotation::path(&self.path).display()
            )),
            Err(why) => Err(format!("it lacks {seals}, the key that seals here, and {why}")),
        }
    }
}

/// The record beside the file, or the reason why it cannot be read.
fn record(path: &Path) -> Result<Rotation, String> {
    Rotation::read(path).map_err(|error| error.one_line())
}

/// Shows the length of the bytes, never the bytes: they are keys.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("file", &self.file.as_ref().map(|bytes| bytes.len()))
            .field("record", &self.record)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyFile, SecretOptions};
    use std::fs;
    use std::time::SystemTime;

    use waxseal_crypto::SecretKey;

    const PASSPHRASE: &str = "a passphrase of a decent length";

    struct Case {
        _folder: tempfile::TempDir,
        path: PathBuf,
        watch: FileWatch,
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
            let watch = FileWatch::new(&secrets).unwrap();
            Self { _folder: folder, path, watch, now: Instant::now(), first: key.id().to_string() }
        }

        fn write(&self, text: &str) {
            fs::write(&self.path, text).unwrap();
        }

        fn text(&self) -> String {
            fs::read_to_string(&self.path).unwrap()
        }

        /// Looks again `milliseconds` later.
        fn later(&mut self, milliseconds: u64) -> Option<FileChange> {
            self.now += Duration::from_millis(milliseconds);
            self.watch.look(self.now)
        }

        fn settled(&mut self) -> Option<FileChange> {
            assert!(self.later(1_000).is_none());
            self.later(1_000)
        }

        fn taken(&mut self) -> Vec<String> {
            match self.settled() {
                Some(FileChange::Taken(secrets)) => {
                    secrets.keyring().ids().map(|id| id.to_string()).collect()
                }
                other => panic!("{other:?}"),
            }
        }

        fn refused(&mut self) -> String {
            match self.settled() {
                Some(FileChange::Refused(why)) => why,
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
            matches!(case.later(401), Some(FileChange::Taken(secrets)) if secrets.keyring().ids().count() == 2)
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_once_and_the_old_keys_work_on() {
        let mut case = Case::new();
        let good = case.text();
        for (case_, text, expected) in [
            ("empty", String::new(), "has an empty line"),
            ("an empty line", format!("{good}\n"), "has an empty line"),
            (
                "a slip",
                format!("{}\n", &good[..40]),
                "cannot be used (`waxseal gen-secret` makes a new one): secret key text has 40 bytes",
            ),
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
        assert!(case.refused().ends_with("is not a regular file"));
        fs::remove_dir(&case.path).unwrap();
        assert!(case.refused().contains("cannot be read: No such file"));
        case.write(&good);
        assert!(matches!(case.later(1_000), Some(FileChange::Restored)));
        assert!(case.settled().is_none());
    }

    #[test]
    fn a_revoked_key_does_not_come_back_with_an_old_file() {
        let mut case = Case::new();
        let (file, now, old) = (KeyFile::new(&case.path), SystemTime::now(), case.text());
        let (first, new) = file.rotate(now).unwrap();
        assert_eq!(case.taken(), [new, first].map(|id| id.to_string()));
        file.retire(&first.to_string(), now, Duration::from_secs(1), true).unwrap();
        assert_eq!(case.taken(), [new.to_string()]);
        let good = case.text();
        case.write(&format!("{good}{old}"));
        let why = case.refused();
        assert!(why.starts_with(&format!("it holds {first} again, although it was revoked")), "{why}");
        // A server that starts has no other keys. It takes the file, and warns.
        let secrets = Secrets::from_file(&case.path, SecretOptions::new(), "demo").unwrap();
        let warning = secrets.warnings().join("\n");
        assert!(warning.contains(&format!("the secret key {first} is in use although")), "{warning}");
        // A key that is in use stays in use, with that warning.
        case.watch = FileWatch::new(&secrets).unwrap();
        file.add(now).unwrap();
        assert_eq!(case.taken().len(), 3);
        case.write(&good);
        assert_eq!(case.taken(), [new.to_string()]);
        case.write(&format!("{good}{old}"));
        case.refused();
        file.promote(&first.to_string(), now).unwrap();
        assert_eq!(case.taken(), [first, new].map(|id| id.to_string()));
    }

    #[test]
    fn a_revoked_key_does_not_come_back_with_an_old_file_and_its_old_record() {
        let mut case = Case::new();
        let (file, now) = (KeyFile::new(&case.path), SystemTime::now());
        let (first, new) = file.rotate(now).unwrap();
        assert_eq!(case.taken().len(), 2);
        let record = Rotation::path(&case.path);
        let old = (case.text(), fs::read(&record).unwrap());
        file.retire(&first.to_string(), now + Duration::from_secs(1), Duration::ZERO, true).unwrap();
        assert_eq!(case.taken(), [new.to_string()]);
        // A server that has started since then knows it as well.
        let secrets = Secrets::from_file(&case.path, SecretOptions::new(), "demo").unwrap();
        for watch in [None, FileWatch::new(&secrets)] {
            case.watch = watch.unwrap_or(case.watch);
            case.write(&old.0);
            fs::write(&record, &old.1).unwrap();
            let why = case.refused();
            assert!(why.starts_with(&format!("it holds {first} again, although it was revoked")), "{why}");
            // As the refusal says.
            file.retire(&first.to_string(), now, Duration::ZERO, true).unwrap();
            assert!(matches!(case.settled(), Some(FileChange::Taken(_) | FileChange::Restored)));
        }
        case.write(&old.0);
        fs::write(&record, &old.1).unwrap();
        case.refused();
        // Whoever wants the key back says so, also on a machine whose clock is behind.
        file.retire(&first.to_string(), now + Duration::from_secs(9), Duration::ZERO, true).unwrap();
        case.write(&old.0);
        file.promote(&first.to_string(), now).unwrap();
        assert_eq!(case.taken(), [first, new].map(|id| id.to_string()));
    }

    /// An old copy of the file and its record has the key in first place, where it seals already.
    #[test]
    fn a_key_in_first_place_is_allowed_again_as_the_refusal_says() {
        let mut case = Case::new();
        let (file, now, first) = (KeyFile::new(&case.path), SystemTime::now(), case.first.clone());
        let new = file.add(now).unwrap().to_string();
        assert_eq!(case.taken(), [first.clone(), new.clone()]);
        let record = Rotation::path(&case.path);
        let old = (case.text(), fs::read(&record).unwrap());
        file.promote(&new, now).unwrap();
        file.retire(&first, now + Duration::from_secs(1), Duration::ZERO, true).unwrap();
        assert_eq!(case.taken(), [&*new]);
        case.write(&old.0);
        fs::write(&record, &old.1).unwrap();
        let why = case.refused();
        assert!(why.contains(&format!("`waxseal keys promote {first}`")), "{why}");
        let promoted = file.promote(&first, now + Duration::from_secs(2)).unwrap();
        assert_eq!((promoted.replaced, promoted.was_revoked), (None, false));
        assert_eq!(case.text(), old.0);
        assert_eq!(case.taken(), [first, new]);
    }

    /// The key was promoted on a machine whose clock is ahead, and is revoked on another.
    #[test]
    fn a_clock_that_is_behind_brings_no_revoked_key_back() {
        let now = SystemTime::now();
        let ahead = now + Duration::from_secs(60);
        for way in ["revoke-all", "retire", "retire, once it was removed by hand"] {
            let mut case = Case::new();
            let file = KeyFile::new(&case.path);
            let leaked = file.add(now).unwrap().to_string();
            file.promote(&leaked, ahead).unwrap();
            assert_eq!(case.taken().len(), 2, "{way}");
            let record = Rotation::path(&case.path);
            let old = (case.text(), fs::read(&record).unwrap());
            match way {
                "revoke-all" => drop(file.revoke_all(now).unwrap()),
                "retire" => {
                    file.promote(&case.first, now).unwrap();
                    file.retire(&leaked, now, Duration::ZERO, true).unwrap();
                }
                _ => {
                    let (_, rest) = old.0.split_once('\n').unwrap();
                    case.write(rest);
                    file.retire(&leaked, now, Duration::ZERO, true).unwrap();
                }
            }
            assert_eq!(case.taken().len(), 1, "{way}");
            case.write(&old.0);
            fs::write(&record, &old.1).unwrap();
            let why = case.refused();
            assert!(why.contains("again, although it was revoked"), "{way}: {why}");
        }
    }

    #[test]
    fn a_warning_of_a_revoked_key_comes_and_goes_with_the_record() {
        let mut case = Case::new();
        let (file, now, old) = (KeyFile::new(&case.path), SystemTime::now(), case.text());
        let warned = |change: Option<FileChange>| match change {
            Some(FileChange::Taken(secrets)) => {
                secrets.warnings().join("\n").contains("although it was revoked")
            }
            other => panic!("{other:?}"),
        };
        // It seals, and its revocation is here before the file without it.
        let mut record = Rotation::default();
        record.revoked.insert(case.first.clone(), 1);
        record.write(&case.path).unwrap();
        assert!(warned(case.settled()));
        file.promote(&case.first, now).unwrap();
        assert!(!warned(case.settled()));
        assert_eq!(case.text(), old, "nothing changed but the record");
    }

    #[test]
    fn an_unreadable_record_is_a_warning_at_start() {
        let case = Case::new();
        fs::write(Rotation::path(&case.path), "half of a rec").unwrap();
        let secrets = Secrets::from_file(&case.path, SecretOptions::new(), "demo").unwrap();
        let warning = secrets.warnings().join("\n");
        assert!(
            warning.starts_with("a revoked key would not be noticed: invalid rotation record"),
            "{warning}"
        );
    }

    #[test]
    fn the_key_that_seals_may_go_once_it_was_revoked() {
        let mut case = Case::new();
        let new = SecretKey::generate().unwrap();
        case.write(&new.to_text());
        let why = case.refused();
        assert!(why.contains(&format!("it lacks {}", case.first)), "{why}");
        // The record arrives after the file, as can happen when both are copied.
        let mut record = Rotation::default();
        record.revoked.insert(case.first.clone(), 1);
        record.write(&case.path).unwrap();
        assert_eq!(case.taken(), [new.id().to_string()]);
        fs::write(Rotation::path(&case.path), "half of a rec").unwrap();
        case.write(PASSPHRASE);
        assert!(case.refused().contains("invalid rotation record"));
    }
}
