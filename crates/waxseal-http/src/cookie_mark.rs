//! The mark of an old app's cookie, kept in a session that is in step with that cookie.

use std::time::SystemTime;

use waxseal_manager::Foreign;
use waxseal_session::backend::CookieMark;

/// The mark of the cookie with this replay id.
pub(crate) fn mark(replay_id: &[u8; Foreign::REPLAY_ID_BYTES], signed_at: SystemTime) -> CookieMark {
    let signed_at = signed_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let id = u64::from_be_bytes(*replay_id.first_chunk().expect("a hash is longer than a number"));
    CookieMark { signed_at, id }
}
