//! Changing secret files with the `waxseal` program, as an operator does.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the `waxseal` program of the same build. Builds it first if this package was built alone.
pub(crate) fn waxseal(arguments: &[&str], file: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_wizard")).with_file_name("waxseal");
    if !program.exists() {
        let target =
            program.parent().and_then(Path::parent).expect("a profile's folder lies in the target folder");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--package", "waxseal-cli", "--bin", "waxseal", "--target-dir"])
            .arg(target);
        if program.parent().is_some_and(|folder| folder.ends_with("release")) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success());
    }
    Command::new(program).env_clear().args(arguments).arg("--file").arg(file).output().unwrap()
}

/// Runs the program, and asserts that it succeeds.
pub(crate) fn operate(arguments: &[&str], file: &Path) -> serde_json::Value {
    let output = waxseal(&[arguments, &["--json"]].concat(), file);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Copies a secret file and its rotation record to another server as an operator would, not in one step.
pub(crate) fn bring(from: &Path, to: &Path) {
    let record = |file: &Path| file.with_file_name("secret.rotation");
    replace(&record(from), &record(to));
    replace(from, to);
}

/// The server sees the former file or the whole new one.
fn replace(from: &Path, to: &Path) {
    let aside = to.with_extension("new");
    fs::copy(from, &aside).unwrap();
    fs::rename(aside, to).unwrap();
}
