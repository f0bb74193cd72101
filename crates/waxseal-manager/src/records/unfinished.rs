//! The retry queue: ends of sessions of which a store could not be told yet.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use waxseal_store::{Fault, RecordKey, Timestamp};

use crate::store_error::StoreError;

/// The most ends in one round, so that no call waits behind a million of them.
const MAX_ENDS_IN_A_ROUND: usize = 10_000;
/// How many ends the store may refuse in one round, before the rest waits for the next round.
const MAX_REFUSED: usize = 4;
/// How many ends in a row may fail as outages, before the rest waits for the next round. A part of the store may be away
/// for long, and its share of the ends must not hold up the others.
const MAX_OUTAGES_IN_A_ROW: usize = 16;

/// Sessions that were ended while their store was unavailable, in any state. This process refuses them until the store
/// was told. Each has the details that its state needs for that; of two ends under the same key the greater counts.
///
/// No end is forgotten. The queue is therefore bounded, and a sign-out fails when it is full: an error is better than a
/// copy that opens again.
pub(crate) struct Unfinished<T = Timestamp> {
    queue: Mutex<Queue<T>>,
    /// How many ends wait. Changed under the lock, and read without it by each request: nearly always none does.
    waiting: AtomicUsize,
    most: usize,
}

struct Queue<T> {
    ends: BTreeMap<RecordKey, T>,
    /// The position at which the last round stopped.
    after: Option<RecordKey>,
}

impl<T: Copy + Ord> Unfinished<T> {
    /// Makes an empty queue with room for `most` ends.
    pub(crate) fn new(most: usize) -> Self {
        let queue = Mutex::new(Queue { ends: BTreeMap::new(), after: None });
        Self { queue, waiting: AtomicUsize::new(0), most }
    }

    /// Checks whether a key is in the queue. `key` is called only if the queue is not empty.
    pub(crate) fn has(&self, key: impl FnOnce() -> RecordKey) -> bool {
        self.get(key).is_some()
    }

    /// The details of the end that waits under a key. `key` is called only if the queue is not empty.
    pub(crate) fn get(&self, key: impl FnOnce() -> RecordKey) -> Option<T> {
        if self.len() == 0 { None } else { self.lock().ends.get(&key()).copied() }
    }

    /// How many ends wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Adds an end. Returns `false` if there is no room.
    #[must_use]
    pub(crate) fn add(&self, key: RecordKey, detail: T) -> bool {
        let mut queue = self.lock();
        let has_room = queue.ends.len() < self.most || queue.ends.contains_key(&key);
        if has_room {
            let waiting = queue.ends.entry(key).or_insert(detail);
            *waiting = detail.max(*waiting);
            self.waiting.store(queue.ends.len(), Ordering::Release);
        }
        has_room
    }

    /// Tells the store of each end with `tell`, which returns whether that was final. Returns how many are left.
    ///
    /// A round continues where the last one stopped, so that an end that the store refuses does not delay the others.
    pub(crate) async fn finish<F>(&self, tell: impl Fn(RecordKey, T) -> F) -> Result<usize, StoreError>
    where
        F: Future<Output = Result<bool, StoreError>>,
    {
        let (mut refused, mut outages, mut failed) = (0, 0, None);
        for (key, detail) in self.round() {
            self.lock().after = Some(key);
            let told = tell(key, detail).await;
            outages = if told.is_err() { outages } else { 0 };
            match told {
                Ok(true) => self.remove(&key, detail),
                Ok(false) => {}
                Err(error) if matches!(error.fault(), Fault::Outage | Fault::Unconfirmed) => {
                    outages += 1;
                    if outages == MAX_OUTAGES_IN_A_ROW {
                        break;
                    }
                }
                Err(error) => {
                    failed = Some(error);
                    refused += 1;
                    if refused == MAX_REFUSED {
                        break;
                    }
                }
            }
        }
        failed.map_or_else(|| Ok(self.len()), Err)
    }

    /// Removes an end of which the store was told, unless a greater one came meanwhile.
    fn remove(&self, key: &RecordKey, told: T) {
        let mut queue = self.lock();
        if queue.ends.get(key) == Some(&told) {
            queue.ends.remove(key);
            self.waiting.store(queue.ends.len(), Ordering::Release);
        }
    }

