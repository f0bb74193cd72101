//! The command `waxseal new`: makes a small complete app.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::output::say;

const EXAMPLES: &str = "\
Examples:
  waxseal new guestbook                    with waxseal from crates.io
  waxseal new guestbook --path ../waxseal  with a clone of the repository, while nothing is published";

/// The files of a project. Some have the extension `.txt` here, because cargo would take them for a package of their
/// own, or leave them out of the crate.
const FILES: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("../new_project/Cargo.toml.txt")),
    ("Containerfile", include_str!("../new_project/Containerfile.txt")),
    (".dockerignore", include_str!("../new_project/dockerignore.txt")),
    (".gitignore", include_str!("../new_project/gitignore.txt")),
    ("src/lib.rs", include_str!("../new_project/src/lib.rs")),
    ("src/main.rs", include_str!("../new_project/src/main.rs")),
    ("static/style.css", include_str!("../new_project/static/style.css")),
    ("templates/base.html", include_str!("../new_project/templates/base.html")),
    ("templates/index.html", include_str!("../new_project/templates/index.html")),
    ("tests/app.rs", include_str!("../new_project/tests/app.rs")),
];

/// Names that an app's package cannot have: Rust's keywords, folders in cargo's `target`, and names of crates that the
/// app uses.
const TAKEN: [&str; 60] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tokio",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "use",
    "virtual",
    "waxseal",
    "where",
];

/// Makes a folder with a small app: routes, templates, a stylesheet, tests, and a file for a container image.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The name of the app and of its folder: letters, digits, - and _.
    name: String,
    /// A clone of Waxseal's repository, to depend on in place of crates.io.
    #[arg(long, value_name = "CLONE")]
    path: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let Options { name, path } = options;
    check_name(name)?;
    let dependency = match path {
        Some(clone) => format!("{{ path = {:?} }}", crate_in(clone)?),
        None => format!("{:?}", env!("CARGO_PKG_VERSION")),
    };
    let folder = Path::new(name);
    if folder.exists() {
        return Err(Failure::Refused(format!(
            "{name} is there already and was left as it is; choose another name"
        )));
    }
    for (file, text) in FILES {
        let file = folder.join(file);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        let text = text.replace("NEW_DEPENDENCY", &dependency);
        let text = text.replace("NEW_CRATE", &name.replace('-', "_")).replace("NEW_APP", name);
        fs::write(file, text)?;
    }
    say!("a new app is in {name}; next:");
    say!("  cd {name}");
    say!("  cargo test");
    say!("  cargo run -- --development    and open http://localhost:5000");
    Ok(ExitCode::SUCCESS)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) || !name.chars().all(is_part) {
        let found = format!("{name:?} is no name for a package: a letter, then letters, digits, - and _");
        return Err(Failure::Usage(found));
    }
    if TAKEN.contains(&name.replace('-', "_").as_str()) {
        return Err(Failure::Usage(format!(
            "the name {name} is taken, by Rust, by cargo or by a crate that the app uses"
        )));
    }
    Ok(())
}

/// The path of the crate `waxseal` in a clone, relative to the new folder.
fn crate_in(clone: &Path) -> Result<String, Failure> {
    let found = clone.join("crates/waxseal");
    if !found.join("Cargo.toml").is_file() {
        let what =
            format!("there is no crates/waxseal in {}; --path is a clone of the repository", clone.display());
        return Err(Failure::Usage(what));
    }
    let seen = if found.is_relative() { Path::new("..").join(found) } else { found };
    let plain: PathBuf = seen.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    let text = plain.to_str().map(|text| text.replace('\\', "/"));
    text.ok_or_else(|| Failure::Usage("the path of the clone is not UTF-8".to_owned()))
}
