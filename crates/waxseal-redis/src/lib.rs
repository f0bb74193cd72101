#![doc = include_str!("../README.md")]

mod address;
mod bond;
mod commands;
mod error;
mod host;
mod keys;
mod last_owners;
mod node;
mod options;
mod parameters;
mod permissions;
mod refusal;
mod router;
mod row;
mod rows;
mod script;
mod sentinels;
mod slots;
mod startup;
mod store;
mod walk;

pub use error::RedisError;
pub use options::{RedisDurability, RedisOptions};
pub use store::RedisStore;

/// The crate whose client [`RedisStore::from_client`] takes.
pub use redis;
