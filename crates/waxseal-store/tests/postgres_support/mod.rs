//! PostgreSQL, and what stands before it, for the store's tests.
#![allow(dead_code, reason = "each test program uses a part")]

#[path = "../servers/process.rs"]
mod process;
#[path = "../servers/postgres.rs"]
mod server;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use process::{Process, shell};
use server::{START, somebody_else};
use tempfile::TempDir;
use tokio_postgres::NoTls;
use waxseal_store::{NetworkOptions, PostgresOptions, PostgresStore};

pub(crate) use process::free_port;
pub(crate) use server::{Cluster, PASSWORD};

impl Cluster {
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
