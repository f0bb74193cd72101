//! What the store tells of the space that its records take.
#![cfg(unix)]

mod support;

use store_tests::postgres::Cluster;
use store_tests::records::{NOW, new_key, record};
use waxseal_postgres::PostgresStore;
use waxseal_store::{Creation, SessionStore, Usage};

#[tokio::test(flavor = "multi_thread")]
async fn a_few_records_are_counted_and_many_are_estimated() {
    const MANY: u64 = 100_000;
    let cluster = Cluster::fast();
    let url = format!("{}&schema=counted", cluster.url("postgres"));
    let store = PostgresStore::options(&url).network(support::patient()).open().await.unwrap();
    for count in 0..3 {
        assert_eq!(store.usage().await.unwrap(), Usage::default().records(count));
        assert_eq!(store.create(&new_key(), &record(b"sealed"), NOW).await.unwrap(), Creation::Created);
    }
    let fill = format!(
        "INSERT INTO counted.sessions (public_id, expires, absolute_end, created, last_seen, generation, kid, hash, \
         revision, device, sealed) SELECT ('x' || substr(md5(n::text), 1, 16))::bit(64)::bigint, 9, 9, 1, 1, 0, 1, \
         '', '', '', '' FROM generate_series(1, {MANY}) n"
    );
    cluster.sql(&fill).await;
    let found = store.usage().await.unwrap().records.unwrap();
    // Five standard deviations.
    assert!(found.abs_diff(MANY) < MANY * 8 / 100, "{found}");
}
