//! The list of state `cookie` on Redis.

#[path = "manager/holds.rs"]
mod holds;

use store_tests::redis::{Cluster, Server};
use store_tests::{patient, run};
use waxseal_redis::RedisStore;

fn holds_at(url: &str) {
    run(async {
        let open = || RedisStore::options(url).network(patient()).open();
        holds::holds([open().await.unwrap(), open().await.unwrap()]).await;
    });
}

#[test]
fn a_list_holds_on_one_server() {
    holds_at(&Server::start(&[]).url());
}

#[test]
fn a_list_holds_in_a_cluster() {
    holds_at(&Cluster::start(&[]).url());
}
