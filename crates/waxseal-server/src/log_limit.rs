//! Limits lines of the log that clients can cause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

/// Allows one line a minute, and counts the events that it represents.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    events: u64,
    logged: Option<Instant>,
}

impl LogLimit {
    /// Notes an event. If a line is due, returns the number of events since the last one.
    pub(crate) fn note(&self) -> Option<u64> {
        // Nothing panics while the lock is held.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.events += 1;
        let now = Instant::now();
        if state.logged.is_some_and(|logged| now.duration_since(logged) < INTERVAL) {
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_says_how_many_events_there_were() {
        let limit = LogLimit::default();
        let lines: Vec<_> = (0..100).map(|_| limit.note()).collect();
        assert_eq!((lines[0], lines.iter().flatten().count()), (Some(1), 1));
        tokio::time::advance(INTERVAL).await;
        assert_eq!([limit.note(), limit.note()], [Some(100), None]);
    }
}
