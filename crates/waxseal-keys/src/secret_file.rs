//! Secret keys in files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use waxseal_crypto::SecretKey;
use zeroize::Zeroizing;

use crate::SecretError;

/// Where development keeps the secret that it made, below the folder it runs in.
const DEVELOPMENT_FILE: &str = ".waxseal/secret";
const MAX_FILE_BYTES: usize = 64 * 1024;

/// Reads a file of keys, and no more of it than shows that it is too large.
///
/// # Errors
///
/// Those of [`open`], and of the file system.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    // Room for all of it at once, so that growing leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 2));
    open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Opens a file of keys, or the record beside it, unless it is plain that others had a hand in it.
///
/// # Errors
///
/// [`SecretError::Writable`] for a file that every user can change; of the file that development made, and its folder,
/// also [`SecretError::Exposed`] and [`SecretError::Foreign`]. And those of the file system.
pub(crate) fn open(path: &Path) -> Result<File, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // Of what was opened, and not of what has that name by then.
    let metadata = file.metadata().map_err(unreadable)?;
    match path.ends_with(DEVELOPMENT_FILE) {
        true => check_own(path, &metadata)?,
        false => check_writable(path, &metadata)?,
    }
    Ok(file)
}

/// The keys in a file's bytes: UTF-8, one a line. A final newline is dropped, and nothing else.
///
/// # Errors
///
/// An empty line, a byte-order mark or more than 64 KiB is refused: a key read differently than it was written
/// signs everybody out.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Zeroizing<String>>, SecretError> {
    let malformed = |found| SecretError::Malformed { path: path.to_owned(), found };
    if bytes.len() > MAX_FILE_BYTES {
        return Err(malformed("is larger than 64 KiB"));
    }
    let text = str::from_utf8(bytes).map_err(|_| malformed("is not UTF-8"))?;
    if text.starts_with('\u{feff}') {
        return Err(malformed("starts with a byte-order mark"));
    }
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    lines
        .map(|line| match line {
            "" => Err(malformed("has an empty line")),
            line => Ok(Zeroizing::new(line.to_owned())),
        })
        .collect()
}

/// The secret file of a development server below `folder`: as it is, or made now. Says whether it was made.
///
/// # Errors
///
/// Those of [`open`].
pub(crate) fn find_or_make(folder: &Path) -> Result<(PathBuf, bool), SecretError> {
    let (path, made) = match folder.join(DEVELOPMENT_FILE) {
        path if path.symlink_metadata().is_ok() => (path, false),
        _ => make_development_secret(folder)?,
    };
    open(&path)?;
    Ok((path, made))
}

/// Makes the secret of a development server below `folder`, if there is none. Says where it lies, and whether it
/// was made.
///
/// # Errors
///
/// [`SecretError::Unwritable`], or no randomness.
pub fn make_development_secret(folder: &Path) -> Result<(PathBuf, bool), SecretError> {
    let path = folder.join(DEVELOPMENT_FILE);
    let made = make(&path)?;
    Ok((path, made))
}

/// Writes a new secret to `path`, mode 0600, unless something is there already; then `false`.
///
/// The file appears whole: it is written under another name and linked into place, so that of many processes one
/// wins and no other reads half of it.
///
/// # Errors
///
/// [`SecretError::Unwritable`], or no randomness.
fn make(path: &Path) -> Result<bool, SecretError> {
    let unwritable = |source| SecretError::Unwritable { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        create_private_folder(folder).map_err(unwritable)?;
        if folder.ends_with(".waxseal") {
            // So that no `git add .` takes the secret along, wherever the app lives.
            let _ = File::create_new(folder.join(".gitignore")).and_then(|mut file| file.write_all(b"*\n"));
        }
    }
    let secret = SecretKey::generate()?.to_text();
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(|error| unwritable(io::Error::other(error)))?;
    let name = format!(".secret-{:016x}", u64::from_ne_bytes(suffix));
    let temporary = folder.unwrap_or(Path::new("")).join(name);
    let written = create_private(&temporary)
        .and_then(|file| write_whole(file, &[secret.as_bytes(), b"\n"]))
        .and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(unwritable(error)),
    }
}

fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_whole(mut file: File, parts: &[&[u8]]) -> io::Result<()> {
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

/// The sole right to change a file, and the place where its next content is written.
///
/// While it lives, `<file>.new` stands beside the file; whoever else wants to change it is refused. The content is
/// written there and renamed over the file, so that no reader ever finds half of it.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
}

