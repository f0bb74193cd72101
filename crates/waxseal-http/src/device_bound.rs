//! Device-bound sessions: a stolen cookie is useless without the device that it was given to.

mod answers;
pub(crate) mod bound;
pub(crate) mod device;
pub(crate) mod endpoint;
pub(crate) mod gate;
pub(crate) mod metrics;
pub(crate) mod offering;
pub(crate) mod policy;
pub(crate) mod recent_offers;
pub(crate) mod refresh;
pub(crate) mod registration;
pub(crate) mod settings;
pub(crate) mod tokens;
