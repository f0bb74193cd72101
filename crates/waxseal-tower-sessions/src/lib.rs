#![doc = include_str!("../README.md")]

mod error;
mod sealed_store;
mod tower_sessions;

pub use error::Error;
pub use sealed_store::SealedStore;
pub use tower_sessions::TowerSessions;