impl Replacement {
    /// # Errors
    ///
    /// [`SecretError::Busy`], and those of the file system.
    pub(crate) fn begin(path: &Path) -> Result<Self, SecretError> {
        // What a link names is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let temporary = with_suffix(&path, ".new");
        match create_private(&temporary) {
            Ok(file) => Ok(Self { path, temporary, file: Some(file) }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(SecretError::Busy(temporary)),
            Err(source) => Err(SecretError::Unwritable { path, source }),
        }
    }

    /// Puts the content in the file's place.
    ///
    /// # Errors
    ///
    /// [`SecretError::Unwritable`]; the file is as it was then.
    pub(crate) fn finish(mut self, parts: &[&[u8]]) -> Result<(), SecretError> {
        let file = self.file.take().expect("taken here alone, and this consumes it");
        let written = keep_owner(&self.path, &self.temporary)
            .and_then(|()| write_whole(file, parts))
            .and_then(|()| fs::rename(&self.temporary, &self.path));
        written.map_err(|source| SecretError::Unwritable { path: self.path.clone(), source })?;
        // So that the new name survives a loss of power; some file systems refuse, and lose nothing by it.
        let _ = self.path.parent().map(|folder| File::open(folder).and_then(|folder| folder.sync_all()));
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Gone already if it was renamed.
        let _ = fs::remove_file(&self.temporary);
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Gives the new file the old one's owner and mode, where they differ: the server may run as someone else than the
/// operator, and must still be able to read it.
#[cfg(unix)]
fn keep_owner(old: &Path, new: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let Ok(before) = fs::metadata(old) else { return Ok(()) };
    let now = fs::metadata(new)?;
    if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
        chown(new, Some(before.uid()), Some(before.gid()))?;
    }
    fs::set_permissions(new, before.permissions())
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// A file that an operator named may belong to anyone: containers get theirs from another user, readable for all.
#[cfg(unix)]
fn check_writable(path: &Path, metadata: &fs::Metadata) -> Result<(), SecretError> {
    use std::os::unix::fs::MetadataExt;
    // In a folder such as `/tmp`, the sticky bit keeps others from replacing what is there.
    let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    let others = (metadata.is_file() || metadata.is_dir()) && metadata.mode() & 0o002 != 0;
    if others && !sticky { Err(SecretError::Writable(path.to_owned())) } else { Ok(()) }
}

/// A file that we made ourselves is ours, and so is the way to it: whoever put another one there knows the key.
#[cfg(unix)]
fn check_own(path: &Path, metadata: &fs::Metadata) -> Result<(), SecretError> {
    use std::os::unix::fs::MetadataExt;
    let us = rustix::process::geteuid().as_raw();
    let check = |path: &Path, metadata: &fs::Metadata| match metadata.uid() {
        0 => Ok(()),
        owner if owner == us => Ok(()),
        owner => Err(SecretError::Foreign { path: path.to_owned(), owner }),
    };
    if metadata.mode() & 0o077 != 0 {
        return Err(SecretError::Exposed(path.to_owned()));
    }
    check(path, metadata)?;
    let folder = path.parent().expect("it ends with a folder and a file");
    for step in [path, folder] {
        let unreadable = |source| SecretError::Unreadable { path: step.to_owned(), source };
        check(step, &step.symlink_metadata().map_err(unreadable)?)?;
    }
    let unreadable = |source| SecretError::Unreadable { path: folder.to_owned(), source };
    let metadata = folder.metadata().map_err(unreadable)?;
    check(folder, &metadata)?;
    check_writable(folder, &metadata)
}

#[cfg(not(unix))]
fn check_writable(_: &Path, _: &fs::Metadata) -> Result<(), SecretError> {
    Ok(())
}

#[cfg(not(unix))]
fn check_own(_: &Path, _: &fs::Metadata) -> Result<(), SecretError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Result<Vec<String>, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, bytes).unwrap();
        parse(&path, &read(&path)?).map(|keys| keys.iter().map(|key| key.to_string()).collect())
    }

    #[test]
    fn lines_are_taken_as_they_are() {
        assert_eq!(keys(b"one").unwrap(), ["one"]);
        assert_eq!(keys(b"one\n").unwrap(), ["one"]);
        assert_eq!(keys(b" one \r\ntwo\t").unwrap(), [" one \r", "two\t"]);
    }

    #[test]
    fn odd_files_are_refused() {
        let long = vec![b'x'; 64 * 1024 + 1];
        for (case, bytes) in [
            ("empty", &b""[..]),
            ("only a newline", b"\n"),
            ("an empty line at the end", b"one\n\n"),
            ("an empty line amid", b"one\n\ntwo"),
            ("a byte-order mark", b"\xef\xbb\xbfone"),
            ("not UTF-8", b"\xff\xfe"),
            ("too long", &long),
        ] {
            assert!(matches!(keys(bytes), Err(SecretError::Malformed { .. })), "{case}");
        }
        assert_eq!(keys(&long[1..]).unwrap()[0].len(), 64 * 1024);
    }

