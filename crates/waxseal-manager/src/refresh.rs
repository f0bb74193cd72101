//! The intervals at which activity is noted and tokens are sealed anew.

/// The age at which a token is sealed anew if an old key sealed it, in seconds. If a key was just promoted on one of
/// two servers, they must not keep resealing each other's copies.
pub(crate) const RESEAL_AFTER_SECONDS: u64 = 60;

/// Activity is noted when a twentieth of the idle time has passed since the last seal, and at least a minute.
const REFRESH_SHARE: u64 = 20;
const REFRESH_AFTER_SECONDS: u64 = 60;

/// The seconds after which activity is noted again. At most half of the idle time, because otherwise a very short idle
/// time would run out while the visitor is active.
pub(crate) fn refresh_after(idle: u32) -> u64 {
    let idle = u64::from(idle);
    (idle / REFRESH_SHARE).max(REFRESH_AFTER_SECONDS.min(idle / 2))
}
