//! Real Redis servers, on free loopback ports, in temporary folders, gone with the test.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod proxy;

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue};
use tempfile::TempDir;

/// How long a server may take to do what it was told.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that stops when this is dropped, and also if the test ends in any other way.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    process: Option<Process>,
}

/// A shell with the server as its child. The shell waits for the end of its input, which comes with the end of this
/// process at the latest, and then kills the server.
struct Process {
    shell: Child,
    server: String,
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
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Asks the server directly, past the store.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &mut Cmd) -> T {
        self.try_ask(command).unwrap()
    }

    fn try_ask<T: FromRedisValue>(&self, command: &mut Cmd) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
        command.query(&mut connection)
    }

    fn signal(&self, signal: &str) {
        self.process.as_ref().unwrap().signal(signal);
    }

    /// False if the server ended at once.
    fn launch(&mut self) -> bool {
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| OsString::from("redis-server"));
        let mut shell = Command::new("sh")
            // The server's own words go to a file, since nobody may read them.
            .args(["-c", r#""$@" > log 2>&1 & echo $!; read -r line; kill -9 $!; wait"#, "sh"])
            .arg(program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(self.folder.path())
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let mut server = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut server).unwrap();
        let process = Process { shell, server: server.trim().to_owned() };
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.try_ask::<String>(&mut redis::cmd("PING")) {
                // Whoever wants a password is there as well.
                Ok(_) => break,
                Err(error) if error.kind() == redis::ErrorKind::AuthenticationFailed => break,
                Err(error) if error.code() == Some("NOAUTH") => break,
                Err(_) if !process.is_running() => return false,
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        // Another server's answer on this port is not this one's.
        let running = process.is_running();
        self.process = Some(process);
        running
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Process {
    fn signal(&self, signal: &str) -> bool {
        let kill = Command::new("kill").args([signal, &self.server]).stderr(Stdio::null()).status();
        kill.is_ok_and(|status| status.success())
    }

    fn is_running(&self) -> bool {
        self.signal("-0")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        _ = self.shell.wait();
    }
}

/// Three primaries, 0 to 2, and a replica of each, 3 to 5.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start(arguments: &[&str]) -> Self {
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
            () = server.ask(redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(&first).arg(bus));
        }
        self.wait_for("everyone to know everyone", |server| server.nodes() == 6);
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
    }

    fn wait_for(&self, what: &str, good: impl Fn(&Server) -> bool) {
        wait_for(what, || self.servers.iter().all(&good));
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> =
            self.servers[..3].iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }
}

impl Server {
    /// Whether the cluster serves all slots, none of them by the server at that port.
    pub(crate) fn works_without(&self, port: u16) -> bool {
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
}

pub(crate) fn wait_for(what: &str, good: impl Fn() -> bool) {
    let start = Instant::now();
    while !good() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Runs a test on several threads.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
