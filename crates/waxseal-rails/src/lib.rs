#![doc = include_str!("../README.md")]

mod cookie;
mod envelope;
mod error;
mod expiry;
mod key;

pub use cookie::{RailsCookie, RailsSession};
pub use error::{Error, Undecodable};
pub use key::{RailsDigest, RailsKey};
