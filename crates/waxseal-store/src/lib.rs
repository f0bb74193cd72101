#![doc = include_str!("../README.md")]

mod answers;
mod fault;
mod memory;
#[cfg(feature = "network")]
pub mod network;
mod promise;
mod record;
mod revision;
mod session_id;
mod store;
pub mod testing;
mod timestamp;
pub mod url_value;
mod usage;
mod yield_once;

pub use answers::Answers;
pub use fault::Fault;
pub use memory::{MemoryError, MemoryStore};
#[cfg(feature = "network")]
pub use network::{NetworkOptions, Unavailable};
pub use promise::Promise;
pub use record::{Creation, Cursor, Found, Lifespan, Listed, Page, Record, RecordHead, Swap};
pub use revision::Revision;
pub use session_id::{PublicId, RecordKey, SessionId};
pub use store::SessionStore;
pub use timestamp::Timestamp;
pub use usage::Usage;
pub use yield_once::yield_once;
