//! The book in `docs`, built by mdBook.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::cargo::{cargo, project_root};

const VERSION: &str = "0.5.4";
/// Where it is installed, for this project alone.
const ROOT: &str = "target/tools";

/// The steps, each with its name: the tool is installed, which is done at once if it is there, and builds the book into
/// `target/book/docs`. The files outside `docs` that pages link to are put beside it, so that these links work.
pub(crate) fn commands() -> [(&'static str, Command); 3] {
    let mut install = cargo();
    install.args(["install", "--locked", "--quiet", "--root", ROOT, "--version", VERSION]);
    // Not its server, nor its watcher, nor a search: they are most of what it builds.
    install.args(["--no-default-features", "mdbook"]);
    let mut build = Command::new(project_root().join(ROOT).join("bin/mdbook"));
    build.current_dir(project_root()).args(["build", "docs"]);
    let mut copy = Command::new("git");
    copy.current_dir(project_root()).args(["checkout-index", "--force", "--prefix=target/book/", "--"]);
    copy.args(linked_files());
    [("install mdBook", install), ("the book", build), ("what the book links to", copy)]
}

/// The files outside `docs` that its pages link to, by their paths from the root.
fn linked_files() -> BTreeSet<String> {
    let pages = fs::read_dir(project_root().join("docs")).into_iter().flatten().flatten();
    let pages = pages.map(|page| page.path()).filter(|path| path.extension().is_some_and(|end| end == "md"));
    let texts = pages.filter_map(|page| fs::read_to_string(page).ok());
    texts.flat_map(|text| linked_from(&text)).collect()
}

fn linked_from(page: &str) -> Vec<String> {
    let links = page.split("](../").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    links.map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_book_links_to_is_a_file_that_can_lie_beside_it() {
        let files = linked_files();
        assert!(files.len() > 5, "{files:?}");
        for file in files {
            assert!(
                project_root().join(&file).is_file(),
                "{file} is no file, and a built book has no listings"
            );
            // mdBook takes a link to such a file for one to its page.
            assert!(!file.ends_with(".md"), "{file} is a page, which the built book does not have");
        }
        assert_eq!(linked_from("[a](../x/y.rs) [b](../z.rs#l) [c](d.md)"), ["x/y.rs", "z.rs"]);
    }
}
