//! A PostgreSQL of our own: from the system's programs, in a temporary folder, on a free port of the loopback
//! address, and ended with the test.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::process::{Process, User, as_user, free_port, shell, signal};
use crate::skip;

/// The superuser's password, of which each character has to be encoded in a URL.
pub const PASSWORD: &str = "fawkes@/:?#%";
const ENCODED_PASSWORD: &str = "fawkes%40%2F%3A%3F%23%25";
const START: Duration = Duration::from_secs(60);

/// A server that stops when this is dropped, and also if the test ends in any other way.
pub struct Cluster {
    // Before the folder: it is dropped first.
    server: Option<Process>,
    folder: TempDir,
    programs: PathBuf,
    user: User,
    settings: Vec<String>,
    /// The server has a file system of this many bytes to itself, in the folder `disk`.
    disk: Option<u32>,
    /// The port it listens on.
    pub port: u16,
}

impl Cluster {
    /// A running server, and the empty database `postgres`. `settings` as for `postgres -c`.
    pub fn start(settings: &[&str]) -> Self {
        let mut cluster = Self::new(settings);
        cluster.run();
        cluster
    }

    /// One that keeps nothing through a power cut, and is fast.
    pub fn fast() -> Self {
        Self::start(&["fsync=off", "synchronous_commit=off", "full_page_writes=off"])
    }

