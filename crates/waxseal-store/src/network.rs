//! What every store across a network needs: limits, repeats, and a breaker.

mod breaker;
mod call_policy;
mod options;
mod unavailable;

pub(crate) use self::breaker::{Breaker, Passage};
pub(crate) use self::call_policy::{Failure, Guard, Repeat};
pub use self::options::NetworkOptions;
pub use self::unavailable::Unavailable;
