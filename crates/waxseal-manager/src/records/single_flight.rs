//! Single flight: requests that ask the same question at the same time share it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;

use waxseal_store::RecordKey;

/// Questions under way, each with the requests that wait for its answer.
pub(crate) struct SingleFlight<T>(Mutex<HashMap<RecordKey, Vec<oneshot::Sender<T>>>>);

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> SingleFlight<T> {
    /// Returns the answer of `ask`, or that of a question already under way for `key`, and whether this request asked.
    ///
    /// A request that joins gets the answer to a question that was sent before it came. That is enough for the
    /// freshness of a copy, which counts from the asking, but not for a request that has to see all earlier writes.
    pub(crate) async fn share<F: Future<Output = T>>(
        &self,
        key: &RecordKey,
        ask: impl FnOnce() -> F,
    ) -> (T, bool) {
        loop {
            let waiting = {
                let mut flights = self.lock();
                match flights.get_mut(key) {
                    None => {
                        flights.insert(*key, Vec::new());
                        break;
                    }
                    Some(waiters) => {
                        let (sender, waiting) = oneshot::channel();
                        waiters.push(sender);
                        waiting
                    }
                }
            };
            // If the request that asked was dropped, the next one asks.
            if let Ok(answer) = waiting.await {
                return (answer, false);
            }
        }
        let landing = Landing { flights: self, key };
        let answer = ask().await;
        for waiter in landing.take() {
            let _ = waiter.send(answer.clone());
        }
        (answer, true)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordKey, Vec<oneshot::Sender<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the question from the list, even if its future is dropped before it is done.
struct Landing<'a, T: Clone> {
    flights: &'a SingleFlight<T>,
    key: &'a RecordKey,
}

impl<T: Clone> Landing<'_, T> {
    fn take(&self) -> Vec<oneshot::Sender<T>> {
        self.flights.lock().remove(self.key).unwrap_or_default()
    }
}

impl<T: Clone> Drop for Landing<'_, T> {
    fn drop(&mut self) {
        // After an answer this finds nothing, or a question that was begun since; the requests that wait for that one
        // ask again.
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use super::*;
    use waxseal_store::SessionId;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn those_who_come_meanwhile_share_one_answer_and_a_lost_asker_is_replaced() {
        let (flights, key) = (SingleFlight::default(), SessionId::generate().unwrap().key());
        let asked = AtomicUsize::new(0);
        let (open, gate) = oneshot::channel::<()>();
        let ask = |gate: oneshot::Receiver<()>| {
            asked.fetch_add(1, Ordering::Relaxed);
            async move { gate.await.map_or(0, |()| 7) }
        };
        let (_held, never) = oneshot::channel();
        let mut lost = Box::pin(flights.share(&key, || ask(never)));
        let mut second = pin!(flights.share(&key, || ask(gate)));
        assert!(poll(lost.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        drop(lost);
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        let mut third = pin!(flights.share(&key, || async { unreachable!("it is on its way") }));
        assert!(poll(third.as_mut()).is_pending());
        open.send(()).unwrap();
        assert_eq!(poll(second.as_mut()), Poll::Ready((7, true)));
        assert_eq!(poll(third.as_mut()), Poll::Ready((7, false)));
        assert!(flights.lock().is_empty());
    }
}
