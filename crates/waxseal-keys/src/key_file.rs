//! Changes of a key file: the steps of a rotation.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{KeyId, Keyring, SecretKey};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::format_time::unix_seconds;
use crate::listed_key::{ListedKey, Promoted, Retired, Retirement, RevokedAll};
use crate::replacement::Replacement;
use crate::rotation::{Dates, Rotation};
use crate::secret_file;

/// A file of secret keys, and the steps of a rotation: add, promote, retire.
///
/// The record `<file>.rotation` beside it says when keys were promoted and which were revoked. Both files are written
/// under another name and then renamed, so that a running server never reads half of one. Keys are identified by their
/// ids and never shown.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use waxseal_keys::KeyFile;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("secret");
/// # std::fs::write(&path, &*waxseal_crypto::SecretKey::generate()?.to_text())?;
/// let file = KeyFile::new(&path);
/// let now = SystemTime::now();
/// let old = file.list()?[0].id();
/// let new = file.add(now)?;                  // 1. everywhere a fallback …
/// file.promote(&new.to_string(), now)?;      // 2. … before it seals anywhere …
/// let half_a_year = Duration::from_secs(180 * 24 * 60 * 60);
/// assert!(file.retire(&old.to_string(), now, half_a_year, false).is_err());
/// file.retire(&old.to_string(), now + half_a_year, half_a_year, false)?; // 3. … until all that the old key sealed has expired
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
    app: Option<String>,
}

