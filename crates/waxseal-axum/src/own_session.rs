//! One of a visitor's own sessions, for a list.

use std::time::SystemTime;

use serde::Serialize;
use waxseal_store::Listed;

/// One of the visitor's own sessions, for a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnSession {
    /// The public session id, for [`Session::end_session`](crate::Session::end_session). It cannot be used to sign in.
    pub public_id: String,
    /// The browser and its system, such as "Firefox on Linux".
    pub device: String,
    /// When the session was created.
    pub created: SystemTime,
    /// When the session was last used. It may be late by a twentieth of the idle lifetime.
    pub last_seen: SystemTime,
    /// `true` for the session of this request.
    pub current: bool,
    /// When the session of this request was bound to its device. `None` if it is not bound, and for every other
    /// session, because their records keep this sealed.
    #[cfg(feature = "device")]
    pub bound_since: Option<SystemTime>,
}

impl OwnSession {
    pub(crate) fn new(
        listed: Listed,
        current: Option<&str>,
        #[cfg(feature = "device")] bound_since: Option<SystemTime>,
    ) -> Self {
        let public_id = listed.public_id.to_string();
        let current = Some(&*public_id) == current;
        Self {
            current,
            #[cfg(feature = "device")]
            bound_since: bound_since.filter(|_| current),
            public_id,
            device: listed.device,
            created: listed.life.created.into(),
            last_seen: listed.life.last_seen.into(),
        }
    }
}
