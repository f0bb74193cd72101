#![doc = include_str!("../README.md")]

mod cookie;
mod error;
mod secret;
mod timestamp;

pub use cookie::{DjangoCookie, DjangoSession};
pub use error::{Error, Undecodable};
