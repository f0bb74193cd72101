#![doc = include_str!("../README.md")]

mod cookie;
mod date;
mod digest;
mod error;
mod inflate;
mod json;
mod key;
mod limits;
pub mod login;
mod msgpack;
pub mod records;
mod replay;
mod session;
mod signing;
mod tags;
mod unverified;
mod value;

pub use cookie::FlaskCookie;
pub use date::DateTime;
pub use digest::Digest;
pub use error::{Error, Undecodable};
pub use json::read_json;
pub use key::FlaskKey;
pub use limits::{LIFETIME_SECONDS, MAX_COOKIE_BYTES};
pub use replay::ReplayId;
pub use session::{FLASHES, Flash, FlaskSession, PERMANENT, flashes, is_permanent};
pub use signing::{Derivation, Signing};
pub use unverified::Unverified;
pub use value::{Dict, Value, uuid_text};
