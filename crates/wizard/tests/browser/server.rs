//! The wizard itself, as its own process.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

const START_LIMIT: Duration = Duration::from_secs(30);

/// A running wizard. Stopped when dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts the wizard for development, with `secret`, on a free port.
    pub(crate) fn start(secret: &str) -> Server {
        Server::start_on(0, secret)
    }

    /// Stops it and starts another on the same port.
    pub(crate) fn restart(mut self, secret: &str) -> Server {
        self.stop();
        Server::start_on(self.port, secret)
    }

    /// The address of `path` on this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn start_on(port: u16, secret: &str) -> Server {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut process = Command::new(env!("CARGO_BIN_EXE_wizard"))
            .args(["--development", "--host", "127.0.0.1", "--port", &port.to_string()])
            .env("SECRET_KEY", secret)
            .env("NO_COLOR", "1")
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the wizard was built for this test");

        let (lines, said) = mpsc::channel();
        forward(process.stdout.take().expect("it is piped"), lines.clone());
        forward(process.stderr.take().expect("it is piped"), lines);
        let mut server = Server { process, port };
        let mut heard = String::new();
        while let Ok(line) = said.recv_timeout(START_LIMIT) {
            heard = heard + &line + "\n";
            if let Some(port) = port_in(&line) {
                server.port = port;
                return server;
            }
        }
        panic!("the wizard did not say where it listens; it said:\n{heard}");
    }

    fn stop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().ok()
}

/// Reads to the end, also when nobody listens any more: a full pipe would stop the server.
pub(crate) fn forward(output: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}