impl KeyFile {
    /// The file at `path`, which is not read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), app: None }
    }

    /// Sets the app's name, on which the ids of passphrases depend.
    #[must_use]
    pub fn with_app(mut self, app: &str) -> Self {
        self.app = Some(app.to_owned());
        self
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys in the order of the file: the first seals.
    ///
    /// # Errors
    ///
    /// [`Error`] if the file or its record cannot be read, or a line is not a key.
    pub fn list(&self) -> Result<Vec<ListedKey>, Error> {
        let lines = self.lines()?;
        let mut record = Rotation::read(&self.path)?;
        if record.seals.as_ref() != lines.first().map(|line| &line.name) {
            // The first line was changed by hand, so the dates on record for these two keys are outdated.
            for name in record.seals.iter().chain(lines.first().map(|line| &line.name)) {
                record.keys.remove(name);
            }
        }
        Ok(lines.iter().enumerate().map(|(at, line)| line.listed(at == 0, &record)).collect())
    }

    /// Makes a new key and adds it as a fallback: it opens values but does not seal.
    ///
    /// # Errors
    ///
    /// [`Error`] if the file cannot be read or written, or is full. The file is unchanged then.
    pub fn add(&self, now: SystemTime) -> Result<KeyId, Error> {
        let mut change = self.begin(now)?;
        let id = change.add()?;
        change.finish()?;
        Ok(id)
    }

    /// Moves the key with the id `id` to first place, where it seals, and records the time, also if it is there already. If
    /// it was revoked, it is no longer: servers forget a revocation that the record may not know.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add), and [`Error::UnknownKey`].
    pub fn promote(&self, id: &str, now: SystemTime) -> Result<Promoted, Error> {
        let mut change = self.begin(now)?;
        let at = find(&change.lines, id)?;
        let promoted = Promoted {
            seals: change.lines[at].id,
            replaced: (at > 0).then_some(change.lines[0].id),
            was_revoked: change.record.revoked.contains_key(&change.lines[at].name),
        };
        change.promote(at);
        change.finish()?;
        Ok(promoted)
    }

    /// [Adds](Self::add) and [promotes](Self::promote) a key at once, for a file that only one server reads.
    ///
    /// Returns the ids of the key that sealed before and of the new key.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add).
    pub fn rotate(&self, now: SystemTime) -> Result<(KeyId, KeyId), Error> {
        let mut change = self.begin(now)?;
        let (old, new) = (change.lines[0].id, change.add()?);
        change.promote(change.lines.len() - 1);
        change.finish()?;
        Ok((old, new))
    }

    /// Puts a new key in place of all keys of the file, and records that these are revoked: for a file that leaked.
    ///
    /// It is one step, because a leaked key that opens while another one seals gives its sessions away to that one: a
    /// server seals them with it when they are used. For the same reason no key stays that may have sealed meanwhile.
    ///
    /// The keys that only the record has are revoked, too: with another app's name, the ids of the file's passphrases are
    /// wrong, and servers wait for those on record.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add).
    pub fn revoke_all(&self, now: SystemTime) -> Result<RevokedAll, Error> {
        let mut change = self.begin(now)?;
        // As it is in its file: `begin` has made it match the ids of the lines.
        change.record = Rotation::read(&self.path)?;
        let lines = std::mem::take(&mut change.lines);
        let mut on_record = change.record.ids();
        let unknown = |line: &&Line| {
            let record = &change.record;
            !on_record.is_empty()
                && !on_record.contains(&line.name)
                && !record.revoked.contains_key(&line.name)
        };
        let passphrases = || lines.iter().filter(|line| line.passphrase);
        let unknown: Vec<_> = passphrases().filter(unknown).map(|line| line.id).collect();
        let passphrases = passphrases().map(|line| line.id).collect();
        let mut revoked = Vec::new();
        for line in &lines {
            change.record.revoke(&line.name, change.now);
            on_record.remove(&line.name);
            revoked.push(line.id);
        }
        for id in &on_record {
            change.record.revoke(id, change.now);
            revoked.extend(id_from(id));
        }
        change.record.keys.clear();
        let seals = change.add()?;
        change.record.seals = Some(seals.to_string());
        change.record.keys.entry(seals.to_string()).or_default().promoted = Some(change.now);
        change.finish()?;
        Ok(RevokedAll { seals, revoked, passphrases, unknown })
    }

    /// Removes the key with the id `id` from the file: what it sealed can no longer be opened.
    ///
    /// `lifetime` is the longest absolute lifetime of a session. Unless that time has passed since another key took the
    /// key's place, the key is removed only with `revoke`. A revocation is recorded, so that a server drops the key
    /// even while it seals with it. A key that is no longer in the file can be revoked, too. If the key leaked, use
    /// [`revoke_all`](Self::revoke_all).
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add), [`Error::UnknownKey`], [`Error::Seals`], [`Error::TooEarly`], and
    /// [`Error::NotOnRecord`], from which on the time counts.
    pub fn retire(
        &self,
        id: &str,
        now: SystemTime,
        lifetime: Duration,
        revoke: bool,
    ) -> Result<Retired, Error> {
        let mut change = self.begin(now)?;
        let at = match find(&change.lines, id) {
            Ok(at) => at,
            Err(Error::UnknownKey { .. }) if revoke && is_id(id) => return self.revoke_absent(id, now),
            Err(error) => return Err(error),
        };
        if let Err(refused) = change.may_retire(at, now, lifetime, revoke) {
            if matches!(refused, Error::NotOnRecord { .. }) {
                // The time counts from here on.
                change.record.write(&self.path)?;
            }
            return Err(refused);
        }
        let line = change.lines.remove(at);
        if revoke {
            change.record.revoke(&line.name, change.now);
        }
        change.record.keys.remove(&line.name);
        change.finish()?;
        Ok(Retired::Removed)
    }

    /// Records that a key is revoked that is not in the file. The caller has locked the file.
    ///
    /// Nothing else in the record changes: with another app's name, the ids of the passphrases in the file are wrong.
    fn revoke_absent(&self, id: &str, now: SystemTime) -> Result<Retired, Error> {
        let id = id.to_ascii_lowercase();
        let mut record = Rotation::read(&self.path)?;
        let known = record.seals.as_ref() == Some(&id)
            || record.keys.contains_key(&id)
            || record.revoked.contains_key(&id);
        record.revoke(&id, unix_seconds(now));
        record.write(&self.path)?;
        Ok(if known { Retired::OnRecord } else { Retired::Unknown })
    }

    fn lines(&self) -> Result<Vec<Line>, Error> {
        let bytes = secret_file::read(&self.path)?;
        let texts = secret_file::parse(&self.path, &bytes)?;
        if texts.len() > Keyring::MAX_KEYS {
            return Err(Error::TooMany(texts.len()));
        }
        texts.into_iter().enumerate().map(|(at, text)| self.line(at + 1, text)).collect()
    }

    fn line(&self, number: usize, text: Zeroizing<String>) -> Result<Line, Error> {
        let passphrase = !SecretKey::is_generated_text(&text);
        let key = match (&self.app, passphrase) {
            (_, false) => SecretKey::from_text(&text),
            (Some(app), true) => SecretKey::parse(&text, app),
            (None, true) => return Err(Error::AppMissing(number)),
        };
        Ok(Line::new(key.map_err(Error::from)?.id(), text, passphrase))
    }

    fn begin(&self, now: SystemTime) -> Result<Change<'_>, Error> {
        // The lock comes first, so that no other command changes what is read from here on.
        let replacement = Replacement::begin(&self.path)?;
        let lines = self.lines()?;
        let before = Rotation::read(&self.path)?;
        let mut record = before.clone();
        let names: Vec<_> = lines.iter().map(|line| line.name.clone()).collect();
        let now = unix_seconds(now);
        record.follow(&names, now);
        // The dates of a key that was moved into or out of first place by hand are wrong.
        let mut before = before;
        if before.seals.as_ref() != names.first() {
            for name in before.seals.iter().chain(names.first()) {
                before.keys.remove(name);
            }
        }
        Ok(Change { file: self, replacement, lines, before, record, now })
    }
}

