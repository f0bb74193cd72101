//! A PostgreSQL of our own: from the system's programs, in a temporary folder, on a free port of the loopback
//! address, and ended with the test.
#![allow(dead_code, reason = "each test program uses a part")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::NoTls;
use waxseal_store::{NetworkOptions, PostgresOptions, PostgresStore};

pub(crate) const PASSWORD: &str = "fawkes@/:?#%";
const ENCODED_PASSWORD: &str = "fawkes%40%2F%3A%3F%23%25";
const START: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    // Before the folder: it is dropped first.
    server: Option<Process>,
    folder: TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    settings: Vec<String>,
    pub(crate) port: u16,
}

/// A shell with a server as its child. The shell waits for the end of its input, which comes with the end of this
/// process at the latest, however it ends, and then ends the server.
struct Process {
    shell: Child,
    server: u32,
}

impl Cluster {
    /// A running server, and the empty database `postgres`. `settings` as for `postgres -c`.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let mut cluster = Self::new(settings);
        cluster.run().await;
        cluster
    }

    /// One that keeps nothing through a power cut, and is fast.
    pub(crate) async fn fast() -> Self {
        Self::start(&["fsync=off", "synchronous_commit=off", "full_page_writes=off"]).await
    }

    fn new(settings: &[&str]) -> Self {
        let programs = programs().expect(
            "these tests need PostgreSQL's server: initdb and postgres on the PATH or in \
             /usr/lib/postgresql; on Debian and Ubuntu, `apt-get install postgresql`",
        );
        let (folder, user) = (tempfile::tempdir().unwrap(), somebody_else());
        let password = folder.path().join("password");
        fs::File::create(&password).unwrap().write_all(PASSWORD.as_bytes()).unwrap();
        if let Some((user, group)) = user {
            for path in [folder.path(), &password] {
                std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
            }
        }
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let cluster = Self { server: None, folder, programs, user, settings, port: 0 };
        let output = cluster
            .command("initdb")
            .args([
                "--username=waxseal",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .arg("--pwfile")
            .arg(password)
            .arg("--pgdata")
            .arg(cluster.data())
            .output()
            .unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        cluster
    }

    /// Starts the server, again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port.
    pub(crate) async fn run(&mut self) {
        assert!(self.server.is_none(), "it is running");
        for _ in 0..5 {
            if self.port == 0 {
                self.port = free_port();
            }
            let arguments = ["-h", "127.0.0.1", "-k", "", "-p", &self.port.to_string()].map(str::to_owned);
            let mut command = self.shell(&self.programs.join("postgres"));
            command.arg("-D").arg(self.data()).args(arguments).args(["-c", "max_connections=200"]);
            command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
            self.server = Some(Process::start(command));
            if self.is_up().await {
                return;
            }
        }
        panic!("postgres does not start: {}", fs::read_to_string(self.log()).unwrap());
    }

    async fn is_up(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < START {
            if !self.process().is_running() {
                // Somebody else may have taken the port; after a kill, the memory of the last server may be in use.
                tokio::time::sleep(Duration::from_millis(200)).await;
                self.server = None;
                return false;
            }
            if tokio_postgres::connect(&self.url("postgres"), NoTls).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    pub(crate) fn url(&self, database: &str) -> String {
        self.url_at(self.port, database)
    }

    /// As if the server were at another port: a proxy's or a pooler's.
    pub(crate) fn url_at(&self, port: u16, database: &str) -> String {
        format!("postgres://waxseal:{ENCODED_PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// Options for a schema that no other store has, and for a machine that has much else to do.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresStore::options(&self.url("postgres")).schema(new_schema()).network(patient())
    }

    /// Runs statements as the superuser and returns the first column of the rows.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<String> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        driver.abort();
        let mut values = Vec::new();
        for message in messages {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                values.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        values
    }

    /// From its next start on; there is no primary to follow, so it stays as it is.
    pub(crate) fn make_a_standby(&self) {
        fs::write(self.data().join("standby.signal"), "").unwrap();
    }

    /// From its next start on, with a certificate for `name`, whose root is returned; `None` without `openssl`.
    pub(crate) fn turn_tls_on(&mut self, name: &str) -> Option<PathBuf> {
        let (key, certificate) = (self.data().join("server.key"), self.data().join("server.crt"));
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args([
                "-days",
                "2",
                "-subj",
                &format!("/CN={name}"),
                "-addext",
                &format!("subjectAltName=DNS:{name}"),
            ])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .ok()?;
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&key, Some(user), Some(group)).unwrap();
        }
        self.settings.push("ssl=on".to_owned());
        Some(certificate)
    }

    /// SIGKILL to the server and each of its processes.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        self.server = None;
    }

    /// A shut-down that ends connections.
    pub(crate) fn stop(&mut self) {
        let process = self.server.take().unwrap();
        signal("INT", &[process.server]);
        while process.is_running() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// STOP or CONT, to the server and each of its processes.
    pub(crate) fn signal(&self, name: &str) {
        let server = self.process().server;
        signal(name, &[vec![server], children(server)].concat());
    }

    fn process(&self) -> &Process {
        self.server.as_ref().expect("it is running")
    }

    /// A program of PostgreSQL's, run as a user whom it does not refuse.
    fn command(&self, program: &str) -> Command {
        as_user(&self.programs.join(program), self.user, self.folder.path())
    }

    fn shell(&self, program: &Path) -> Command {
        shell(program, "QUIT", self.user, self.folder.path())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.server.is_some() {
            // A stopped process takes no other signal.
            self.signal("CONT");
        }
    }
}

impl Process {
    fn start(mut shell: Command) -> Self {
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut server = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut server).unwrap();
        Self { shell, server: server.trim().parse().unwrap() }
    }

    /// Ended servers stay in the system's list until their shell asks for them.
    fn is_running(&self) -> bool {
        let output =
            Command::new("ps").args(["-o", "stat=", "-p", &self.server.to_string()]).output().unwrap();
        !matches!(output.stdout.trim_ascii_start().first(), None | Some(b'Z'))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        _ = self.shell.wait();
    }
}

/// PgBouncer in transaction mode in front of a cluster.
pub(crate) struct Bouncer {
    _process: Process,
    _folder: TempDir,
    pub(crate) port: u16,
}

impl Bouncer {
    /// None where it is not installed.
    pub(crate) async fn start(cluster: &Cluster) -> Option<Self> {
        let program =
            ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].iter().find(|path| Path::new(path).exists())?;
        let (folder, user, port) = (tempfile::tempdir().unwrap(), somebody_else(), free_port());
        let users = folder.path().join("users");
        fs::write(&users, format!("\"waxseal\" \"{PASSWORD}\"\n")).unwrap();
        let config = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\npostgres = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
             pool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 500\n",
            cluster.port,
            users.display()
        );
        fs::write(&config, text).unwrap();
        if let Some((user, group)) = user {
            for path in [folder.path(), &users, &config] {
                std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
            }
        }
        let mut command = shell(Path::new(program), "KILL", user, folder.path());
        command.arg(&config);
        let bouncer = Self { _process: Process::start(command), _folder: folder, port };
        let start = Instant::now();
        while tokio_postgres::connect(&cluster.url_at(port, "postgres"), NoTls).await.is_err() {
            assert!(start.elapsed() < START, "pgbouncer does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(bouncer)
    }
}

/// Nothing is to fail for being slow.
pub(crate) fn patient() -> NetworkOptions {
    let long = Duration::from_secs(30);
    NetworkOptions::new().connect_timeout(long).command_timeout(long)
}

pub(crate) fn new_schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A shell that starts the program, says its id, and ends it with a signal at the end of its own input.
fn shell(program: &Path, end: &str, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = as_user(Path::new("/bin/sh"), user, folder);
    let script = format!(
        r#""$@" >> log 2>&1 & echo $!; read -r line; kill -{end} $! 2> /dev/null && kill -CONT $!; wait"#
    );
    command.args(["-c", &script, "sh"]).arg(program);
    command
}

fn as_user(program: &Path, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("LC_ALL", "C").stdin(Stdio::null());
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

/// The folder with the server's programs: that of `POSTGRES_INITDB`, or else the newest version's.
fn programs() -> Option<PathBuf> {
    if let Some(initdb) = std::env::var_os("POSTGRES_INITDB") {
        return Path::new(&initdb).parent().map(Path::to_owned);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    folders.sort_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()))
    });
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Whom to run the server as, if we are root: it refuses to run as root.
fn somebody_else() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}

fn children(of: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-o", "pid=", "--ppid", &of.to_string()]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    _ = Command::new("kill").arg(format!("-{name}")).args(pids).stderr(Stdio::null()).status().unwrap();
}
