//! Reads and parses files of secret keys, and makes the one for development.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use waxseal_crypto::SecretKey;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::permissions::{check_own, check_writable};
use crate::private_file::{create_private, create_private_folder, write_whole};

/// The secret file that is made in development, relative to the folder that a server runs in.
pub const DEVELOPMENT_FILE: &str = ".waxseal/secret";
const MAX_FILE_BYTES: usize = 64 * 1024;

/// Reads a file of keys, at most one byte beyond the limit, so that [`parse`] refuses a larger file.
///
/// # Errors
///
/// Those of [`open`] and of the file system.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    // Enough for the whole file, because growing would leave copies of keys behind in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 2));
    open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Opens a file of keys, or the record beside it, unless other users could have changed it.
///
/// # Errors
///
/// [`Error::Writable`] for a file that every user can change. For the file that was made in development, and its
/// folder, also [`Error::Exposed`] and [`Error::Foreign`]. Those of the file system.
pub(crate) fn open(path: &Path) -> Result<File, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // The metadata of the opened file, because the path may name another file by now.
    let metadata = file.metadata().map_err(unreadable)?;
    match path.ends_with(DEVELOPMENT_FILE) {
        true => check_own(path, &metadata)?,
        false => check_writable(path, &metadata)?,
    }
    Ok(file)
}

/// Parses a file's bytes into keys: UTF-8, one a line. Nothing but a final newline is removed.
///
/// # Errors
///
/// [`Error::Malformed`] for text that is not UTF-8, an empty line, a byte-order mark, or more than 64 KiB. A key that
/// is not read exactly as it was written would sign all visitors out.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Zeroizing<String>>, Error> {
    let malformed = |found| Error::Malformed { path: path.to_owned(), found };
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

/// The secret file of a development server, below `folder`, and `true` if it was just made.
///
/// # Errors
///
/// Those of [`open`] and of [`make_development_secret`].
pub(crate) fn find_or_make(folder: &Path) -> Result<(PathBuf, bool), Error> {
    let (path, made) = match folder.join(DEVELOPMENT_FILE) {
        path if path.symlink_metadata().is_ok() => (path, false),
        _ => make_development_secret(folder)?,
    };
    open(&path)?;
    Ok((path, made))
}

/// Makes the secret file of a development server, below `folder`, if there is none.
///
/// Returns the path of the file, and `true` if it was made.
///
/// # Errors
///
/// [`Error::Unwritable`], and [`Error::Key`] if the system has no randomness.
pub fn make_development_secret(folder: &Path) -> Result<(PathBuf, bool), Error> {
    let path = folder.join(DEVELOPMENT_FILE);
    let made = make_secret(&path)?;
    Ok((path, made))
}

/// Writes a new secret to `path`, with mode 0600. Returns `false`, and writes nothing, if the path exists.
///
/// The file appears with its whole content: it is written under another name and then linked. If several processes do
/// this at once, one succeeds, and none reads half a file.
///
/// # Errors
///
/// [`Error::Unwritable`], and [`Error::Key`] if the system has no randomness.
pub fn make_secret(path: &Path) -> Result<bool, Error> {
    let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        create_private_folder(folder).map_err(unwritable)?;
        if folder.ends_with(".waxseal") {
            // Keeps `git add .` from adding the secret, wherever the app is.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Result<Vec<String>, Error> {
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
            assert!(matches!(keys(bytes), Err(Error::Malformed { .. })), "{case}");
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
            assert!(matches!(find_or_make(folder.path()), Err(Error::Exposed(_))), "{mode:o}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_another_user_is_refused_however_it_got_there() {
        use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
        if !rustix::process::geteuid().is_root() {
            return; // Only root can give files away.
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
                assert!(matches!(error, Error::Foreign { owner: 12_345, .. }), "{case}: {error}");
            }
        }
        // A file that an operator named may belong to another user.
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
            assert_eq!(matches!(found, Err(Error::Writable(_))), refused, "{folder_mode:o}");
            assert_eq!(found.is_err(), refused, "{folder_mode:o}");
        }
        let path = folder.path().join("secret");
        fs::write(&path, "key").unwrap();
        for (file_mode, refused) in
            [(0o400, false), (0o440, false), (0o444, false), (0o660, false), (0o666, true)]
        {
            mode(&path, file_mode);
            assert_eq!(matches!(read(&path), Err(Error::Writable(_))), refused, "{file_mode:o}");
        }
    }

    #[test]
    fn making_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(make_secret(&path).unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let before = fs::read(&path).unwrap();
        assert!(!make_secret(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
