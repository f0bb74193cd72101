//! The book in `docs`, built by mdBook.

use std::process::Command;

use crate::cargo::{cargo, project_root};

const VERSION: &str = "0.5.4";
/// Where it is installed, for this project alone.
const ROOT: &str = "target/tools";

/// The steps, each with its name: the tool is installed, which is done at once if it is there, and builds the book into
/// `target/book`.
pub(crate) fn commands() -> [(&'static str, Command); 2] {
    let mut install = cargo();
    install.args(["install", "--locked", "--quiet", "--root", ROOT, "--version", VERSION]);
    // Not its server, nor its watcher, nor a search: they are most of what it builds.
    install.args(["--no-default-features", "mdbook"]);
    let mut build = Command::new(project_root().join(ROOT).join("bin/mdbook"));
    build.current_dir(project_root()).args(["build", "docs"]);
    [("install mdBook", install), ("the book", build)]
}
