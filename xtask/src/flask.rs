//! Python environments with Flask from PyPI, for the tests that let real Flask judge.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::project_root;

/// The requirements of each version, pinned; each is an environment of its own under the name of the file.
const REQUIREMENTS: &str = "crates/waxseal-flask/tests/versions";
const ENVIRONMENTS: &str = "target/flask";

/// The folder with one environment for each version of Flask, made where it is missing or its requirements have changed.
///
/// # Errors
///
/// A sentence that says what is missing.
pub(crate) fn environments() -> Result<PathBuf, String> {
    let root = project_root();
    let environments = root.join(ENVIRONMENTS);
    let unreadable = |error| format!("{REQUIREMENTS} cannot be read: {error}.");
    for entry in fs::read_dir(root.join(REQUIREMENTS)).map_err(unreadable)? {
        let requirements = entry.map_err(unreadable)?.path();
        if let (Some(version), Some("txt")) =
            (requirements.file_stem(), requirements.extension().and_then(OsStr::to_str))
        {
            make(&environments.join(version), &requirements)?;
        }
    }
    Ok(environments)
}

fn make(environment: &Path, requirements: &Path) -> Result<(), String> {
    let wanted = fs::read_to_string(requirements).map_err(|error| format!("{error}."))?;
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!("installing {}", requirements.display());
    if !succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment)) {
        return Err("it needs python3 with its module venv. \
                    Install them with `sudo apt-get install python3 python3-venv`."
            .to_owned());
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    if !succeeds(Command::new(environment.join("bin/python")).args(install).arg(requirements)) {
        return Err("pip cannot install Flask from PyPI; see above.".to_owned());
    }
    fs::write(installed, wanted).map_err(|error| format!("{error}."))
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
