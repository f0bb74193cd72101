//! Turns: requests of this process that save the same session at the same time do so one after the other.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_channel::oneshot;
use waxseal_session::backend::Content;
use waxseal_store::{PublicId, RecordKey, Revision};

use crate::confirmed::Confirmed;

/// A power of two, so that the first byte of the public session id spreads sessions evenly.
const SHARDS: usize = 64;
/// The longest wait for a turn. After that, a save goes on without its turn.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(2);

/// The sessions that requests of this process are about to change, each with the line of its requests.
///
/// Turns only avoid work. What counts is the store's compare-and-swap, in which other processes take part, too.
///
/// A request has its [`Place`] from before it loads the session until it has saved it. So the line knows every request
/// that may have seen an older version, and each save leaves the version that it wrote to those requests. A lock around
/// the writes alone would not be enough: with a store that never waits, such as the one in memory, saves do not
/// overlap, and still all but the first of the requests that loaded the same version would send a write that fails,
/// load again, and write again.
///
/// A line is dropped with its last place, and the version with it: nothing is kept for later requests.
pub(crate) struct Turns {
    shards: Box<[Mutex<HashMap<PublicId, Line>>]>,
}

/// The requests of this process that are about to change one session.
#[derive(Default)]
struct Line {
    places: usize,
    /// `true` if a request has the turn.
    is_taken: bool,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    newest: Option<Newest>,
}

/// The version of a session that a save of this process has just written.
#[derive(Clone)]
pub(super) struct Newest {
    pub(super) key: RecordKey,
    pub(super) revision: Revision,
    pub(super) confirmed: Confirmed,
    pub(super) content: Arc<Content>,
}

/// A request's place in the line of its session.
pub(crate) struct Place {
    turns: Arc<Turns>,
    session: PublicId,
    has_turn: bool,
    /// The newest version that the line had when this request's turn came, or the version that this request wrote.
    newest: Option<Newest>,
}

/// The right to save, on its way to the next request in the line. If that request no longer waits, the turn passes on.
struct Turn {
    turns: Option<Arc<Turns>>,
    session: PublicId,
}

/// The timer that ends the longest wait.
type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Turns {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() })
    }

    /// Joins the line of a session.
    pub(super) fn join(self: &Arc<Self>, session: PublicId) -> Place {
        self.shard(session).entry(session).or_default().places += 1;
        Place { turns: self.clone(), session, has_turn: false, newest: None }
    }

    fn shard(&self, session: PublicId) -> MutexGuard<'_, HashMap<PublicId, Line>> {
        let first = usize::from(session.as_bytes()[0]);
        // Nothing can panic while the lock is held.
        self.shards[first % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for the turn until the timer that `bound` starts has run out. Without `bound` it does not wait at all,
    /// because a save that nobody polls, or a store that never answers, must not hold up others forever.
    pub(super) async fn wait(&mut self, bound: Option<impl FnOnce() -> Timer>) {
        let (Some(mut coming), Some(bound)) = (self.line_up(bound.is_some()), bound) else { return };
        let mut timer = bound();
        let turn = poll_fn(|context| match Pin::new(&mut coming).poll(context) {
            Poll::Ready(turn) => Poll::Ready(turn.ok()),
            Poll::Pending => timer.as_mut().poll(context).map(|()| None),
        })
        .await;
        self.has_turn = turn.is_some_and(Turn::arrive);
        self.newest = self.turns.shard(self.session).get(&self.session).and_then(|line| line.newest.clone());
    }

    /// Returns `true` if no other request of this process is about to change the session.
    pub(super) fn is_alone(&self) -> bool {
        self.turns.shard(self.session).get(&self.session).is_some_and(|line| line.places == 1)
    }

    /// Takes the turn if it is free. Otherwise, if the request `waits`, returns the channel on which the turn will
    /// arrive.
    fn line_up(&mut self, waits: bool) -> Option<oneshot::Receiver<Turn>> {
        let mut shard = self.turns.shard(self.session);
        let line = shard.get_mut(&self.session)?;
        if line.is_taken && waits {
            let (sender, coming) = oneshot::channel();
            line.forget_who_left();
            line.waiting.push_back(sender);
            return Some(coming);
        }
        self.has_turn = !line.is_taken;
        line.is_taken = true;
        self.newest.clone_from(&line.newest);
        None
    }

    /// Returns `true` if no other request of this process that waits for turns is saving the session.
    pub(super) fn has_turn(&self) -> bool {
        self.has_turn
    }

    /// Takes the version under `key` that an earlier save left, if it is newer than `loaded`.
    pub(super) fn take_newer(&mut self, key: &RecordKey, loaded: &Revision) -> Option<Newest> {
        let newest = self.newest.take()?;
        (newest.key == *key && newest.revision.counter() > loaded.counter()).then_some(newest)
    }

    /// Gives up the place, and leaves the version that was just written to the others in the line.
    pub(super) fn leave(mut self, written: Newest) {
        self.newest = Some(written);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut shard = self.turns.shard(self.session);
            let Entry::Occupied(mut entry) = shard.entry(self.session) else { return };
            let line = entry.get_mut();
            line.places -= 1;
            if line.places == 0 {
                entry.remove();
                return;
            }
            line.note(self.newest.take());
            self.has_turn.then(|| line.next()).flatten()
        };
        Turn::send(&self.turns, self.session, next);
    }
}

