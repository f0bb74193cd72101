//! What every store across a network needs: limits, repeats, and a breaker.

mod breaker;
mod guard;
mod options;
mod unavailable;

pub(crate) use self::breaker::{Breaker, Passage};
pub(crate) use self::guard::{Failure, Guard, Repeat};
pub use self::options::NetworkOptions;
pub use self::unavailable::Unavailable;