    fn new(settings: &[&str]) -> Self {
        let cluster = Self::empty(settings);
        let password = cluster.password_file();
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

    fn empty(settings: &[&str]) -> Self {
        let programs = programs().expect(
            "these tests need PostgreSQL's server: initdb and postgres on the PATH or in \
             /usr/lib/postgresql; on Debian and Ubuntu, `apt-get install postgresql`",
        );
        let (folder, user) = (tempfile::tempdir().unwrap(), somebody_else());
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Self { server: None, folder, programs, user, settings, disk: None, port: 0 }
    }

    fn password_file(&self) -> PathBuf {
        let password = self.folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&password, Some(user), Some(group)).unwrap();
        }
        password
    }

    /// A running standby of this server, which is to run with its `settings` too; `None` without `pg_basebackup`.
    pub fn standby(&self, settings: &[&str]) -> Option<Self> {
        let mut standby = Self::empty(settings);
        let output = standby
            .command("pg_basebackup")
            .env("PGPASSWORD", PASSWORD)
            .args(["-h", "127.0.0.1", "-U", "waxseal", "-p", &self.port.to_string()])
            .args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "-D"])
            .arg(standby.data())
            .output()
            .ok()?;
        assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        standby.run();
        Some(standby)
    }

    /// Makes a standby a primary, as `pg_ctl promote` does.
    pub fn promote(&self) {
        let request = self.data().join("promote");
        fs::write(&request, "").unwrap();
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&request, Some(user), Some(group)).unwrap();
        }
        signal("USR1", &[self.process().server]);
    }

    /// Starts the server, again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port.
    pub fn run(&mut self) {
        assert!(self.server.is_none(), "it is running");
        let (is_new, start) = (self.port == 0, Instant::now());
        // Somebody else may have taken the port; after a kill, the memory of the last server may be in use.
        while start.elapsed() < START {
            if is_new {
                self.port = free_port();
            }
            let arguments = ["-h", "127.0.0.1", "-k", "", "-p", &self.port.to_string()].map(str::to_owned);
            let mut command = self.shell(&self.programs.join("postgres"));
            command.arg("-D").arg(self.data()).args(arguments).args(["-c", "max_connections=200"]);
            command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
            self.server = Some(Process::start(command));
            if self.is_up() {
                return;
            }
        }
        panic!("postgres does not start: {}", fs::read_to_string(self.log()).unwrap());
    }

    fn is_up(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < START {
            if !self.process().is_running() {
                std::thread::sleep(Duration::from_millis(200));
                self.server = None;
                return false;
            }
            if self.takes_connections() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// As `pg_ctl` finds out: the server says so in its lock file. One that was killed leaves its own behind.
    fn takes_connections(&self) -> bool {
        let lock = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<_> = lock.lines().map(str::trim).collect();
        lines.first() == Some(&&*self.process().server.to_string())
            && matches!(lines.get(7), Some(&("ready" | "standby")))
    }

    /// The URL of a database of it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_at(self.port, database)
    }

    /// As if the server were at another port: a proxy's or a pooler's.
    pub fn url_at(&self, port: u16, database: &str) -> String {
        format!("postgres://waxseal:{ENCODED_PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// From its next start on; there is no primary to follow, so it stays as it is.
    pub fn make_a_standby(&self) {
        fs::write(self.data().join("standby.signal"), "").unwrap();
    }

    /// From its next start on, with a certificate for `name`, whose root is returned; `None` without `openssl`.
    pub fn turn_tls_on(&mut self, name: &str) -> Option<PathBuf> {
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
            .output();
        let Ok(output) = output else {
            skip("no openssl on the PATH");
            return None;
        };
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&key, Some(user), Some(group)).unwrap();
        }
        self.settings.push("ssl=on".to_owned());
        Some(certificate)
    }

    /// Runs statements, a line each, as the superuser, while the server is stopped.
    pub fn run_alone(&self, sql: &str) {
        self.run_alone_in("postgres", sql);
    }

    /// The same in another database.
    pub fn run_alone_in(&self, database: &str, sql: &str) {
        assert!(self.server.is_none(), "it is running");
        let mut command = self.command("postgres");
        command.arg("--single").arg("-D").arg(self.data()).arg(database);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let said = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&said.stderr);
        assert!(!said.contains("ERROR"), "{said}");
    }

    /// Runs statements as the superuser and returns the first column of the rows.
    pub async fn sql(&self, sql: &str) -> Vec<String> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        driver.abort();
        let mut values = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                values.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        values
    }

    /// SIGKILL to the server and each of its processes.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.server = None;
    }

    /// A shut-down that ends connections.
    pub fn stop(&mut self) {
        let process = self.server.take().unwrap();
        signal("INT", &[process.server]);
        while process.is_running() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// STOP or CONT, to the server and each of its processes.
    pub fn signal(&self, name: &str) {
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
        let Some(bytes) = self.disk else { return shell(program, "QUIT", self.user, self.folder.path()) };
        // In a part of the system's tree that nobody else sees, and that goes with the server.
        let mut command = shell(Path::new("unshare"), "QUIT", None, self.folder.path());
        let (user, group) = self.user.expect("only the superuser may mount");
        let script = format!(
            "mkdir -p disk && mount -t tmpfs -o size={bytes},uid={user},gid={group},mode=700 tmpfs disk && \
             exec setpriv --reuid={user} --regid={group} --clear-groups \"$0\" \"$@\""
        );
        command.args(["--mount", "sh", "-c", &script]).arg(program);
        command
    }

    /// A running server with a disk of its own of so many bytes beside the one that it has its files on; what is made in
    /// tablespace `small` lies there. `None` where this may not be; a line says so.
    pub fn with_a_small_disk(bytes: u32, settings: &[&str]) -> Option<Self> {
        let may = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        if somebody_else().is_none() || !may.is_ok_and(|output| output.status.success()) {
            skip("this user may not mount a disk (unshare --mount)");
            return None;
        }
        let mut cluster = Self::new(settings);
        cluster.disk = Some(bytes);
        cluster.run();
        Some(cluster)
    }

    /// The folder that the small disk is mounted on.
    pub fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// The folder with the server's programs and clients.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
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

/// PgBouncer in transaction mode in front of a cluster.
pub struct Bouncer {
    _process: Process,
    _folder: TempDir,
    /// The port it listens on.
    pub port: u16,
}

impl Bouncer {
    /// `None` where it is not installed; a line says so.
    pub fn start(cluster: &Cluster) -> Option<Self> {
        let program =
            ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            skip("no pgbouncer; on Debian, `apt-get install pgbouncer`");
            return None;
        };
        let (folder, user, port) = (tempfile::tempdir().unwrap(), somebody_else(), free_port());
        let users = folder.path().join("users");
        fs::write(&users, format!("\"waxseal\" \"{PASSWORD}\"\n")).unwrap();
        let config = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\npostgres = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
             pool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 500\nserver_login_retry = 1\n",
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
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < START, "pgbouncer does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(bouncer)
    }
}

/// The folder with the server's programs: that of `POSTGRES_INITDB`, or else the newest version's.
fn programs() -> Option<PathBuf> {
    if let Some(initdb) = std::env::var_os("POSTGRES_INITDB") {
        // Where the others are, if this is a link.
        return fs::canonicalize(initdb).ok()?.parent().map(Path::to_owned);
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
fn somebody_else() -> User {
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
