#![doc = include_str!("../README.md")]

mod error;
mod file;
mod identity;
mod job;
mod log;
mod options;
mod readers;
mod rows;
mod schema;
mod store;
mod usage;
mod writer;

pub use error::SqliteError;
pub use options::{SqliteDurability, SqliteOptions};
pub use store::SqliteStore;
