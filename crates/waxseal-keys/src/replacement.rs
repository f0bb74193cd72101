//! A file that is replaced as a whole, by one writer at a time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::private_file::{create_private, write_whole};

/// The lock of a file, and the temporary file with its next content.
///
/// Until it is dropped, `<file>.new` exists beside the file, and other commands are refused. The content is written to
/// `<file>.new` and renamed over the file, so that a reader never finds half of it.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    /// `None` once the content was written.
    file: Option<File>,
    /// The file whose owner and mode the new content gets: `path` itself, or the one that it belongs to.
    template: PathBuf,
    /// `<file>.new` was renamed. If there is a file of that name again, it is another command's lock.
    renamed: bool,
}

impl Replacement {
    /// Locks the file.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], and those of the file system.
    pub(crate) fn begin(path: &Path) -> Result<Self, Error> {
        // The target of a symbolic link is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let temporary = with_suffix(&path, ".new");
        match create_private(&temporary) {
            Ok(file) => {
                Ok(Self { template: path.clone(), path, temporary, file: Some(file), renamed: false })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Busy(temporary)),
            Err(source) => Err(Error::Unwritable { path, source }),
        }
    }

    /// Gives the file the owner and the mode of `template`, and not those that it had.
    pub(crate) fn like(mut self, template: &Path) -> Self {
        template.clone_into(&mut self.template);
        self
    }

    /// Replaces the file's content with these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`]. The file is then unchanged.
    pub(crate) fn finish(mut self, parts: &[&[u8]]) -> Result<(), Error> {
        self.replace(parts).map_err(|source| Error::Unwritable { path: self.path.clone(), source })?;
        // Makes the new name survive a power failure. File systems that refuse this do not need it.
        let _ = self.path.parent().map(|folder| File::open(folder).and_then(|folder| folder.sync_all()));
        Ok(())
    }

    fn replace(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let file = self.file.take().expect("taken here alone, and `finish` consumes this");
        keep_owner(&self.template, &self.temporary)?;
        write_whole(file, parts)?;
        fs::rename(&self.temporary, &self.path)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The path with `suffix` at the end of its file name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Gives the new file the owner and the mode of the old one, if there is one.
///
/// The server may run as a different user than the operator, and must still be able to read the file.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_at_a_time_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "old").unwrap();
        let first = Replacement::begin(&path).unwrap();
        let error = Replacement::begin(&path).unwrap_err();
        assert!(matches!(&error, Error::Busy(_)), "{error}");
        drop(first);
        assert_eq!(fs::read(&path).unwrap(), b"old", "given up");
        Replacement::begin(&path).unwrap().finish(&[b"new", b"\n"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing left over");
    }

    /// What came of it before: the second command's empty file was removed, and a third one took its place and was
    /// renamed over the keys.
    #[test]
    fn a_finished_command_leaves_the_next_ones_lock_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let mut first = Replacement::begin(&path).unwrap();
        first.replace(&[b"first"]).unwrap();
        let second = Replacement::begin(&path).unwrap();
        drop(first);
        let error = Replacement::begin(&path).unwrap_err();
        assert!(matches!(&error, Error::Busy(_)), "{error}");
        second.finish(&[b"second"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
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
}
