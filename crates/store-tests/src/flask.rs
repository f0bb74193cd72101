//! A Flask app of our own, in one of the Python environments that `cargo xtask test --faults` makes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Process, free_port, shell};

/// The longest time that a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that stops when this is dropped, and also if the test ends in any other way.
pub struct Flask {
    // Before the folder: it is dropped first.
    _process: Process,
    _folder: TempDir,
    /// The port it listens on.
    pub port: u16,
}

impl Flask {
    /// Runs the Python program `app`, with a free port as its argument and these environment variables, and waits until it
    /// listens.
    ///
    /// # Panics
    ///
    /// If it ends, or does not listen within 30 seconds, five times.
    #[must_use]
    pub fn start(python: &Path, app: &Path, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        // Another program may take the free port first.
        for _ in 0..5 {
            let port = free_port();
            let mut command = shell(python, "TERM", None, folder.path());
            command.arg(app).arg(port.to_string()).envs(variables.iter().copied());
            let process = Process::start(command);
            let start = Instant::now();
            // It says so when it has the port, where another program may answer before.
            let listens = || log().contains(&format!("Running on http://127.0.0.1:{port}"));
            while process.is_running() && start.elapsed() < PATIENCE {
                if listens() {
                    return Self { _process: process, _folder: folder, port };
                }
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        panic!("Flask does not answer; its log: {}", log());
    }
}

/// The Pythons of the environments in the folder `FLASK_ENVIRONMENTS`, one for each version of Flask, the newest last.
/// Empty if the variable is not set.
///
/// # Panics
///
/// If the variable is set and its folder has no such environment.
#[must_use]
pub fn pythons() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("FLASK_ENVIRONMENTS") else { return Vec::new() };
    let entries = std::fs::read_dir(&folder).expect("FLASK_ENVIRONMENTS is a folder");
    let pythons = entries.filter_map(|entry| Some(entry.ok()?.path().join("bin/python")));
    let mut pythons: Vec<_> = pythons.filter(|python| python.exists()).collect();
    pythons.sort();
    assert!(!pythons.is_empty(), "{} has no Python environments", folder.display());
    pythons
}
