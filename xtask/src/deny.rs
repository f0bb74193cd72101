//! Licences, sources and known faults of all dependencies, by cargo-deny and `deny.toml`.

use std::process::Command;

use crate::cargo::{cargo, project_root};

const VERSION: &str = "0.20.2";
/// Where it is installed, for this project alone.
const ROOT: &str = "target/tools";
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

/// The steps, each with its name: the tool is installed, which is done at once if it is there, and asked.
pub(crate) fn commands(has_advisories: bool) -> Vec<(&'static str, Command)> {
    let mut install = cargo();
    install.args(["install", "--locked", "--quiet", "--root", ROOT, "--version", VERSION, "cargo-deny"]);
    let mut steps = vec![
        ("install cargo-deny", install),
        ("licences and sources", check(&["licenses", "bans", "sources"])),
    ];
    if has_advisories {
        steps.push(("advisories", check(&["advisories"])));
    }
    steps
}

/// Asks whether the list of known faults can be had.
///
/// # Errors
///
/// A sentence that says why not.
pub(crate) fn has_advisories() -> Result<(), String> {
    let mut git = Command::new("git");
    git.args(["ls-remote", ADVISORIES, "HEAD"]).env("GIT_TERMINAL_PROMPT", "0");
    match git.output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("git does not reach {ADVISORIES}.")),
    }
}

fn check(what: &[&str]) -> Command {
    let mut command = Command::new(project_root().join(ROOT).join("bin/cargo-deny"));
    command.current_dir(project_root()).args(["check", "--hide-inclusion-graph"]).args(what);
    command
}
