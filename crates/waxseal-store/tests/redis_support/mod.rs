//! Real Redis servers, on free loopback ports, in temporary folders, gone with the test.
#![allow(dead_code, reason = "each test program uses a part")]

#[path = "../servers/process.rs"]
mod process;
pub(crate) mod proxy;
#[path = "../servers/redis.rs"]
mod server;

use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue};

pub(crate) use process::free_port;
use server::PATIENCE;
pub(crate) use server::Server;

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
    /// Asks the server directly, past the store.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &mut Cmd) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(2)).unwrap();
        command.query(&mut connection).unwrap()
    }

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

/// Runs a test on several threads.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