    fn find_and_read(folder: &Path) -> (Zeroizing<Vec<u8>>, bool) {
        let (path, made) = find_or_make(folder).unwrap();
        (read(&path).unwrap(), made)
    }

    #[test]
    fn of_many_processes_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..50).map(|_| scope.spawn(|| find_and_read(folder.path()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(found.iter().filter(|(_, made)| *made).count(), 1);
        assert!(found.iter().all(|(text, _)| *text == found[0].0 && text.starts_with(b"waxseal1_")));
        let names: Vec<_> =
            fs::read_dir(folder.path().join(".waxseal")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "the secret and .gitignore, nothing left over: {names:?}");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = find_or_make(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o602, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(find_or_make(folder.path()), Err(SecretError::Exposed(_))), "{mode:o}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_another_user_is_refused_however_it_got_there() {
        use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
        if !rustix::process::geteuid().is_root() {
            return; // Nobody else can give files away.
        }
        let other = Some(12_345);
        type Change = fn(&Path, Option<u32>);
        let changes: [(&str, Change); 5] = [
            ("the file", |folder, other| chown(folder.join("secret"), other, None).unwrap()),
            ("its folder", |folder, other| chown(folder, other, None).unwrap()),
            ("a link to a file of ours", |folder, other| {
                fs::rename(folder.join("secret"), folder.join("real")).unwrap();
                symlink("real", folder.join("secret")).unwrap();
                lchown(folder.join("secret"), other, None).unwrap();
            }),
            ("what a link of ours leads to", |folder, other| {
                fs::rename(folder.join("secret"), folder.join("real")).unwrap();
                symlink("real", folder.join("secret")).unwrap();
                chown(folder.join("real"), other, None).unwrap();
            }),
            ("a link to a folder", |folder, other| {
                let real = folder.with_file_name("real");
                fs::rename(folder, &real).unwrap();
                symlink(&real, folder).unwrap();
                lchown(folder, other, None).unwrap();
            }),
        ];
        for (case, change) in changes {
            let folder = tempfile::tempdir().unwrap();
            let (path, _) = find_or_make(folder.path()).unwrap();
            change(&folder.path().join(".waxseal"), other);
            for error in [find_or_make(folder.path()).map(drop), read(&path).map(drop)] {
                let error = error.expect_err(case);
                assert!(matches!(error, SecretError::Foreign { owner: 12_345, .. }), "{case}: {error}");
            }
        }
        // A file that an operator names may come from another user.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "key").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        chown(&path, other, None).unwrap();
        assert!(read(&path).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn what_everybody_can_change_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = find_or_make(folder.path()).unwrap();
        let own = path.parent().unwrap();
        assert_eq!(fs::metadata(own).unwrap().permissions().mode() & 0o777, 0o700);
        for (folder_mode, refused) in
            [(0o755, false), (0o775, false), (0o1777, false), (0o777, true), (0o757, true)]
        {
            mode(own, folder_mode);
            let found = find_or_make(folder.path());
            assert_eq!(matches!(found, Err(SecretError::Writable(_))), refused, "{folder_mode:o}");
            assert_eq!(found.is_err(), refused, "{folder_mode:o}");
        }
        let path = folder.path().join("secret");
        fs::write(&path, "key").unwrap();
        for (file_mode, refused) in
            [(0o400, false), (0o440, false), (0o444, false), (0o660, false), (0o666, true)]
        {
            mode(&path, file_mode);
            assert_eq!(matches!(read(&path), Err(SecretError::Writable(_))), refused, "{file_mode:o}");
        }
    }

    #[test]
    fn one_command_at_a_time_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "old").unwrap();
        let first = Replacement::begin(&path).unwrap();
        let error = Replacement::begin(&path).unwrap_err();
        assert!(matches!(&error, SecretError::Busy(_)), "{error}");
        drop(first);
        assert_eq!(fs::read(&path).unwrap(), b"old", "given up");
        Replacement::begin(&path).unwrap().finish(&[b"new", b"\n"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing left over");
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_link_stays_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [path, link] = ["secret", "link"].map(|name| folder.path().join(name));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("secret", &link).unwrap();
        for mode in [0o600, 0o640, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Replacement::begin(&link).unwrap().finish(&[b"new"]).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let new = folder.path().join("another");
        Replacement::begin(&new).unwrap().finish(&[b"new"]).unwrap();
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn making_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(make(&path).unwrap());
        let before = fs::read(&path).unwrap();
        assert!(!make(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
