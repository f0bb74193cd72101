//! The conformance suite on Redis: each case's two handles are two stores, as two processes would have them, with keys
//! of the case's own.

use std::sync::atomic::{AtomicUsize, Ordering};

use store_tests::redis::{Cluster, Server};
use store_tests::run;
use waxseal_redis::RedisStore;
use waxseal_store::testing::Conformance;

fn conforms(url: &str) {
    let case = AtomicUsize::new(0);
    run(Conformance::new().spawn_with(|task| drop(tokio::spawn(task))).run(async || {
        let prefix = format!("case{}:", case.fetch_add(1, Ordering::Relaxed));
        let open = || RedisStore::options(url).prefix(&prefix).open();
        [open().await.unwrap(), open().await.unwrap()]
    }));
}

#[test]
fn one_server_conforms() {
    conforms(&Server::start(&[]).url());
}

#[test]
fn a_cluster_conforms() {
    conforms(&Cluster::start(&[]).url());
}
