#![doc = include_str!("../README.md")]

mod address;
mod columns;
mod connection;
mod durability;
mod error;
mod hosts;
mod options;
mod parameters;
mod pool;
mod rows;
mod schema;
mod statements;
mod store;
mod usage;

pub use address::Address;
pub use durability::{PostgresPromise, SynchronousCommit};
pub use error::PostgresError;
pub use options::{Pooler, PostgresOptions};
pub use store::PostgresStore;

/// The crate whose pool [`PostgresStore::from_pool`] takes.
pub use deadpool_postgres;
