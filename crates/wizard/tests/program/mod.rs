//! The wizard as a separate process, with its own environment and folder.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The time after which a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running wizard; killed when dropped.
pub(crate) struct Program {
    child: Child,
    said: Mutex<Receiver<u8>>,
    heard: String,
    folder: Arc<TempDir>,
}

/// How a program ended, and its output.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

/// A secret in the form that `gen-secret` prints, with a key that is only for tests.
pub(crate) fn secret() -> String {
    "waxseal1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwdkv1U6".to_owned()
}

/// `under` is a command that runs the wizard, or nothing.
fn command(folder: &Path, under: &[&str], variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let words = [under, &[env!("CARGO_BIN_EXE_wizard")], arguments].concat();
    let mut command = Command::new(words[0]);
    command.env_clear().envs(variables.iter().copied()).args(&words[1..]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Creates a folder for one program or several.
pub(crate) fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// Runs the wizard with arguments with which it should not start.
pub(crate) fn refused(variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    Program::spawn(folder(), variables, arguments).wait()
}

/// The reason why the wizard does not start with the store at `place`. Asserts that its output does not show the password.
pub(crate) fn refused_store(place: &str, password: &str) -> String {
    let variables = [("SECRET_KEY", &*secret()), ("WAXSEAL_SESSION_STORE", place)];
    let ended = refused(&variables, &["--port=0", "--session-state=store", "--log=trace"]);
    assert_eq!(ended.status.code(), Some(1), "{place}: {ended:?}");
    assert!(!ended.said.contains(password), "{place}: {}", ended.said);
    why_not(&ended.said).to_owned()
}

/// The reason in the output of a wizard that refused its store.
pub(crate) fn why_not(said: &str) -> &str {
    let line = said.lines().find_map(|line| line.strip_prefix("Error: "));
    let reason =
        line.and_then(|line| line.strip_prefix("the session store cannot be used; see --session-store: "));
    reason.unwrap_or_else(|| panic!("it gave no reason: {said}"))
}

impl Program {
    /// Starts the wizard with only these environment variables, and waits until it has logged its address.
    pub(crate) fn start(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut program = Self::spawn(folder(), variables, arguments);
        program.hear_address();
        program
    }

    pub(crate) fn spawn(folder: Arc<TempDir>, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::spawn_under(&[], folder, variables, arguments)
    }

    /// Starts the wizard by a command that executes it, such as `nice`.
    pub(crate) fn spawn_under(
        under: &[&str],
        folder: Arc<TempDir>,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        let command = command(folder.path(), under, variables, arguments).spawn();
        let mut child = command.expect("it was built");
        let (send, said) = channel();
        let stderr = child.stderr.take().expect("it is piped");
        // Read to the end, even when nobody receives the bytes any more, because a full pipe would block the program.
        thread::spawn(move || {
            BufReader::new(stderr).bytes().map_while(Result::ok).for_each(|byte| _ = send.send(byte))
        });
        Self { child, said: Mutex::new(said), heard: String::new(), folder }
    }

    /// Waits until the program has logged its address.
    pub(crate) fn hear_address(&mut self) {
        self.has_started().unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Waits until the program has logged its address.
    ///
    /// # Errors
    ///
    /// What it said instead.
    pub(crate) fn has_started(&mut self) -> Result<(), String> {
        self.try_to_hear("server on http://")?;
        self.try_to_hear("\n")
    }

    /// Waits until the program has logged `words`, after what was read before.
    pub(crate) fn hear(&mut self, words: &str) {
        self.try_to_hear(words).unwrap_or_else(|problem| panic!("{problem}"));
    }

    fn try_to_hear(&mut self, words: &str) -> Result<(), String> {
        let from = self.heard.len();
        let deadline = Instant::now() + PATIENCE;
        while !self.heard[from..].ends_with(words) {
            match self
                .said
                .get_mut()
                .unwrap()
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(byte) => self.heard.push(char::from(byte)),
                Err(problem) => return Err(format!("{problem} before {words:?}; it said {:?}", self.heard)),
            }
        }
        Ok(())
    }

    /// The output that was read so far.
    pub(crate) fn heard(&self) -> &str {
        &self.heard
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The address on which it logs that it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let rest = self.heard.split("server on http://").nth(1).expect("it said so");
        rest.split(',').next().unwrap().parse().unwrap()
    }

    /// The address that it logs for the operator's pages.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        let rest = self.heard.split("for the operator on http://").nth(1).expect("it said so");
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the program to end.
    pub(crate) fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .said
                .get_mut()
                .unwrap()
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(byte) => self.heard.push(char::from(byte)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("still running; it said {:?}", self.heard),
            }
        }
        let status = self.child.wait().unwrap();
        Ended { status, said: std::mem::take(&mut self.heard) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
