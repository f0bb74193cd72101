//! The requests that the session panel shows.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;

/// The most requests that are kept, of all sessions together.
const MAX_REMEMBERED: usize = 200;
/// The most requests that are shown of one session.
const MAX_SHOWN: usize = 5;

/// The last requests, kept in memory. Of changed entries it keeps the keys and no values.
#[derive(Default)]
pub(crate) struct PanelLog(Mutex<VecDeque<Trail>>);

/// The changes that one request made to its session.
#[derive(Clone)]
pub(crate) struct Trail {
    /// The public id of the session after the request; `None` if no session was left.
    pub(crate) session: Option<String>,
    pub(crate) request: String,
    pub(crate) status: StatusCode,
    pub(crate) at: u64,
    pub(crate) changes: Vec<String>,
    pub(crate) sent: String,
}

impl PanelLog {
    pub(crate) fn push(&self, trail: Trail) {
        let mut trails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trails.push_front(trail);
        trails.truncate(MAX_REMEMBERED);
    }

    /// The last requests of a session, the newest first.
    pub(crate) fn trails(&self, session: Option<&str>) -> Vec<Trail> {
        let trails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trails.iter().filter(|trail| trail.session.as_deref() == session).take(MAX_SHOWN).cloned().collect()
    }
}
