//! State `cookie` with a list of revoked sessions, which a store keeps.

pub(crate) mod adopt;
pub(crate) mod entry;
pub(crate) mod epoch;
pub(crate) mod epochs;
pub(crate) mod list;
pub(crate) mod question;
