//! The wizard as a process of its own, with an environment and a folder of its own.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running wizard; killed when dropped.
pub(crate) struct Program {
    child: Child,
    said: Receiver<u8>,
    heard: String,
    folder: Arc<TempDir>,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

/// A secret that `gen-secret` would make, of a key made for tests alone.
pub(crate) fn secret() -> String {
    "waxseal1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwdkv1U6".to_owned()
}

fn command(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wizard"));
    command.env_clear().envs(variables.iter().copied()).args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A folder of its own, for one program or several.
pub(crate) fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// Runs the wizard where it should not start.
pub(crate) fn refused(variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    Program::spawn(folder(), variables, arguments).wait()
}

impl Program {
    /// Starts it with these variables and no others, and waits until it says where it listens.
    pub(crate) fn start(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut program = Self::spawn(folder(), variables, arguments);
        program.hear_address();
        program
    }

    pub(crate) fn spawn(folder: Arc<TempDir>, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut child = command(folder.path(), variables, arguments).spawn().expect("it was built");
        let (send, said) = channel();
        let stderr = child.stderr.take().expect("it is piped");
        // To the end, also when nobody listens any more: a full pipe would stop the program.
        thread::spawn(move || {
            BufReader::new(stderr).bytes().map_while(Result::ok).for_each(|byte| _ = send.send(byte))
        });
        Self { child, said, heard: String::new(), folder }
    }

    /// Waits until it says where it listens.
    pub(crate) fn hear_address(&mut self) {
        self.hear("server on http://");
        self.hear("\n");
    }

    /// Waits until it has said `words`, after what was heard before.
    pub(crate) fn hear(&mut self, words: &str) {
        let from = self.heard.len();
        let deadline = Instant::now() + PATIENCE;
        while !self.heard[from..].ends_with(words) {
            match self.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(byte) => self.heard.push(char::from(byte)),
                Err(problem) => panic!("{problem} before {words:?}; it said {:?}", self.heard),
            }
        }
    }

    /// What it has said so far.
    pub(crate) fn heard(&self) -> &str {
        &self.heard
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it says that it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let rest = self.heard.split("server on http://").nth(1).expect("it said so");
        rest.split(',').next().unwrap().parse().unwrap()
    }

    /// Where it says that it answers the operator.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        let rest = self.heard.split("for the operator on http://").nth(1).expect("it said so");
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Sends it a signal: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
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
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
