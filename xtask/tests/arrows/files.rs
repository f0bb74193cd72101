//! The workspace on disk: its crates, and the text of their sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The text of each source file of one crate, by its path within `src`, with `/` between its parts.
pub(crate) type Sources = BTreeMap<String, String>;

/// The folders of the crates in `crates/`, by the crates' names. A folder is named like its crate.
pub(crate) fn crate_folders() -> BTreeMap<String, PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    entries(&crates)
        .into_iter()
        .filter(|folder| folder.join("Cargo.toml").is_file())
        .map(|folder| (file_name(&folder), folder))
        .collect()
}

pub(crate) fn sources(crate_folder: &Path) -> Sources {
    let mut sources = Sources::new();
    collect(&crate_folder.join("src"), "", &mut sources);
    sources
}

/// The files at which rustc begins: of the library, and of each program.
pub(crate) fn crate_roots(sources: &Sources) -> Vec<&str> {
    let is_root = |path: &&str| match path.split('/').collect::<Vec<_>>()[..] {
        [file] => file == "lib.rs" || file == "main.rs",
        ["bin", _file] => true,
        ["bin", _program, file] => file == "main.rs",
        _ => false,
    };
    sources.keys().map(String::as_str).filter(is_root).collect()
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn collect(folder: &Path, prefix: &str, sources: &mut Sources) {
    for path in entries(folder) {
        let name = format!("{prefix}{}", file_name(&path));
        if path.is_dir() {
            collect(&path, &format!("{name}/"), sources);
        } else if name.ends_with(".rs") {
            sources.insert(name, read(&path));
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("an entry of a folder just opened").path()).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("an entry of a folder has a name").to_string_lossy().into_owned()
}
