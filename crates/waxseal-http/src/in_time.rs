//! Whether a request's session was loaded before the request's end.

use std::sync::atomic::{AtomicU8, Ordering};

const UNDECIDED: u8 = 0;
const IN_TIME: u8 = 1;
const LATE: u8 = 2;

/// Whether a session was loaded before its request's end. It is decided once, by whichever comes first, so that a session
/// is either committed or closed.
// Not a `OnceLock<bool>`: nobody waits for the decision, and to fill one takes five times as long.
#[derive(Debug, Default)]
pub(crate) struct InTime(AtomicU8);

impl InTime {
    /// Decides, unless it was decided before. Returns what holds.
    pub(crate) fn decide(&self, is_in_time: bool) -> bool {
        let decision = match self.0.load(Ordering::Acquire) {
            UNDECIDED => {
                let decision = if is_in_time { IN_TIME } else { LATE };
                let set = self.0.compare_exchange(UNDECIDED, decision, Ordering::AcqRel, Ordering::Acquire);
                set.map_or_else(|earlier| earlier, |_| decision)
            }
            decided => decided,
        };
        decision == IN_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_decision_holds() {
        for first in [true, false] {
            let in_time = InTime::default();
            assert_eq!(in_time.decide(first), first);
            assert_eq!(in_time.decide(!first), first);
        }
    }
}
