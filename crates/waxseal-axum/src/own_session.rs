//! One of a visitor's own sessions, for a list.

use std::time::SystemTime;

use serde::Serialize;
use waxseal_store::Listed;

/// One of the visitor's own sessions, for a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnSession {
    /// The public id, for [`Session::end_session`](crate::Session::end_session). It signs nobody in.
    pub public_id: String,
    /// The browser and its system, such as "Firefox on Linux".
    pub device: String,
    /// The time of its creation.
    pub created: SystemTime,
    /// The time of its last use, with a precision of a twentieth of its idle lifetime.
    pub last_seen: SystemTime,
    /// `true` for the session of this request.
    pub current: bool,
    /// The time since which the session of this request is bound to its device. `None` if it is not, and for every other
    /// session, whose record says so only inside of its seal.
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
