//! The conformance suite on the PostgreSQL store: each case's two handles are two stores on one schema, as two
//! processes would have them.
#![cfg(unix)]

mod support;

use store_tests::postgres::{Bouncer, Cluster};
use support::{new_schema, patient};
use waxseal_postgres::{Pooler, PostgresStore};
use waxseal_store::testing::Conformance;

async fn conforms(url: &str, pooler: Pooler) {
    let suite = Conformance::new().spawn_with(|task| drop(tokio::spawn(task)));
    suite
        .run(async || {
            let options = PostgresStore::options(url).schema(new_schema()).network(patient()).pooler(pooler);
            [options.clone().open().await.unwrap(), options.open().await.unwrap()]
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_conforms() {
    let cluster = Cluster::fast();
    conforms(&cluster.url("postgres"), Pooler::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_conforms_behind_pgbouncer_in_transaction_mode() {
    let cluster = Cluster::fast();
    match Bouncer::start(&cluster) {
        Some(bouncer) => conforms(&cluster.url_at(bouncer.port, "postgres"), Pooler::Transaction).await,
        // The same statements without names, without what stands between.
        None => conforms(&cluster.url("postgres"), Pooler::Transaction).await,
    }
}
