//! Sentinels of our own, with a primary and a replica of it.

use std::path::Path;

use tempfile::TempDir;

use crate::process::{Process, free_port, shell, signal};
use crate::redis::{Server, wait_for};

/// The name by which the Sentinels know the primary.
pub const NAME: &str = "main";
const QUORUM: usize = 2;

/// Three Sentinels, a primary and a replica.
pub struct Watched {
    /// The primary at the start, and its replica.
    pub servers: [Server; 2],
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    // Before the folder: it is dropped first.
    process: Process,
    _folder: TempDir,
    port: u16,
    /// Empty for none.
    password: String,
}

impl Watched {
    /// All at work, the replica up to date, and the Sentinels acquainted.
    ///
    /// # Panics
    ///
    /// If they do not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same with Sentinels that want this password.
    ///
    /// # Panics
    ///
    /// If they do not start.
    #[must_use]
    pub fn start_with(password: &str) -> Self {
        let primary = Server::start(&[]);
        let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        wait_for("replication", || {
            replica.ask::<String>(redis::cmd("INFO").arg("replication")).contains("master_link_status:up")
        });
        let sentinels = (0..3).map(|_| Sentinel::start(primary.port, password)).collect();
        let watched = Self { servers: [primary, replica], sentinels };
        wait_for("the Sentinels to know all", || {
            watched.sentinels.iter().all(|sentinel| {
                let said = sentinel.ask("INFO sentinel");
                said.contains("status=ok,") && said.contains("slaves=1,sentinels=3")
            })
        });
        watched
    }

    /// The store's URL, with all Sentinels as hosts.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let hosts: Vec<_> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis-sentinel://{}/{name}", hosts.join(","))
    }

    /// Ends one of the Sentinels.
    pub fn end_a_sentinel(&mut self) {
        self.sentinels.remove(0);
    }

    /// Ends all of them.
    pub fn end_sentinels(&mut self) {
        self.sentinels.clear();
    }

    /// All of them stand still, with their connections open.
    pub fn let_sentinels_stand_still(&self) {
        let pids: Vec<_> = self.sentinels.iter().map(|sentinel| sentinel.process.server).collect();
        signal("STOP", &pids);
    }

    /// Has a Sentinel promote the replica now, though the primary answers.
    ///
    /// # Panics
    ///
    /// If it is not promoted in time.
    pub fn fail_over(&self) {
        let promoted =
            || self.servers[1].ask::<String>(redis::cmd("INFO").arg("replication")).contains("role:master");
        // A Sentinel refuses while it thinks that the replica is away.
        wait_for("a Sentinel to agree", || {
            promoted() || self.sentinels[0].ask(&format!("SENTINEL FAILOVER {NAME}")) == "OK"
        });
        wait_for("the promotion", promoted);
    }
}

impl Sentinel {
    fn start(primary: u16, password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        // It writes what it learns into this file.
        let file = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {primary} {QUORUM}\n\
             sentinel down-after-milliseconds {NAME} 3000\nsentinel failover-timeout {NAME} 5000\n{}",
            folder.path().display(),
            if password.is_empty() { String::new() } else { format!("requirepass {password}\n") }
        );
        std::fs::write(folder.path().join("sentinel.conf"), file).unwrap();
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let mut command = shell(Path::new(&program), "KILL", None, folder.path());
        command.args(["sentinel.conf", "--sentinel"]);
        let sentinel =
            Self { process: Process::start(command), _folder: folder, port, password: password.to_owned() };
        wait_for("a Sentinel", || sentinel.client().is_some());
        sentinel
    }

    fn client(&self) -> Option<redis::Connection> {
        redis::Client::open(format!("redis://:{}@127.0.0.1:{}", self.password, self.port))
            .ok()?
            .get_connection()
            .ok()
    }

    fn ask(&self, command: &str) -> String {
        let mut asked = redis::Cmd::new();
        command.split(' ').for_each(|word| _ = asked.arg(word));
        let mut client = self.client().expect("it answered before");
        asked.query(&mut client).unwrap_or_default()
    }
}
