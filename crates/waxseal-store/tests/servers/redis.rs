//! A Redis of our own: on a free port of the loopback address, in a temporary folder, and ended with the test.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::process::{Process, free_port, shell, signal};

/// How long a server may take to do what it was told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server that stops when this is dropped, and also if the test ends in any other way.
pub(crate) struct Server {
    // Before the folder: it is dropped first.
    process: Option<Process>,
    folder: TempDir,
    arguments: Vec<String>,
    pub(crate) port: u16,
}

impl Server {
    /// A server with these settings beside the usual ones.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { port: 0, arguments, folder, process: None };
        // Another program may take the free port first.
        for _ in 0..5 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server does not start; its log: {}", server.log());
    }

    /// With every write on the disk before it is acknowledged.
    pub(crate) fn start_durable() -> Self {
        Self::start(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        drop(self.process.take());
    }

    /// In the same folder, on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        // The port may be in the hands of the system for a moment.
        for _ in 0..50 {
            if self.launch() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("redis-server does not start again; its log: {}", self.log());
    }

    /// The server stands still, with its connections open, until it is told to go on.
    pub(crate) fn stand_still(&self) {
        signal("STOP", &[self.process.as_ref().unwrap().server]);
    }

    pub(crate) fn go_on(&self) {
        signal("CONT", &[self.process.as_ref().unwrap().server]);
    }

    /// False if the server ended at once.
    fn launch(&mut self) -> bool {
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let mut command = shell(Path::new(&program), "KILL", None, self.folder.path());
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
        command.arg(self.folder.path()).args(&self.arguments);
        let process = Process::start(command);
        let start = Instant::now();
        while !self.answers() && process.is_running() {
            assert!(start.elapsed() < PATIENCE, "redis-server does not answer; its log: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        // Another server's answer on this port is not this one's.
        let running = process.is_running();
        self.process = Some(process);
        running
    }

    fn answers(&self) -> bool {
        // Whoever wants a password is there as well; one that loads its file says so.
        self.say("PING").is_ok_and(|answer| answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
    }

    /// Says a command to the server, in one line, and returns its answer's first.
    pub(crate) fn say(&self, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        writeln!(stream, "{command}\r")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
