#![doc = include_str!("../README.md")]

mod binding;
mod cookies;
mod device_key;
mod device_state;
mod error;
mod instructions;
mod jws;
mod offer;
mod proof;
mod public_key;
mod reason;
mod refresh;
mod registration;
mod series;
mod skipped;
mod terms;
mod text;
mod tokens;

#[cfg(test)]
mod testing;

pub use binding::{Binding, Fingerprint};
pub use device_key::DeviceKey;
pub use device_state::DeviceState;
pub use error::Error;
pub use offer::Offer;
pub use proof::Proof;
pub use public_key::PublicKey;
pub use reason::Reason;
pub use refresh::{Refresh, Refreshed, SessionSeen};
pub use registration::{Registered, Registration};
pub use series::Series;
pub use skipped::SkipReason;
pub use terms::Terms;
pub use tokens::{Purpose, Tokens};
