//! The migration that is set on an app.

use waxseal_http::ForeignSessions;
use waxseal_manager::Adoption;

/// The readers of old cookies, and the terms on which their sessions are taken over.
pub(crate) struct Migration {
    pub(crate) terms: Adoption,
    pub(crate) readers: Vec<Box<dyn ForeignSessions>>,
}