impl Line {
    /// The next request that still waits. If there is none, the turn is free.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        self.forget_who_left();
        let next = self.waiting.pop_front();
        self.is_taken = next.is_some();
        next
    }

    /// Removes requests at the head of the line that no longer wait, so that they do not pile up behind a save that
    /// hangs.
    fn forget_who_left(&mut self) {
        while self.waiting.front().is_some_and(oneshot::Sender::is_canceled) {
            self.waiting.pop_front();
        }
    }

    fn note(&mut self, version: Option<Newest>) {
        let counter = |version: &Option<Newest>| version.as_ref().map(|version| version.revision.counter());
        if counter(&version) > counter(&self.newest) {
            self.newest = version;
        }
    }
}

impl Turn {
    fn send(turns: &Arc<Turns>, session: PublicId, next: Option<oneshot::Sender<Self>>) {
        if let Some(next) = next {
            // If the next request leaves at this moment, the turn comes back and is dropped here, which passes it on.
            let _ = next.send(Self { turns: Some(turns.clone()), session });
        }
    }

    fn arrive(mut self) -> bool {
        self.turns.take().is_some()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            let next = turns.shard(self.session).get_mut(&self.session).and_then(Line::next);
            Self::send(&turns, self.session, next);
        }
    }
}

#[cfg(test)]
impl Turns {
    /// Returns `true` if no request has a place.
    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().unwrap().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use waxseal_store::{Lifespan, SessionId, Timestamp};

    use super::*;
    use crate::confirmed::ConfirmedAt;

