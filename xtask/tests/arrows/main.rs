//! The shape of the workspace: which crate may depend on which, which file may import which, how large a crate may be.
//!
//! - Crates depend on each other along the arrows of [`ARROWS`] and no others.
//! - Within a crate, files never import each other in a circle. An import through `lib.rs`, or through any other
//!   module that only passes a name on, counts as an import of the file that defines the name.
//! - No crate holds more than a quarter of all code lines.
//! - Below `waxseal-http` nothing needs a runtime or a system, so that it can be taken to WebAssembly.
//! - Comments that are shown as documentation of an item name no file of the folder `docs`, which no package has.
//!
//! Everything is read from the text of `Cargo.toml` and of `src`; tests, benches and examples are left out, and so is
//! code under `#[cfg(test)]`.

mod circles;
mod files;
mod manifest;
mod module_tree;
mod names;
mod syntax;
#[cfg(test)]
mod targets;
mod tokens;
#[cfg(test)]
mod tree_tests;

use std::collections::BTreeMap;
use std::path::Path;

use circles::circles;
use files::{crate_folders, crate_roots, sources};
use names::imports_between_files;

/// Each crate, and the crates of this workspace that its `[dependencies]` may name. A crate that does not exist yet
/// harms nobody; one that exists and is missing here fails.
const ARROWS: &[(&str, &[&str])] = &[
    ("waxseal-crypto", &[]),
    ("waxseal-session", &[]),
    ("waxseal-store", &[]),
    ("waxseal-server", &[]),
    ("waxseal-device", &[]),
    ("waxseal-django", &[]),
    ("waxseal-flask", &[]),
    ("waxseal-rails", &[]),
    ("waxseal-key-value", &["waxseal-store"]),
    ("waxseal-sqlite", &["waxseal-store"]),
    ("waxseal-redis", &["waxseal-store"]),
    ("waxseal-postgres", &["waxseal-store"]),
    ("waxseal-templates", &["waxseal-session"]),
    ("waxseal-keys", &["waxseal-crypto"]),
    ("waxseal-manager", &["waxseal-crypto", "waxseal-session", "waxseal-store"]),
    (
        "waxseal-http",
        &[
            "waxseal-device",
            "waxseal-django",
            "waxseal-flask",
            "waxseal-manager",
            "waxseal-rails",
            "waxseal-session",
        ],
    ),
    (
        "waxseal-tower-sessions",
        &["waxseal-crypto", "waxseal-http", "waxseal-manager", "waxseal-session", "waxseal-store"],
    ),
    (
        "waxseal-axum",
        &[
            "waxseal-crypto",
            "waxseal-http",
            "waxseal-keys",
            "waxseal-manager",
            "waxseal-session",
            "waxseal-store",
        ],
    ),
    (
        "waxseal",
        &[
            "waxseal-crypto",
            "waxseal-http",
            "waxseal-keys",
            "waxseal-manager",
            "waxseal-postgres",
            "waxseal-redis",
            "waxseal-server",
            "waxseal-session",
            "waxseal-sqlite",
            "waxseal-store",
            "waxseal-templates",
        ],
    ),
    // It opens tokens and counts records for an operator, and so looks below the app crate.
    (
        "waxseal-cli",
        &[
            "waxseal",
            "waxseal-crypto",
            "waxseal-flask",
            "waxseal-keys",
            "waxseal-manager",
            "waxseal-session",
            "waxseal-store",
        ],
    ),
    ("wizard", &["waxseal"]),
    // Servers and proxies for the tests of the stores; never published.
    ("store-tests", &["waxseal-store"]),
];

/// The largest part of all code lines that one crate may hold: one in so many.
const LARGEST_PART: usize = 4;

#[test]
fn crates_depend_on_each_other_along_the_arrows_only() {
    let folders = crate_folders();
    let mut wrong = Vec::new();
    for (name, folder) in &folders {
        let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| of == name) else {
            wrong.push(format!("{name} is not in the table ARROWS: say there what it may depend on"));
            continue;
        };
        let manifest = files::read(&folder.join("Cargo.toml"));
        for dependency in manifest::dependencies(&manifest) {
            let ours = folders.contains_key(&dependency);
            if ours && !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("{name} depends on {dependency}, which ARROWS does not allow"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_of_a_crate_never_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for (name, folder) in crate_folders() {
        let circles = circles_of_crate(&folder);
        if !circles.is_empty() {
            wrong.push(format!("{name}:\n{}", circles.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn no_crate_holds_more_than_a_quarter_of_the_code() {
    let lines: BTreeMap<String, usize> =
        crate_folders().into_iter().map(|(name, folder)| (name, code_lines(&folder))).collect();
    let all: usize = lines.values().sum();
    let table: String =
        lines.iter().map(|(name, count)| format!("{name:20}{count:6}{:5} %\n", 100 * count / all)).collect();
    for (name, count) in &lines {
        let fits = count * LARGEST_PART <= all;
        assert!(fits, "{name} holds more than a quarter of the code lines:\n{table}");
    }
}

#[test]
fn documentation_of_a_crate_names_no_file_outside_it() {
    let mut wrong = Vec::new();
    for (name, folder) in crate_folders() {
        for (file, text) in sources(&folder) {
            let names = |line: &&str| line.trim_start().starts_with("///") && line.contains("docs/");
            wrong.extend(text.lines().filter(names).map(|line| format!("{name}, {file}: {line}")));
        }
    }
    assert!(wrong.is_empty(), "whoever has the crate alone has no folder docs:\n{}", wrong.join("\n"));
}

fn circles_of_crate(folder: &Path) -> Vec<String> {
    let sources = sources(folder);
    crate_roots(&sources)
        .iter()
        .flat_map(|root| circles(&imports_between_files(root, &sources)))
        .map(|circle| circle.to_string())
        .collect()
}

fn code_lines(folder: &Path) -> usize {
    sources(folder).values().map(|text| syntax::code_lines(text)).sum()
}
