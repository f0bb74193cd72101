#![doc = include_str!("../README.md")]

mod error;
mod key_value;
mod keys;
mod row;
mod rows;
mod skipped;
mod store;

pub use error::KeyValueError;
pub use key_value::{KeyAndValue, KeyValue};
pub use keys::SESSION_PREFIX;
pub use store::KeyValueStore;
