//! PostgreSQL for the store's tests.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

#[path = "../servers/process.rs"]
mod process;
#[path = "../servers/postgres.rs"]
mod server;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::NoTls;
use waxseal_store::{NetworkOptions, PostgresOptions, PostgresStore};

pub(crate) use process::free_port;
pub(crate) use server::{Bouncer, Cluster, PASSWORD};

impl Cluster {
    /// Options for a schema that no other store has, and for a machine that has much else to do.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresStore::options(&self.url("postgres")).schema(new_schema()).network(patient())
    }

    /// Runs statements as the superuser and returns the first column of the rows.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<String> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        driver.abort();
        let mut values = Vec::new();
        for message in messages {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                values.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        values
    }
}

/// Nothing is to fail for being slow.
pub(crate) fn patient() -> NetworkOptions {
    let long = Duration::from_secs(30);
    NetworkOptions::new().connect_timeout(long).command_timeout(long)
}

pub(crate) fn new_schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
