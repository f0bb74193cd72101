//! A folder of templates that is built into the program.

use std::borrow::Cow;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use include_dir::{Dir, DirEntry};

/// A folder of templates that is built into the program, with its path in a debug build. Made by
/// [`folder!`](crate::folder).
#[derive(Debug, Clone)]
pub struct Folder {
    embedded: &'static Dir<'static>,
    path: Option<PathBuf>,
}

/// Builds a folder of templates into the program.
///
/// The path starts with `$CARGO_MANIFEST_DIR`, the folder of the calling crate. A debug build also keeps the path, so
/// that changes show without a rebuild; a release build does not.
///
/// # Example
///
/// ```
/// let folder = waxseal_templates::folder!("$CARGO_MANIFEST_DIR/tests/templates");
/// assert!(folder.files().any(|(name, _)| name == "page.html"));
/// ```
#[macro_export]
macro_rules! folder {
    ($path:tt) => {{
        // `include_dir!` generates code that names the crate `include_dir`, on which the caller need not depend.
        use $crate::include_dir;
        static EMBEDDED: include_dir::Dir<'static> = include_dir::include_dir!($path);
        $crate::Folder::new(
            &EMBEDDED,
            if cfg!(debug_assertions) { Some((env!("CARGO_MANIFEST_DIR"), $path)) } else { None },
        )
    }};
}

impl Folder {
    #[doc(hidden)]
    #[must_use]
    pub fn new(embedded: &'static Dir<'static>, place: Option<(&str, &str)>) -> Self {
        let path = place.map(|(manifest, path)| path.replace("$CARGO_MANIFEST_DIR", manifest).into());
        Self { embedded, path }
    }

    /// The path of the folder, if the build kept it and it still exists.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.path.clone().filter(|path| path.is_dir())
    }

    /// The built-in files: their paths relative to the folder, with `/`, and their bytes.
    // Names are borrowed where they can be: the environment finds such templates without a lock.
    pub fn files(&self) -> impl Iterator<Item = (Cow<'static, str>, &'static [u8])> {
        let mut files = Vec::new();
        collect(self.embedded, &mut files);
        files.into_iter()
    }
}

fn collect(folder: &'static Dir<'static>, files: &mut Vec<(Cow<'static, str>, &'static [u8])>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(inner) => collect(inner, files),
            DirEntry::File(file) => {
                files.push((name_of(file.path()), file.contents()));
            }
        }
    }
}

fn name_of(path: &'static Path) -> Cow<'static, str> {
    match path.to_str() {
        Some(name) if MAIN_SEPARATOR == '/' => Cow::Borrowed(name),
        _ => {
            let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            Cow::Owned(parts.join("/"))
        }
    }
}
