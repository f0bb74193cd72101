//! The conformance suite on Redis: each case's two handles are two stores, as two processes would have them, with keys
//! of the case's own.

use std::sync::atomic::{AtomicUsize, Ordering};

use store_tests::redis::{Cluster, Server};
use store_tests::{patient, run};
use waxseal_redis::{RedisOptions, RedisStore};
use waxseal_store::testing::Conformance;

fn conforms(options: &RedisOptions) {
    let case = AtomicUsize::new(0);
    run(Conformance::new().spawn_with(|task| drop(tokio::spawn(task))).run(async || {
        let prefix = format!("case{}:", case.fetch_add(1, Ordering::Relaxed));
        let open = || options.clone().network(patient()).prefix(&prefix).open();
        [open().await.unwrap(), open().await.unwrap()]
    }));
}

#[test]
fn one_server_conforms() {
    let server = Server::start(&[]);
    conforms(&RedisStore::options(&server.url()));
}

#[test]
fn a_cluster_conforms() {
    let cluster = Cluster::start(&[]);
    conforms(&RedisStore::options(&cluster.url()));
}

#[test]
fn a_client_of_the_apps_conforms_by_the_newer_protocol() {
    let server = Server::start(&[]);
    let client = redis::Client::open(format!("{}?protocol=resp3", server.url())).unwrap();
    conforms(&RedisStore::from_client(client));
}