    fn is_ready(future: Pin<&mut impl Future<Output = ()>>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn never() -> Option<fn() -> Timer> {
        Some(|| Box::pin(pending()))
    }

    fn at_once() -> Option<fn() -> Timer> {
        Some(|| Box::pin(async {}))
    }

    fn line() -> (Arc<Turns>, RecordKey) {
        (Turns::new(), SessionId::generate().unwrap().key())
    }

    fn version(key: RecordKey, counter: u8) -> Newest {
        let now = Timestamp::from_millis(1_000);
        let confirmed = Confirmed {
            at: ConfirmedAt::by_answer(now),
            life: Lifespan::new(now, now, now, now),
            seal: None,
        };
        Newest { key, revision: revision(counter), confirmed, content: Arc::default() }
    }

    fn revision(counter: u8) -> Revision {
        let mut bytes = [0; Revision::BYTES];
        bytes[7] = counter;
        Revision::from_bytes(bytes)
    }

    #[test]
    fn turns_come_in_order_and_nothing_is_left_of_a_line() {
        let (turns, key) = line();
        let [mut first, mut second, mut third] = [(); 3].map(|()| turns.join(key.public_id()));
        let mut other = turns.join(SessionId::generate().unwrap().public_id());
        assert!(is_ready(pin!(first.wait(never()))) && is_ready(pin!(other.wait(never()))));
        {
            let (mut two, mut three) = (pin!(second.wait(never())), pin!(third.wait(never())));
            assert!(!is_ready(two.as_mut()) && !is_ready(three.as_mut()));
            drop(first);
            assert!(!is_ready(three.as_mut()) && is_ready(two.as_mut()));
            assert!(!is_ready(three.as_mut()));
        }
        assert!(second.has_turn() && !third.has_turn());
        drop((second, third, other));
        assert!(turns.is_empty());
    }

    #[test]
    fn who_waits_no_more_is_passed_over_also_if_the_turn_was_on_its_way() {
        for on_its_way in [false, true] {
            let (turns, key) = line();
            let [mut first, mut second, mut third] = [(); 3].map(|()| turns.join(key.public_id()));
            assert!(is_ready(pin!(first.wait(never()))));
            let mut three = pin!(third.wait(never()));
            {
                let mut two = pin!(second.wait(never()));
                assert!(!is_ready(two.as_mut()) && !is_ready(three.as_mut()));
                if on_its_way {
                    drop(first);
                    assert!(!is_ready(three.as_mut()));
                } else {
                    drop((two, first));
                }
            }
            assert!(is_ready(three.as_mut()), "on its way: {on_its_way}");
        }
    }

    #[test]
    fn who_has_waited_long_enough_goes_without_a_turn_and_is_forgotten() {
        let (turns, key) = line();
        let mut first = turns.join(key.public_id());
        assert!(is_ready(pin!(first.wait(never()))));
        for _ in 0..3 {
            let mut late = turns.join(key.public_id());
            assert!(is_ready(pin!(late.wait(at_once()))));
            assert!(!late.has_turn());
        }
        assert_eq!(turns.shard(key.public_id())[&key.public_id()].waiting.len(), 1);
        let mut without_a_timer = turns.join(key.public_id());
        assert!(is_ready(pin!(without_a_timer.wait(None::<fn() -> Timer>))));
        assert!(!without_a_timer.has_turn());
        drop(first);
        let mut next = turns.join(key.public_id());
        assert!(is_ready(pin!(next.wait(never()))));
        assert!(next.has_turn());
    }

    #[test]
    fn what_was_written_is_left_to_who_was_there_and_to_nobody_later() {
        let (turns, key) = line();
        let join = || {
            let mut place = turns.join(key.public_id());
            assert!(is_ready(pin!(place.wait(never()))));
            place
        };
        let [mut behind, mut other_id, mut ahead] = [(); 3].map(|()| turns.join(key.public_id()));
        join().leave(version(key, 7));
        for (place, case, key, loaded, expected) in [
            (&mut behind, "an older one was loaded", key, 6, Some(7)),
            (&mut ahead, "the same was loaded", key, 7, None),
            (&mut other_id, "another id's was loaded", RecordKey::new(key.public_id(), [9; 32]), 6, None),
        ] {
            assert!(is_ready(pin!(place.wait(None::<fn() -> Timer>))));
            let newer = place.take_newer(&key, &revision(loaded));
            assert_eq!(newer.map(|newer| newer.revision.counter()), expected, "{case}");
        }
        drop((behind, other_id, ahead));
        assert!(join().take_newer(&key, &revision(0)).is_none());
        join().leave(version(key, 8));
        assert!(join().take_newer(&key, &revision(0)).is_none() && turns.is_empty());
    }
}
