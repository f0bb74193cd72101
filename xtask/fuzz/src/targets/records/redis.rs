//! Rows in a Redis that another program has written.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use waxseal_redis::RedisStore;
use waxseal_redis::redis::{self, Connection};
use waxseal_store::SessionStore;

use super::{MOMENT, ask, id, record, runtime};
use crate::target::Target;

/// The bytes of a row.
pub(crate) struct Rows {
    runtime: Runtime,
    store: RedisStore,
    other: Connection,
    /// As the store wrote it.
    row: Vec<u8>,
    _server: Server,
}

/// A server at a Unix socket, ended when it is dropped.
struct Server {
    process: Child,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("redis.sock");
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path());
        let process = command.stdout(Stdio::null()).spawn().expect("redis-server on the PATH");
        let server = Self { process, folder };
        while !socket.exists() {
            std::thread::yield_now();
        }
        server
    }

    fn socket(&self) -> String {
        self.folder.path().join("redis.sock").display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Rows {
    pub(crate) fn new() -> Self {
        let (server, runtime) = (Server::start(), runtime());
        let client =
            redis::Client::open(format!("redis+unix://{}", server.socket())).expect("a socket's URL");
        let mut other = client.get_connection().expect("a server that listens");
        let open = RedisStore::from_client(client).prefix("s:").open();
        let store = runtime.block_on(open).expect("a new server");
        let made = runtime.block_on(store.create(&id().key(), &record(b"sealed".to_vec()), MOMENT));
        assert!(made.is_ok(), "a new server has room: {made:?}");
        let row = redis::cmd("GET").arg(name()).query(&mut other).expect("the row that was made");
        Self { runtime, store, other, row, _server: server }
    }
}

/// The row's key: `waxseal-redis/src/keys.rs`.
fn name() -> String {
    format!("s:{{{}}}", id().key().public_id())
}

impl Target for Rows {
    fn seeds(&self) -> Vec<Vec<u8>> {
        vec![self.row.clone(), self.row[..100].to_vec(), Vec::new()]
    }

    fn read(&mut self, input: &[u8]) -> String {
        let written = redis::cmd("SET").arg(name()).arg(input).exec(&mut self.other);
        assert_eq!(written, Ok(()), "a new server has room");
        self.runtime.block_on(ask(&self.store, &id().key(), false))
    }
}
