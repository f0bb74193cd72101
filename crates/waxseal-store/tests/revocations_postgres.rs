//! The list of state `cookie` on PostgreSQL.
#![cfg(unix)]

mod list_support;
mod postgres_support;

use postgres_support::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_holds() {
    let cluster = Cluster::fast();
    let options = cluster.options();
    let stores = [options.clone().open().await.unwrap(), options.open().await.unwrap()];
    list_support::holds(stores).await;
}