/// A change of the file that has begun. It locks other commands out.
struct Change<'a> {
    file: &'a KeyFile,
    replacement: Replacement,
    lines: Vec<Line>,
    /// The record before the change, without dates that are outdated.
    before: Rotation,
    /// The record after the change.
    record: Rotation,
    now: u64,
}

struct Line {
    id: KeyId,
    name: String,
    text: Zeroizing<String>,
    passphrase: bool,
}

impl Change<'_> {
    fn add(&mut self) -> Result<KeyId, Error> {
        if self.lines.len() == Keyring::MAX_KEYS {
            return Err(Error::Full);
        }
        let key = SecretKey::generate().map_err(Error::from)?;
        let line = Line::new(key.id(), key.to_text(), false);
        let dates = Dates { added: Some(self.now), ..Dates::default() };
        self.record.keys.insert(line.name.clone(), dates);
        self.lines.push(line);
        Ok(key.id())
    }

    fn promote(&mut self, at: usize) {
        let before = self.lines[0].name.clone();
        // Undone below if it is the same key.
        self.record.keys.entry(before).or_default().replaced = Some(self.now);
        let line = self.lines.remove(at);
        // Servers tell by the times which was last, so the clock of this machine must not say otherwise.
        let revoked = self.record.revoked.remove(&line.name);
        let dates = self.record.keys.entry(line.name.clone()).or_default();
        let earlier = revoked.max(dates.promoted);
        let promoted = earlier.map_or(self.now, |earlier| self.now.max(earlier.saturating_add(1)));
        (dates.promoted, dates.replaced) = (Some(promoted), None);
        self.record.seals = Some(line.name.clone());
        self.lines.insert(0, line);
    }

    fn may_retire(&self, at: usize, now: SystemTime, lifetime: Duration, revoke: bool) -> Result<(), Error> {
        let line = &self.lines[at];
        // Uses the record as it was before: that this command has read the file must not set a date.
        match line.listed(at == 0, &self.before).retirement(now, lifetime) {
            Retirement::Seals => Err(Error::Seals(line.id)),
            Retirement::From(end) if !revoke => {
                let left = end.duration_since(now).unwrap_or_default();
                let replaced = end.checked_sub(lifetime).unwrap_or(UNIX_EPOCH);
                Err(Error::TooEarly { id: line.id, replaced, left })
            }
            Retirement::Unknown if !revoke => Err(Error::NotOnRecord { id: line.id, left: lifetime }),
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<(), Error> {
        // The record is written first, so that a server that finds the new file finds its record, too.
        self.record.write(&self.file.path)?;
        let parts: Vec<&[u8]> =
            self.lines.iter().flat_map(|line| [line.text.as_bytes(), b"\n".as_slice()]).collect();
        self.replacement.finish(&parts)
    }
}

impl Line {
    fn new(id: KeyId, text: Zeroizing<String>, passphrase: bool) -> Self {
        Self { id, name: id.to_string(), text, passphrase }
    }

    fn listed(&self, seals: bool, record: &Rotation) -> ListedKey {
        let dates = record.keys.get(&self.name).copied().unwrap_or_default();
        let revoked = record.revoked.contains_key(&self.name);
        ListedKey::new(self.id, self.passphrase, seals, revoked, dates)
    }
}

fn find(lines: &[Line], id: &str) -> Result<usize, Error> {
    let mut found = lines.iter().enumerate().filter(|(_, line)| line.name.eq_ignore_ascii_case(id));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some((_, line)), Some(_)) => Err(Error::Ambiguous(line.id)),
        (None, _) => {
            let held: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
            // If a key was pasted in place of an id, it must not appear in the error.
            let id = if is_id(id) { id.to_owned() } else { "of that id (eight hex digits)".to_owned() };
            Err(Error::UnknownKey { id, held: held.join(", ") })
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn id_from(text: &str) -> Option<KeyId> {
    u32::from_str_radix(text, 16).ok().filter(|_| is_id(text)).map(|id| KeyId::from_bytes(id.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;

    const LIFETIME: Duration = Duration::from_secs(1_000);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
    }

    fn file(keys: usize) -> (tempfile::TempDir, KeyFile, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let keys: Vec<_> = (0..keys).map(|_| SecretKey::generate().unwrap()).collect();
        let text: String = keys.iter().map(|key| format!("{}\n", *key.to_text())).collect();
        fs::write(&path, text).unwrap();
        (folder, KeyFile::new(path), keys.iter().map(|key| key.id().to_string()).collect())
    }

    fn ids(file: &KeyFile) -> Vec<String> {
        file.list().unwrap().iter().map(|key| key.id().to_string()).collect()
    }

    #[test]
    fn a_key_is_added_promoted_and_retired() {
        let (_folder, file, old) = file(1);
        let new = file.add(at(0)).unwrap().to_string();
        assert_eq!(ids(&file), [old[0].clone(), new.clone()]);
        let promoted = file.promote(&new, at(10)).unwrap();
        assert_eq!(promoted.seals.to_string(), new);
        assert_eq!(promoted.replaced.map(|id| id.to_string()), Some(old[0].clone()));
        let again = file.promote(&new, at(11)).unwrap();
        assert_eq!((again.replaced, again.was_revoked), (None, false));
        // The times of one key only grow, whatever a clock says.
        file.promote(&new, at(3)).unwrap();
        assert_eq!(file.list().unwrap()[0].promoted(), Some(at(12)));
        assert_eq!(ids(&file), [new.clone(), old[0].clone()]);

        let error = file.retire(&new, at(20), LIFETIME, true).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("key {new} seals; promote another one first, or if it leaked `waxseal keys revoke-all`")
        );
        let error = file.retire(&old[0], at(1_009), LIFETIME, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "key {} was replaced 2026-09-21 14:13:30 UTC and sessions that it sealed may live for 1 second more; \
                 retire it then, or sign their visitors out now with --revoke",
                old[0]
            )
        );
        assert_eq!(ids(&file).len(), 2);
        file.retire(&old[0], at(1_010), LIFETIME, false).unwrap();
        assert_eq!(ids(&file), [&*new]);
        assert!(Rotation::read(file.path()).unwrap().revoked.is_empty());
    }

    #[test]
    fn revoking_takes_a_key_out_at_once_and_is_noted() {
        let (_folder, file, old) = file(1);
        let (_, new) = file.rotate(at(0)).unwrap();
        assert_eq!(file.retire(&old[0], at(1), LIFETIME, true).unwrap(), Retired::Removed);
        assert_eq!(ids(&file), [new.to_string()]);
        let record = Rotation::read(file.path()).unwrap();
        assert_eq!(record.revoked.keys().collect::<Vec<_>>(), [&old[0]]);
        assert_eq!(file.retire(&old[0], at(2), LIFETIME, true).unwrap(), Retired::OnRecord, "again");
        assert_eq!(file.retire("0BADCAFE", at(2), LIFETIME, true).unwrap(), Retired::Unknown);
        assert!(file.retire("0badcafe", at(2), LIFETIME, false).is_err());
        assert!(Rotation::read(file.path()).unwrap().revoked.contains_key("0badcafe"));
    }

    #[test]
    fn a_file_that_leaked_has_one_new_key_after_one_step() {
        let (_folder, file, old) = file(16);
        let text = fs::read_to_string(file.path()).unwrap();
        let done = file.revoke_all(at(0)).unwrap();
        let new = done.seals;
        assert_eq!(done.revoked.iter().map(KeyId::to_string).collect::<Vec<_>>(), old);
        assert_eq!((done.passphrases, done.unknown), (vec![], vec![]), "ids of generated keys are sure");
        assert_eq!(ids(&file), [new.to_string()]);
        let record = Rotation::read(file.path()).unwrap();
        assert!(
            record.seals == Some(new.to_string()) && old.iter().all(|id| record.revoked.contains_key(id))
        );
        assert_eq!(record.keys.keys().collect::<Vec<_>>(), [&new.to_string()]);
        // A file that is brought back is known for what it is.
        fs::write(file.path(), text).unwrap();
        assert!(file.list().unwrap().iter().all(ListedKey::is_revoked));
    }

    #[test]
    fn the_ids_of_passphrases_are_those_of_one_app_and_a_wrong_name_is_noticed_by_the_record() {
        const PASSPHRASE: &str = "a passphrase of a decent length";
        let id = |app| SecretKey::parse(PASSPHRASE, app).unwrap().id();
        let (demo, other) = (id("demo"), id("other"));
        for (case, on_record, unknown, revoked) in [
            ("the right name", Some(demo), vec![], vec![demo]),
            ("no record yet", None, vec![], vec![demo]),
            ("another name", Some(other), vec![demo], vec![demo, other]),
        ] {
            let (_folder, file, _) = file(1);
            fs::write(file.path(), PASSPHRASE).unwrap();
            if let Some(id) = on_record {
                let mut record = Rotation::default();
                record.follow(&[id.to_string()], 0);
                record.write(file.path()).unwrap();
            }
            let file = file.with_app("demo");
            let done = file.revoke_all(at(1)).unwrap();
            assert_eq!(
                (done.passphrases, done.unknown, &done.revoked),
                (vec![demo], unknown, &revoked),
                "{case}"
            );
            let record = Rotation::read(file.path()).unwrap();
            // Servers wait for the id that they seal with.
            assert!(revoked.iter().all(|id| record.revoked.contains_key(&id.to_string())), "{case}");
            assert_eq!(record.ids(), BTreeSet::from([done.seals.to_string()]), "{case}");
        }
    }

    #[test]
    fn a_key_that_was_removed_by_hand_is_revoked_as_one_on_record() {
        let (_folder, file, old) = file(2);
        file.add(at(0)).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        let (_, rest) = text.split_once('\n').unwrap();
        fs::write(file.path(), rest).unwrap();
        assert_eq!(file.retire(&old[0], at(1), LIFETIME, true).unwrap(), Retired::OnRecord);
    }

    #[test]
    fn a_revoked_key_that_an_old_file_brings_back_stays_revoked_until_it_is_promoted() {
        let (_folder, file, old) = file(1);
        let text = fs::read_to_string(file.path()).unwrap();
        file.rotate(at(0)).unwrap();
        file.retire(&old[0], at(1), LIFETIME, true).unwrap();
        let rotated = fs::read_to_string(file.path()).unwrap();
        fs::write(file.path(), format!("{rotated}{text}")).unwrap();
        let revoked =
            |file: &KeyFile| file.list().unwrap().iter().map(ListedKey::is_revoked).collect::<Vec<_>>();
        assert_eq!(revoked(&file), [false, true]);
        file.add(at(2)).unwrap();
        assert_eq!(revoked(&file), [false, true, false]);
        let promoted = file.promote(&old[0], at(3)).unwrap();
        assert!(promoted.was_revoked && promoted.replaced.is_some());
        assert_eq!(revoked(&file), [false, false, false]);
        // In first place, too.
        fs::write(file.path(), rotated).unwrap();
        file.retire(&old[0], at(4), LIFETIME, true).unwrap();
        fs::write(file.path(), text).unwrap();
        assert_eq!(revoked(&file), [true]);
        let promoted = file.promote(&old[0], at(5)).unwrap();
        assert!(promoted.was_revoked && promoted.replaced.is_none());
        assert_eq!(revoked(&file), [false]);
    }

    #[test]
    fn a_revocation_under_another_apps_name_keeps_the_dates() {
        let (_folder, file, _) = file(1);
        let text = fs::read_to_string(file.path()).unwrap();
        fs::write(file.path(), format!("{text}a passphrase of a decent length\n")).unwrap();
        let file = file.with_app("demo");
        let id = ids(&file)[1].clone();
        file.promote(&id, at(0)).unwrap();
        let before = Rotation::read(file.path()).unwrap();
        let elsewhere = file.clone().with_app("another");
        assert_eq!(elsewhere.retire("0badcafe", at(1), LIFETIME, true).unwrap(), Retired::Unknown);
        assert_eq!(Rotation::read(file.path()).unwrap().keys, before.keys);
    }

    #[test]
    fn what_is_not_on_record_counts_from_the_first_question() {
        let (_folder, file, old) = file(2);
        let error = file.retire(&old[1], at(0), LIFETIME, false).unwrap_err();
        assert!(matches!(error, Error::NotOnRecord { .. }), "{error}");
        let error = file.retire(&old[1], at(999), LIFETIME, false).unwrap_err();
        assert!(matches!(error, Error::TooEarly { .. }), "{error}");
        file.retire(&old[1], at(1_000), LIFETIME, false).unwrap();
    }

    #[test]
    fn a_fallback_that_never_sealed_goes_at_once() {
        let (_folder, file, _) = file(1);
        let new = file.add(at(0)).unwrap();
        file.retire(&new.to_string(), at(1), LIFETIME, false).unwrap();
        assert_eq!(ids(&file).len(), 1);
    }

    #[test]
    fn lines_moved_by_hand_lose_their_dates() {
        let (_folder, file, old) = file(1);
        let new = file.add(at(0)).unwrap().to_string();
        let lines = fs::read_to_string(file.path()).unwrap();
        let swapped: String = lines.lines().rev().map(|line| format!("{line}\n")).collect();
        fs::write(file.path(), swapped).unwrap();
        let listed = file.list().unwrap();
        assert_eq!(listed[1].retirement(at(9_999), LIFETIME), Retirement::Unknown);
        let error = file.retire(&old[0], at(5), LIFETIME, false).unwrap_err();
        assert!(matches!(error, Error::NotOnRecord { .. }), "{error}");
        fs::write(file.path(), lines).unwrap();
        let error = file.retire(&new, at(6), LIFETIME, false).unwrap_err();
        assert!(matches!(error, Error::NotOnRecord { .. }), "it sealed meanwhile: {error}");
    }

    #[test]
    fn a_passphrase_needs_the_apps_name() {
        let (_folder, file, _) = file(1);
        let mut text = fs::read_to_string(file.path()).unwrap();
        text.push_str("a passphrase of a decent length");
        fs::write(file.path(), &text).unwrap();
        assert!(matches!(file.list(), Err(Error::AppMissing(2))));
        let file = file.with_app("demo");
        assert!(file.list().unwrap()[1].is_passphrase());
        file.add(at(0)).unwrap();
        assert!(fs::read_to_string(file.path()).unwrap().starts_with(&text), "lines are kept as they are");
    }

    #[test]
    fn errors_name_ids_and_no_key() {
        let (_folder, file, _) = file(16);
        let error = file.add(at(0)).unwrap_err().to_string();
        assert!(error.contains("16 keys"), "{error}");
        let error = file.promote("0badcafe", at(0)).unwrap_err().to_string();
        assert!(error.starts_with("there is no key 0badcafe in the file; it holds "), "{error}");
        let pasted = fs::read_to_string(file.path()).unwrap().lines().next().unwrap().to_owned();
        let error = file.promote(&pasted, at(0)).unwrap_err().to_string();
        assert!(!error.contains("waxseal1_"), "{error}");
    }
}
