//! Secret keys in files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use waxseal_crypto::SecretKey;
use zeroize::Zeroizing;

use crate::SecretError;

/// Where development keeps the secret that it made, below the folder it runs in.
const DEVELOPMENT_FILE: &str = ".waxseal/secret";
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Reads a file of keys: UTF-8, one a line. A final newline is dropped, and nothing else.
///
/// # Errors
///
/// An empty line, a byte-order mark or more than 64 KiB is refused: a key read differently than it was written
/// signs everybody out.
pub(crate) fn read_keys(path: &Path) -> Result<Vec<Zeroizing<String>>, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let malformed = |found| SecretError::Malformed { path: path.to_owned(), found };
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(unreadable)?;
    match file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(malformed("is not UTF-8")),
        Err(error) => return Err(unreadable(error)),
        Ok(bytes) if bytes as u64 > MAX_FILE_BYTES => return Err(malformed("is larger than 64 KiB")),
        Ok(_) if text.starts_with('\u{feff}') => return Err(malformed("starts with a byte-order mark")),
        Ok(_) => {}
    }
    let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    lines
        .map(|line| match line {
            "" => Err(malformed("has an empty line")),
            line => Ok(Zeroizing::new(line.to_owned())),
        })
        .collect()
}

/// The secret of a development server below `folder`: as it is, or made now. Says whether it was made.
///
/// # Errors
///
/// [`SecretError::Exposed`] if others can read the file, and those of the file system.
pub(crate) fn read_or_make(folder: &Path) -> Result<(Zeroizing<String>, PathBuf, bool), SecretError> {
    let (path, made) = match folder.join(DEVELOPMENT_FILE) {
        path if path.symlink_metadata().is_ok() => (path, false),
        _ => make_development_secret(folder)?,
    };
    check_mode(&path)?;
    let mut keys = read_keys(&path)?;
    match keys.len() {
        1 => Ok((keys.remove(0), path, made)),
        _ => Err(SecretError::Malformed { path, found: "has more than one line" }),
    }
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
        fs::create_dir_all(folder).map_err(unwritable)?;
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
    let written = write_new(&temporary, &secret).and_then(|()| fs::hard_link(&temporary, path));
    let _ = fs::remove_file(&temporary);
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(unwritable(error)),
    }
}

fn write_new(path: &Path, secret: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(secret.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), SecretError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata =
        fs::metadata(path).map_err(|source| SecretError::Unreadable { path: path.to_owned(), source })?;
    match metadata.permissions().mode() & 0o077 {
        0 => Ok(()),
        _ => Err(SecretError::Exposed(path.to_owned())),
    }
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), SecretError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Result<Vec<String>, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, bytes).unwrap();
        read_keys(&path).map(|keys| keys.iter().map(|key| key.to_string()).collect())
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

    #[test]
    fn of_many_processes_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..50).map(|_| scope.spawn(|| read_or_make(folder.path()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(found.iter().filter(|(_, _, made)| *made).count(), 1);
        assert!(found.iter().all(|(text, _, _)| *text == found[0].0 && SecretKey::is_generated_text(text)));
        let names: Vec<_> =
            fs::read_dir(folder.path().join(".waxseal")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "the secret and .gitignore, nothing left over: {names:?}");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (_, path, _) = read_or_make(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o602, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read_or_make(folder.path()), Err(SecretError::Exposed(_))), "{mode:o}");
        }
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