    fn round(&self) -> Vec<(RecordKey, T)> {
        let queue = self.lock();
        let later = queue.ends.range((queue.after.map_or(Unbounded, Excluded), Unbounded));
        let earlier = queue.after.map(|after| queue.ends.range((Unbounded, Included(after))));
        let all = later.chain(earlier.into_iter().flatten());
        all.take(MAX_ENDS_IN_A_ROUND).map(|(key, detail)| (*key, *detail)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use waxseal_store::PublicId;

    #[derive(Debug, thiserror::Error)]
    #[error("told to")]
    struct Told;

    fn key(number: u8) -> RecordKey {
        RecordKey::new(PublicId::from_bytes([number; 8]), [number; 32])
    }

    fn queue(numbers: std::ops::Range<u8>) -> Unfinished {
        let unfinished = Unfinished::new(1_000);
        assert!(numbers.into_iter().all(|number| unfinished.add(key(number), Timestamp::MAX)));
        unfinished
    }

    fn finish(
        unfinished: &Unfinished,
        tell: impl Fn(RecordKey) -> Result<bool, Fault>,
    ) -> Result<usize, Fault> {
        let tell = |key, _| {
            let told = tell(key).map_err(|fault| StoreError::new(fault, Told));
            async { told }
        };
        match pin!(unfinished.finish(tell)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(left) => left.map_err(|error| error.fault()),
            Poll::Pending => unreachable!("nothing waits"),
        }
    }

    #[test]
    fn a_full_queue_refuses_and_forgets_nothing() {
        let unfinished = Unfinished::new(2);
        assert!(unfinished.add(key(1), Timestamp::MAX) && unfinished.add(key(2), Timestamp::MAX));
        assert!(!unfinished.add(key(3), Timestamp::MAX));
        assert!(unfinished.add(key(1), Timestamp::MAX), "it is there already");
        assert!(unfinished.has(|| key(1)) && unfinished.has(|| key(2)) && !unfinished.has(|| key(3)));
    }

    #[test]
    fn of_two_ends_under_one_key_the_greater_is_told_also_if_it_comes_while_the_other_is() {
        let times = [1, 3, 2].map(Timestamp::from_millis);
        let unfinished = Unfinished::new(1);
        assert!(times.iter().all(|time| unfinished.add(key(1), *time)));
        assert_eq!(unfinished.get(|| key(1)), Some(times[1]));
        let later = |_| Ok(unfinished.add(key(1), Timestamp::MAX));
        assert_eq!(finish(&unfinished, later), Ok(1));
        assert_eq!(unfinished.round(), [(key(1), Timestamp::MAX)]);
        assert_eq!(finish(&unfinished, |_| Ok(true)), Ok(0));
    }

    #[test]
    fn what_the_store_refuses_holds_up_no_other() {
        for fault in [Fault::Full, Fault::Defect] {
            let unfinished = queue(0..100);
            let left = finish(&unfinished, |told| if told == key(0) { Err(fault) } else { Ok(true) });
            assert_eq!(left, Err(fault));
            assert_eq!(unfinished.round(), [(key(0), Timestamp::MAX)], "{fault:?}");
            assert_eq!(finish(&unfinished, |_| Ok(true)), Ok(0));
        }
    }

    #[test]
    fn rounds_go_on_where_the_last_one_stopped() {
        let unfinished = queue(0..100);
        // Refusals alone end a round, so that a full store is not asked a million times a second.
        let told = RefCell::new(Vec::new());
        let refuse = |key| {
            told.borrow_mut().push(key);
            Err(Fault::Full)
        };
        assert_eq!(finish(&unfinished, refuse), Err(Fault::Full));
        assert_eq!(finish(&unfinished, refuse), Err(Fault::Full));
        assert_eq!(told.take(), (0..2 * MAX_REFUSED as u8).map(key).collect::<Vec<_>>());
    }

    #[test]
    fn a_part_of_the_store_that_is_away_holds_up_no_other() {
        for fault in [Fault::Outage, Fault::Unconfirmed] {
            let unfinished = queue(0..100);
            let told = RefCell::new(0);
            // Of a cluster's three parts one is back.
            let away = |key: RecordKey| {
                *told.borrow_mut() += 1;
                if key.hash()[0].is_multiple_of(3) { Ok(true) } else { Err(fault) }
            };
            assert_eq!(finish(&unfinished, away), Ok(66), "{fault:?}: in one round");
            assert_eq!(told.take(), 100);
            // While none answers, a round is short, and the next one continues where it stopped.
            let keys = RefCell::new(Vec::new());
            let none = |key| {
                keys.borrow_mut().push(key);
                Err(fault)
            };
            assert_eq!(finish(&unfinished, none), Ok(66));
            assert_eq!(finish(&unfinished, none), Ok(66));
            let left: Vec<_> = (0..100).filter(|number| number % 3 != 0).map(key).collect();
            assert_eq!(keys.take(), left[..2 * MAX_OUTAGES_IN_A_ROW], "{fault:?}");
            assert_eq!(finish(&unfinished, |_| Ok(true)), Ok(0));
        }
    }
}
