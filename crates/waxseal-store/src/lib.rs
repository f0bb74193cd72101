//! The session dictionary of Waxseal, and where its state lives.
//!
//! [`SessionManager`] turns *tokens*, text that a browser carries, into [`Session`]s and back. A [`Session`] is a
//! dictionary of typed values that stay encoded until asked for; what a request changes goes into a log, and a
//! request that changed nothing sends nothing.
//!
//! ```
//! use std::time::SystemTime;
//! use waxseal_crypto::{Keyring, SecretKey};
//! use waxseal_store::{Access, Outcome, SessionManager};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let keyring = Keyring::new(SecretKey::generate()?);
//! let sessions = SessionManager::cookie(&keyring, "__Host-session", "wizard")?;
//! let session = sessions.create();
//! session.insert("name", "Gandalf")?;
//! match sessions.commit(&session, SystemTime::now()).await? {
//!     Outcome::Set { token, .. } => assert!(sessions.open(token.as_bytes(), Access::Read, SystemTime::now()).is_ok()),
//!     _ => unreachable!("the session was changed"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Time is an argument everywhere, so expiry is a table test and not a sleep. How a token travels (cookies,
//! headers) is left to `waxseal-http`; how bytes are sealed, to `waxseal-crypto`.

mod active_keys;
mod any_store;
mod change;
mod content;
mod csrf;
mod entries;
mod error;
mod flash;
mod inspect;
mod lifetimes;
mod memory;
mod metadata;
#[cfg(feature = "network")]
pub mod network;
mod origin;
mod record;
mod revision;
mod revocations;
mod server;
mod session;
mod session_debug_view;
mod session_id;
mod sessions;
mod store;
pub mod testing;
mod timestamp;
mod value;
mod varint;
mod wide;
mod yield_once;

pub use entries::Value;
pub use error::{Error, Largest, Reason, Rejected, StoreError};
pub use flash::Flash;
pub use inspect::{Inspection, Parts};
pub use lifetimes::Lifetimes;
pub use memory::{MemoryError, MemoryStore};
#[cfg(feature = "network")]
pub use network::{NetworkOptions, Unavailable};
pub use record::{
    Creation, Cursor, Found, Lifespan, Listed, Page, Pointer, Record, RecordHead, Swap, Tombstone,
};
pub use revision::Revision;
pub use server::{Access, Maintenance, WhenAway};
pub use session::Session;
pub use session_debug_view::SessionDebugView;
pub use session_id::{InvalidPublicId, PublicId, RecordKey, SessionId};
pub use sessions::{Opened, Outcome, Pending, SessionManager, Snapshot};
pub use store::{Fault, SessionStore};
pub use timestamp::Timestamp;
pub use value::{MAX_DEPTH, ValueError};
/// What [`SessionManager`] are made of and [change](SessionManager::set_keyring).
pub use waxseal_crypto::Keyring;
