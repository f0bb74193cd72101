//! What tests of the list of state `cookie` share.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

mod holds;
mod meddler;

pub(crate) use holds::holds;
pub(crate) use meddler::{Meddler, Meddling};
