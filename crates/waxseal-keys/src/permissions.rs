//! Checks of the owner and the mode of key files.

use std::fs;
use std::path::Path;

use crate::error::Error;

/// Refuses a file or folder that every user of the machine can change.
///
/// A file that an operator named may belong to any user and be readable by all, because that is how containers often
/// get their secrets.
#[cfg(unix)]
pub(crate) fn check_writable(path: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    // In a folder such as `/tmp`, the sticky bit prevents other users from replacing files.
    let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0;
    let others = (metadata.is_file() || metadata.is_dir()) && metadata.mode() & 0o002 != 0;
    if others && !sticky { Err(Error::Writable(path.to_owned())) } else { Ok(()) }
}

/// Refuses a file, or a folder or link on the way to it, that belongs to another user than this one or root, and a file
/// that others can read.
///
/// For the file that development makes: another user who put one in its place would know the key.
#[cfg(unix)]
pub(crate) fn check_own(path: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let us = rustix::process::geteuid().as_raw();
    let check = |path: &Path, metadata: &fs::Metadata| match metadata.uid() {
        0 => Ok(()),
        owner if owner == us => Ok(()),
        owner => Err(Error::Foreign { path: path.to_owned(), owner }),
    };
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::Exposed(path.to_owned()));
    }
    check(path, metadata)?;
    let folder = path.parent().expect("it ends with a folder and a file");
    for step in [path, folder] {
        let unreadable = |source| Error::Unreadable { path: step.to_owned(), source };
        check(step, &step.symlink_metadata().map_err(unreadable)?)?;
    }
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
    let metadata = folder.metadata().map_err(unreadable)?;
    check(folder, &metadata)?;
    check_writable(folder, &metadata)
}

#[cfg(not(unix))]
pub(crate) fn check_writable(_: &Path, _: &fs::Metadata) -> Result<(), Error> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn check_own(_: &Path, _: &fs::Metadata) -> Result<(), Error> {
    Ok(())
}
