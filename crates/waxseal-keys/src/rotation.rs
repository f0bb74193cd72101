//! The record of a key file's rotation, in `<file>.rotation` beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::replacement::{Replacement, with_suffix};
use crate::secret_file;

const VERSION: u32 = 1;

/// Dates of keys, by key id, and the keys that were revoked. Times are unix seconds. It contains no key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotation {
    version: u32,
    /// The key that sealed when this was written. If another key is now first, the file was changed by hand.
    pub(crate) seals: Option<String>,
    #[serde(default)]
    pub(crate) keys: BTreeMap<String, Dates>,
    /// Keys that were removed while cookies sealed with them may be alive. A server drops them even while it seals with
    /// them. They stay here if an old file brings them back, until they are promoted.
    #[serde(default)]
    pub(crate) revoked: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dates {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) added: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) promoted: Option<u64>,
    /// The time at which another key was promoted in its place, or the latest possible time if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaced: Option<u64>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { version: VERSION, seals: None, keys: BTreeMap::new(), revoked: BTreeMap::new() }
    }
}

impl Rotation {
    /// The path of the record of a key file.
    pub(crate) fn path(secret_file: &Path) -> PathBuf {
        let real = fs::canonicalize(secret_file);
        with_suffix(real.as_deref().unwrap_or(secret_file), ".rotation")
    }

    /// Reads the record of a key file. It is empty if there is no such file.
    ///
    /// # Errors
    ///
    /// [`Error::Unreadable`], or [`Error::Record`] if it cannot be parsed.
    pub(crate) fn read(secret_file: &Path) -> Result<Self, Error> {
        let path = Self::path(secret_file);
        let mut text = Vec::new();
        match secret_file::open(&path).map(|mut file| file.read_to_end(&mut text)) {
            Ok(Ok(_)) => {}
            Err(Error::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Ok(Err(source)) => return Err(Error::Unreadable { path, source }),
            Err(error) => return Err(error),
        }
        match serde_json::from_slice::<Self>(&text) {
            Ok(record) if record.version == VERSION => Ok(record),
            _ => Err(Error::Record(path)),
        }
    }

    /// Writes the record of a key file.
    ///
    /// It gets the key file's owner and mode: whoever reads the one has to read the other, or a server would not learn
    /// of a revocation.
    pub(crate) fn write(&self, secret_file: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).expect("numbers under texts are JSON");
        Replacement::begin(&Self::path(secret_file))?.like(secret_file).finish(&[&text, b"\n"])
    }

    /// The ids of the keys that were in the file, as far as is known.
    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.seals.iter().chain(self.keys.keys()).cloned().collect()
    }

    /// Records that a key is revoked.
    ///
    /// Servers tell by the times which was last, so a revocation is never dated before the key's promotion, whatever the
    /// clock of the machine says, nor before an earlier revocation.
    pub(crate) fn revoke(&mut self, id: &str, now: u64) {
        let promoted = self.keys.get(id).and_then(|dates| dates.promoted).unwrap_or_default();
        let time = self.revoked.entry(id.to_owned()).or_default();
        *time = now.max(promoted).max(*time);
    }

    /// Updates the record to match a file that holds `ids`, the first of which seals.
    ///
    /// A key that does not seal and is not on record may have sealed until now.
    pub(crate) fn follow(&mut self, ids: &[String], now: u64) {
        let seals = ids.first();
        if self.seals.as_ref() != seals {
            if let Some(before) = self.seals.take() {
                self.keys.entry(before).or_default().replaced = Some(now);
            }
            self.seals = seals.cloned();
        }
        for id in ids {
            let dates = self.keys.entry(id.clone()).or_default();
            if Some(id) == seals {
                dates.replaced = None;
            } else if *dates == Dates::default() {
                dates.replaced = Some(now);
            }
        }
        self.keys.retain(|id, _| ids.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_file_changed_by_hand_is_followed_on_the_safe_side() {
        let mut record = Rotation::default();
        record.follow(&ids("a b"), 100);
        assert_eq!(record.keys["a"], Dates::default());
        assert_eq!(record.keys["b"].replaced, Some(100), "may have sealed until now");
        record.follow(&ids("c b a"), 200);
        assert_eq!(record.keys["a"].replaced, Some(200), "replaced by hand, at the latest now");
        assert_eq!((record.seals.as_deref(), record.keys["b"].replaced), (Some("c"), Some(100)));
        record.follow(&ids("b"), 300);
        assert_eq!(record.keys.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(record.keys["b"].replaced, None, "it seals again");
    }

    #[test]
    fn a_revoked_key_that_is_back_in_the_file_stays_revoked() {
        let mut record = Rotation::default();
        record.revoked.insert("b".to_owned(), 50);
        record.follow(&ids("a b"), 100);
        assert_eq!(record.revoked.get("b"), Some(&50));
    }

    #[test]
    fn a_revocation_is_never_dated_before_what_it_ends() {
        for (case, promoted, revoked, expected) in [
            ("promoted on a machine whose clock was ahead", Some(150), None, 150),
            ("revoked on one before", None, Some(170), 170),
            ("both are long ago", Some(50), Some(60), 100),
            ("nothing is known", None, None, 100),
        ] {
            let mut record = Rotation::default();
            record.keys.insert("a".to_owned(), Dates { promoted, ..Dates::default() });
            record.revoked.extend(revoked.map(|time| ("a".to_owned(), time)));
            record.revoke("a", 100);
            assert_eq!(record.revoked["a"], expected, "{case}");
        }
    }

    #[test]
    fn a_record_is_written_and_read_and_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "key").unwrap();
        assert_eq!(Rotation::read(&file).unwrap(), Rotation::default());
        let mut record = Rotation::default();
        record.follow(&ids("a b"), 100);
        record.revoked.insert("c".to_owned(), 50);
        record.write(&file).unwrap();
        assert_eq!(Rotation::read(&file).unwrap(), record);
        for wrong in ["", "{}", "[]", r#"{"version": 2, "seals": null}"#] {
            fs::write(Rotation::path(&file), wrong).unwrap();
            assert!(matches!(Rotation::read(&file), Err(Error::Record(_))), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_record_can_be_read_by_whoever_reads_the_key_file() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "key").unwrap();
        // The record of an earlier release, which only its writer could read.
        fs::write(Rotation::path(&file), "{}").unwrap();
        fs::set_permissions(Rotation::path(&file), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        // Only root can give a file away. For others, both files have one owner anyway.
        let _ = chown(&file, Some(10_001), Some(10_001));
        Rotation::default().write(&file).unwrap();
        let seen = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            (found.uid(), found.gid(), found.mode() & 0o777)
        };
        assert_eq!(seen(&Rotation::path(&file)), seen(&file));
    }
}
