//! The clock: that of the system, or that of a test.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Tells the time. It is the system's clock, unless a test sets its own so that it does not have to sleep.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use waxseal_http::Clock;
///
/// let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(43_200);
/// assert_eq!(Clock::from_fn(move || noon).now(), noon);
/// ```
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that calls `now` each time.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(SystemTime::now, |now| now())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn clones_share_a_time_that_a_test_moves() {
        let seconds = Arc::new(AtomicU64::new(0));
        let hand = Arc::clone(&seconds);
        let clock = Clock::from_fn(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(hand.load(Ordering::Relaxed))
        });
        let copy = clock.clone();
        seconds.store(90, Ordering::Relaxed);
        assert_eq!(copy.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(90));
        assert_eq!(clock.now(), copy.now());
    }

    #[test]
    fn the_default_clock_moves_with_the_system() {
        let before = SystemTime::now();
        assert!(Clock::default().now() >= before);
    }
}
