//! Stores on servers, with the backup and the restoration of `docs/deploying.md`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use store_tests::{postgres, redis};

use crate::behind::{PAGE, set};

/// A store on a server, which the operator stops and restores from a backup.
pub(crate) trait Store {
    /// `true` if the store can tell how many records it has.
    const COUNTS: bool;

    /// Creates what an app finds, and returns the URL for it.
    fn prepare(&mut self) -> String;
    fn back_up(&mut self, backups: &Path);
    /// Stops the server, which loses what it has.
    fn lose(&mut self);
    fn restore(&mut self, backups: &Path);
}

impl Store for redis::Server {
    const COUNTS: bool = false;

    fn prepare(&mut self) -> String {
        format!("{}?connect_timeout=30s", self.url())
    }

    fn back_up(&mut self, backups: &Path) {
        let mut line = line("redis-cli ");
        set(&mut line, "redis-cli", &self.client().display().to_string());
        set(&mut line, "-h 10.0.0.21", &format!("-h 127.0.0.1 -p {}", self.port));
        back_up(&line, backups, Command::new("sh"));
    }

    /// It writes no snapshot by itself.
    fn lose(&mut self) {
        self.kill();
    }

    fn restore(&mut self, backups: &Path) {
        let (_, rest) = PAGE.split_once("```sh\nsystemctl stop redis-server\n").expect("the page stops it");
        let mut text = rest.split_once("systemctl start redis-server\n").expect("and starts it").0.to_owned();
        set(&mut text, "/var/lib/redis", "\"$DATA\"");
        let mut shell = Command::new("sh");
        shell.env("DATA", self.folder());
        run(text, backups, shell);
        self.restart();
    }
}

/// The role and the database of the page.
const ROLE: &str = "wizard";
const DATABASE: &str = "app";

/// The page's words for the server.
const SERVER: &str = "--host 10.0.0.22";

impl Store for postgres::Cluster {
    const COUNTS: bool = true;

    /// As `docs/stores.md` says: a role that is no superuser, and may create the schema.
    fn prepare(&mut self) -> String {
        let role = format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{}'", postgres::PASSWORD);
        let grant = format!("GRANT CREATE ON DATABASE {DATABASE} TO {ROLE}");
        for sql in [role, format!("CREATE DATABASE {DATABASE}"), grant] {
            store_tests::run(self.sql(&sql));
        }
        let mut url = self.url(DATABASE);
        set(&mut url, "//waxseal:", &format!("//{ROLE}:"));
        format!("{url}&connect_timeout=30s")
    }

    fn back_up(&mut self, backups: &Path) {
        let mut line = line("pg_dump ");
        set(&mut line, SERVER, &format!("--host 127.0.0.1 --port {}", self.port));
        back_up(&line, backups, client(self));
    }

    fn lose(&mut self) {
        self.stop();
        self.run_alone_in(DATABASE, "DROP SCHEMA waxseal CASCADE\n");
    }

    fn restore(&mut self, backups: &Path) {
        self.run();
        let mut line = line("pg_restore ");
        set(&mut line, SERVER, &format!("--host 127.0.0.1 --port {}", self.port));
        run(line, backups, client(self));
    }
}

/// A shell that finds PostgreSQL's programs and knows the password.
fn client(cluster: &postgres::Cluster) -> Command {
    let mut shell = Command::new("sh");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [cluster.programs().to_owned()].into_iter().chain(std::env::split_paths(&path));
    shell.env("PATH", std::env::join_paths(folders).unwrap()).env("PGPASSWORD", postgres::PASSWORD);
    shell
}

/// The page's line that begins with this.
fn line(words: &str) -> String {
    let found = PAGE.lines().find(|line| line.starts_with(words));
    found.unwrap_or_else(|| panic!("the page has no line {words:?}")).to_owned()
}

/// Runs the line, and what the page has before it. Asserts that only this user may read the backup.
fn back_up(line: &str, backups: &Path, shell: Command) {
    run([&*self::line("umask "), &*self::line("mkdir "), line].join("\n"), backups, shell);
    for file in fs::read_dir(backups).unwrap() {
        let mode = file.as_ref().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file:?}");
    }
}

/// Runs lines of the page with a folder of the test's for backups.
fn run(mut text: String, backups: &Path, mut shell: Command) {
    set(&mut text, "/var/backups/wizard", "\"$BACKUPS\"");
    // Nothing of the system is touched.
    assert!(!text.contains(" /"), "{text}");
    let output = shell.args(["-ec", &text]).env("BACKUPS", backups).output().unwrap();
    assert!(output.status.success(), "{text}: {output:?}");
}
