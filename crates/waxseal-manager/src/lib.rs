#![doc = include_str!("../README.md")]

mod access;
mod active_keys;
mod adopt;
mod adoption;
mod any_store;
mod capacities;
mod claim;
mod commit;
mod confirmed;
mod cookie_state;
mod device_gate;
mod device_tokens;
mod due;
mod end_reason;
mod error;
mod events;
mod former_token;
mod gated;
mod inspect;
mod lifetimes;
mod maintenance;
mod maintenance_report;
mod manager;
mod open;
mod origin;
mod outcome;
mod owners;
mod records;
mod refresh;
mod rejected;
mod revocable;
mod revocations;
mod state;
mod store_error;
mod store_metrics;
mod visit;
mod watch;
mod watching;

pub use access::{Access, WhenAway};
pub use adoption::{foreign::Foreign, former::FormerState, refusal::ForeignRefusal, terms::Adoption};
pub use device_gate::{DeviceGate, DeviceQuestion, DeviceVerdict};
pub use device_tokens::{DevicePurpose, DeviceTokens};
pub use end_reason::EndReason;
pub use error::Error;
pub use inspect::{Inspection, Parts};
pub use lifetimes::Lifetimes;
pub use maintenance_report::Maintenance;
pub use manager::SessionManager;
pub use open::{Opened, Pending, Snapshot};
pub use outcome::Outcome;
pub use rejected::{Reason, Rejected};
pub use state::{Mirrored, Revocable, State, Stored};
pub use store_error::StoreError;
pub use visit::Visit;
pub use watch::Watch;

/// The keys with which a manager is made, and which it can [change](SessionManager::set_keyring).
pub use waxseal_crypto::Keyring;
pub use waxseal_session::{self as session, Session, backend::AtOnce};
/// The id by which a manager [ends](SessionManager::end) one session of an owner.
pub use waxseal_store::PublicId;
