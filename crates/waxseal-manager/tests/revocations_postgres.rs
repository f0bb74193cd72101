//! The list of state `cookie` on PostgreSQL.
#![cfg(unix)]

#[path = "manager/holds.rs"]
mod holds;

use std::time::Duration;

use store_tests::postgres::Cluster;
use waxseal_postgres::PostgresStore;
use waxseal_store::NetworkOptions;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_holds() {
    let cluster = Cluster::fast();
    // Nothing is to fail for being slow.
    let long = Duration::from_secs(30);
    let network = NetworkOptions::new().connect_timeout(long).command_timeout(long);
    let options = PostgresStore::options(&cluster.url("postgres")).network(network);
    let stores = [options.clone().open().await.unwrap(), options.open().await.unwrap()];
    holds::holds(stores).await;
}
