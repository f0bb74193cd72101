//! Sessions of another framework or of another state, each taken over once.

pub(crate) mod claims;
pub(crate) mod counts;
pub(crate) mod day;
pub(crate) mod foreign;
pub(crate) mod former;
pub(crate) mod refusal;
pub(crate) mod terms;
