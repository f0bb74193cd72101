//! The offers that this process has made within the last minute, after sign-ins.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use waxseal_device::Series;

/// The time in which parallel requests may come with the same token, in seconds. A second offer is made no sooner.
const RECENT_SECONDS: u64 = 60;
/// The most sign-ins that are remembered. Beyond that, parallel responses may each make an offer.
const CAPACITY: usize = 4_096;

/// The sign-ins for which an offer was made within the last minute. Where the session is in its cookie, nothing else
/// keeps parallel responses from making one each, and browsers make few signatures.
#[derive(Debug, Default)]
pub(crate) struct RecentOffers(Mutex<HashMap<Series, u64>>);

impl RecentOffers {
    /// Returns `true` if no offer of this series was made within the last minute, and notes that one is made now.
    pub(crate) fn begin(&self, series: Series, now: u64) -> bool {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: &u64| at.abs_diff(now) < RECENT_SECONDS;
        if recent.get(&series).is_some_and(is_recent) {
            return false;
        }
        if recent.len() >= CAPACITY {
            recent.retain(|_, at| is_recent(at));
        }
        if recent.len() < CAPACITY {
            recent.insert(series, now);
        }
        true
    }

    /// Forgets an offer that was not made after all.
    pub(crate) fn take_back(&self, series: Series) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&series);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(number: usize) -> Series {
        let mut bytes = [0; Series::BYTES];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Series::from_bytes(bytes)
    }

    #[test]
    fn one_offer_is_made_in_a_minute_or_until_it_is_taken_back() {
        let recent = RecentOffers::default();
        assert!(recent.begin(series(1), 100) && recent.begin(series(2), 100));
        assert!(!recent.begin(series(1), 159) && !recent.begin(series(1), 41));
        assert!(recent.begin(series(1), 160));
        recent.take_back(series(1));
        assert!(recent.begin(series(1), 161));
    }

    #[test]
    fn more_sign_ins_than_are_remembered_take_no_more_room_and_get_their_offers() {
        let recent = RecentOffers::default();
        for number in 0..CAPACITY + 10 {
            assert!(recent.begin(series(number), 100));
        }
        assert_eq!(recent.0.lock().unwrap().len(), CAPACITY);
        assert!(recent.begin(series(1), 160) && !recent.begin(series(1), 161));
        assert_eq!(recent.0.lock().unwrap().len(), 1);
    }
}
