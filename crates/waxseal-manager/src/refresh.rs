//! Intervals at which activity is noted and tokens are sealed anew.

/// The age in seconds at which a token that an old key sealed is sealed anew. A key that was just promoted elsewhere
/// must not make two servers reseal each other's copies.
pub(crate) const RESEAL_AFTER_SECONDS: u64 = 60;

/// Activity is noted when a twentieth of the idle time has passed since the last seal, and at least a minute.
const REFRESH_SHARE: u64 = 20;
const REFRESH_AFTER_SECONDS: u64 = 60;

/// Seconds after which activity is noted anew. At most half of the idle time, or a very short one would run out while
/// the visitor is active.
pub(crate) fn refresh_after(idle: u32) -> u64 {
    let idle = u64::from(idle);
    (idle / REFRESH_SHARE).max(REFRESH_AFTER_SECONDS.min(idle / 2))
}
