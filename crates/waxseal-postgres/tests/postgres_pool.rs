//! A store on the app's own pool, beside the app's own statements.
#![cfg(unix)]

mod support;

use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use store_tests::postgres::Cluster;
use store_tests::records::{NOW, load, new_key, record};
use support::{new_schema, patient};
use tokio_postgres::NoTls;
use waxseal_postgres::{PostgresError, PostgresOptions, PostgresStore, SynchronousCommit};
use waxseal_store::{Creation, NetworkOptions, SessionStore, Unavailable};

/// The pool of an app that has two connections.
fn pool(cluster: &Cluster) -> Pool {
    let config = cluster.url("postgres").parse().unwrap();
    Pool::builder(Manager::new(config, NoTls)).max_size(2).build().unwrap()
}

fn options(pool: &Pool) -> PostgresOptions {
    PostgresStore::from_pool(pool.clone()).schema(new_schema()).network(patient())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_the_app_share_connections_whose_settings_stay() {
    let cluster = Cluster::fast();
    let pool = pool(&cluster);
    let store = options(&pool).open().await.unwrap();
    let keys: Vec<_> = std::iter::repeat_with(new_key).take(20).collect();
    let creating = keys.iter().map(|key| {
        let (store, key) = (store.clone(), *key);
        tokio::spawn(async move { store.create(&key, &record(b"sealed"), NOW).await.unwrap() })
    });
    for created in creating.collect::<Vec<_>>() {
        assert_eq!(created.await.unwrap(), Creation::Created);
    }
    assert!(load(&store, &keys[7]).await.is_some());
    store.ready().await.unwrap();
    assert_eq!(pool.status().size, 2, "no others were made");
    for _ in 0..2 {
        let app = pool.get().await.unwrap();
        let row = app.query_one("SELECT current_setting('statement_timeout')", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pool_decides_is_checked_and_not_changed() {
    let cluster = Cluster::fast();
    let error = options(&pool(&cluster)).synchronous_commit(SynchronousCommit::On).open().await.unwrap_err();
    assert!(matches!(error, PostgresError::Durability { wanted: "on", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_isolation_level_is_refused_in_an_apps_pool_and_none_of_a_stores_own() {
    let cluster = Cluster::fast();
    cluster.sql("ALTER ROLE waxseal SET default_transaction_isolation = 'repeatable read'").await;
    let error = options(&pool(&cluster)).open().await.unwrap_err();
    assert!(matches!(&error, PostgresError::Isolation(found) if found == "repeatable read"), "{error}");
    support::options(&cluster).open().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_the_app_uses_up_or_closes_is_an_outage_in_time() {
    let cluster = Cluster::fast();
    let pool = pool(&cluster);
    let network = NetworkOptions::new().command_timeout(Duration::from_millis(800));
    let store = options(&pool).open().await.unwrap();
    let hurried = options(&pool).network(network).open().await.unwrap();
    {
        let _all = [pool.get().await.unwrap(), pool.get().await.unwrap()];
        let error = hurried.ready().await.unwrap_err();
        assert!(matches!(error, PostgresError::Unavailable(Unavailable::Timeout(_))), "{error}");
    }
    store.ready().await.unwrap();
    pool.close();
    let error = store.ready().await.unwrap_err();
    assert!(matches!(error, PostgresError::Broken(_)), "{error}");
}
