//! Stores on a PostgreSQL of the test's own.
#![allow(dead_code, reason = "each test program uses a part")]

use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use store_tests::patient;
use store_tests::postgres::Cluster;
use waxseal_postgres::{PostgresOptions, PostgresStore};

/// Options for a schema that no other store has, and for a machine that has much else to do.
pub(crate) fn options(cluster: &Cluster) -> PostgresOptions {
    PostgresStore::options(&cluster.url("postgres")).schema(new_schema()).network(patient())
}

pub(crate) fn new_schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
