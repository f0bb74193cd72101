//! Whole seconds since 1970, the time unit of the sealed format.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Converts to seconds. A time before 1970 becomes 1970.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Converts from seconds. A time that the system cannot represent becomes 1970.
pub(crate) fn system_time(unix_seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds)).unwrap_or(UNIX_EPOCH)
}
