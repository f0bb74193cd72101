//! A Redis of our own: on a free port of the loopback address, in a temporary folder, and ended with the test.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue};
use tempfile::TempDir;

use crate::process::{Process, free_port, shell, signal};

/// The longest time that a server may take to do what it was told.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A server that stops when this is dropped, and also if the test ends in any other way.
pub struct Server {
    // Before the folder: it is dropped first.
    process: Option<Process>,
    folder: TempDir,
    arguments: Vec<String>,
    /// The port it listens on.
    pub port: u16,
}

impl Server {
    /// A server with these settings beside the usual ones.
    pub fn start(arguments: &[&str]) -> Self {
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
    pub fn start_durable() -> Self {
        Self::start(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// The store's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// In the same folder, on the same port.
    pub fn restart(&mut self) {
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
    pub fn stand_still(&self) {
        signal("STOP", &[self.process.as_ref().unwrap().server]);
    }

    /// Lets a server go on that stands still.
    pub fn go_on(&self) {
        signal("CONT", &[self.process.as_ref().unwrap().server]);
    }

    /// False if the server ended at once.
    fn launch(&mut self) -> bool {
        let mut command = shell(&program(), "KILL", None, self.folder.path());
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
    pub fn say(&self, command: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{command}\r")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer)
    }

    /// Asks the server directly, past the store; once more if it closes the connection, as a server does that Sentinels give
    /// another part.
    pub fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let ask = || {
            let mut connection = client.get_connection_with_timeout(PATIENCE)?;
            command.query(&mut connection)
        };
        let answer = ask().or_else(|error| if error.is_connection_dropped() { ask() } else { Err(error) });
        answer.unwrap()
    }

    /// Tells whether the cluster serves all slots, none of them by the server at that port.
    pub fn works_without(&self, port: u16) -> bool {
        let info: String = self.ask(redis::cmd("CLUSTER").arg("INFO"));
        let nodes: String = self.ask(redis::cmd("CLUSTER").arg("NODES"));
        let place = format!(":{port}@");
        // Its slots would follow behind eight other words.
        let has_slots = |line: &str| line.contains(&place) && line.split(' ').count() > 8;
        info.contains("cluster_state:ok") && !nodes.lines().any(has_slots)
    }

    fn nodes(&self) -> usize {
        let nodes: String = self.ask(redis::cmd("CLUSTER").arg("NODES"));
        nodes.lines().filter(|line| !line.contains("handshake")).count()
    }

    /// The folder with its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The client program that comes with the server.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        let server = program();
        let name = server.file_name().and_then(OsStr::to_str).expect("it has a name");
        server.with_file_name(name.replace("-server", "-cli"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn program() -> PathBuf {
    std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into()).into()
}

/// Three primaries, 0 to 2, and a replica of each, 3 to 5.
pub struct Cluster {
    /// The servers, by the numbers above.
    pub servers: Vec<Server>,
}

impl Cluster {
    /// A running cluster whose servers have these settings beside the usual ones.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let servers: Vec<_> = (0..6)
            .map(|_| {
                let bus = free_port().to_string();
                let ours =
                    ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", &bus];
                let server = Server::start(&[&ours[..], arguments].concat());
                (server, bus)
            })
            .collect();
        let bus = servers[0].1.clone();
        let servers: Vec<_> = servers.into_iter().map(|(server, _)| server).collect();
        let cluster = Self { servers };
        cluster.join(&bus);
        cluster
    }

    fn join(&self, bus: &str) {
        let first = self.servers[0].port.to_string();
        for (at, slots) in [(0, 5_460), (5_461, 10_922), (10_923, 16_383)].into_iter().enumerate() {
            () = self.servers[at].ask(redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(slots.0).arg(slots.1));
        }
        for (at, server) in self.servers.iter().enumerate().skip(1) {
            () = server.ask(redis::cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(at + 1));
        }
        wait_for("everyone to know everyone", || {
            let lonely: Vec<_> = self.servers.iter().filter(|server| server.nodes() < 6).collect();
            // Asked again, because a handshake that takes too long is forgotten.
            for server in lonely.iter().filter(|server| server.port != self.servers[0].port) {
                () = server.ask(redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(&first).arg(bus));
            }
            lonely.is_empty()
        });
        for (replica, primary) in [(3, 0), (4, 1), (5, 2)] {
            let id: String = self.servers[primary].ask(redis::cmd("CLUSTER").arg("MYID"));
            () = self.servers[replica].ask(redis::cmd("CLUSTER").arg("REPLICATE").arg(id));
        }
        self.wait_for("the cluster to work", |server| {
            let info: String = server.ask(redis::cmd("CLUSTER").arg("INFO"));
            let slots: Vec<Vec<redis::Value>> = server.ask(redis::cmd("CLUSTER").arg("SLOTS"));
            // First and last slot, the primary, its replica.
            info.contains("cluster_state:ok") && slots.iter().all(|range| range.len() == 4)
        });
        for replica in &self.servers[3..] {
            wait_for("replication", || {
                replica.ask::<String>(redis::cmd("INFO").arg("replication")).contains("master_link_status:up")
            });
        }
        // No server is replaced for being slow.
        self.set_node_timeout(Duration::from_secs(60));
    }

    /// The time after which a server that is silent is replaced by its replica; a minute at first.
    pub fn set_node_timeout(&self, timeout: Duration) {
        for server in &self.servers {
            let mut command = redis::cmd("CONFIG");
            command.arg("SET").arg("cluster-node-timeout").arg(timeout.as_millis() as u64);
            () = server.ask(&command);
        }
    }

    fn wait_for(&self, what: &str, good: impl Fn(&Server) -> bool) {
        wait_for(what, || self.servers.iter().all(&good));
    }

    /// The store's URL, with the primaries as hosts.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> =
            self.servers[..3].iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }
}

/// The documented rule for a user, with these keys in place of the wizard's and the password `s3cret`.
///
/// # Panics
///
/// If the page has none.
#[must_use]
pub fn documented_rule(keys: &str) -> Vec<String> {
    let page = include_str!("../../../docs/stores.md");
    let rule = page.lines().find(|line| line.starts_with("ACL SETUSER wizard ")).expect("the page has it");
    let rule = rule.replace("~waxseal:wizard:*", keys).replace(">PASSWORD", ">s3cret");
    rule.split(' ').map(str::to_owned).collect()
}

/// Waits until `good` says yes.
///
/// # Panics
///
/// After [`PATIENCE`].
pub fn wait_for(what: &str, good: impl Fn() -> bool) {
    let start = Instant::now();
    while !good() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
