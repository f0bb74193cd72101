//! What a request finds out about the foreign sessions that it brought.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use crate::foreign_cookies::ForeignCookies;
use crate::side_by_side::Beside;

/// What one request finds out about foreign sessions, if its layer migrates from another app.
#[derive(Default)]
pub(crate) struct ForeignFindings {
    /// The foreign cookies, once they have been read.
    pub(crate) cookies: OnceLock<ForeignCookies>,
    /// The foreign sessions in a store, if they were loaded after the others.
    pub(crate) stored: OnceLock<ForeignCookies>,
    /// `true` if all stores of foreign sessions were asked.
    pub(crate) has_asked: AtomicBool,
    /// The session as it was loaded, for an old app that shares its sign-in.
    pub(crate) beside: OnceLock<Beside>,
    /// `true` if the foreign session was to be taken over, because no token of this app is valid.
    pub(crate) was_tried: AtomicBool,
}
