//! Through here goes every call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

use super::breaker::Breaker;
use super::{NetworkOptions, Unavailable};

/// Before the first repeat at most this long; before each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Whether a call may be sent again although it may have been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Doing it twice is as doing it once.
    Harmless,
    /// The caller has to hear that the outcome is unknown.
    Never,
}

/// An engine's error, as far as the guard has to know it.
pub(crate) trait Failure: From<Unavailable> {
    /// Whether the store was out of reach or could serve nobody: what the breaker counts, and what repeating may
    /// mend. Not a store that is full, and not a question that was wrong.
    fn is_out_of_reach(&self) -> bool;

    /// Whether what was asked for was surely not done, so that even a creation may be sent again: no connection
    /// was made, say, or the server said that another has to be asked.
    fn is_surely_undone(&self) -> bool {
        false
    }
}

/// Ends every call in time, bounds how many there are, repeats those that may be, and stops asking a store that
/// does not answer.
pub(crate) struct Guard {
    options: NetworkOptions,
    places: Semaphore,
    waiting: AtomicUsize,
    breaker: Option<Breaker>,
}

impl Guard {
    /// At most `places` calls are under way at once.
    pub(crate) fn new(options: NetworkOptions, places: usize) -> Self {
        let breaker = Breaker::new(&options, "the session store".to_owned());
        Self { breaker: Some(breaker), ..Self::without_breaker(options, places) }
    }

    /// For an engine of several servers, each with a breaker of its own: one that is gone must not close the others.
    pub(crate) fn without_breaker(options: NetworkOptions, places: usize) -> Self {
        Self { options, places: Semaphore::new(places), waiting: AtomicUsize::new(0), breaker: None }
    }

    /// Calls `attempt`, and again where that may help and does no harm.
    pub(crate) async fn call<T, E: Failure, F>(&self, repeat: Repeat, attempt: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let NetworkOptions { command_timeout, repeats, .. } = self.options;
        let deadline = Instant::now() + command_timeout;
        self.breaker.as_ref().map_or(Ok(()), Breaker::would_pass)?;
        let _place = self.place(deadline).await?;
        let passage = self.breaker.as_ref().map(Breaker::pass).transpose()?;
        let mut left = repeats;
        let mut longest = FIRST_PAUSE;
        let outcome = loop {
            let outcome = timeout_at(deadline, attempt()).await;
            let outcome = outcome.unwrap_or_else(|_| Err(Unavailable::Timeout(command_timeout).into()));
            let may = |error: &E| {
                error.is_out_of_reach() && (repeat == Repeat::Harmless || error.is_surely_undone())
            };
            let again = left > 0 && outcome.as_ref().is_err_and(may);
            if !again {
                break outcome;
            }
            let pause = jitter(longest);
            if Instant::now() + pause >= deadline {
                break outcome;
            }
            sleep(pause).await;
            (left, longest) = (left - 1, 2 * longest);
        };
        if let Some(passage) = passage {
            passage.report(outcome.as_ref().is_err_and(E::is_out_of_reach));
        }
        outcome
    }

    async fn place(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Unavailable> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _waiting = Waiting::enter(&self.waiting, self.options.waiting)?;
        match timeout_at(deadline, self.places.acquire()).await {
            Ok(place) => Ok(place.expect("the semaphore is never closed")),
            Err(_) => Err(Unavailable::Busy(self.options.command_timeout)),
        }
    }
}

/// Counted for as long as it is there, so that a caller who leaves is no longer counted.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, limit: usize) -> Result<Self, Unavailable> {
        let entered = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) < limit {
            Ok(entered)
        } else {
            Err(Unavailable::Crowded(limit))
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Something between half of `longest` and all of it, so that many callers do not come back together.
fn jitter(longest: Duration) -> Duration {
    let part = getrandom::u32().map_or(1.0, |drawn| f64::from(drawn) / f64::from(u32::MAX));
    longest.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Error {
        Reset,
        Refused,
        Full,
        Unavailable(Unavailable),
    }

    impl From<Unavailable> for Error {
        fn from(unavailable: Unavailable) -> Self {
            Self::Unavailable(unavailable)
        }
    }

    impl Failure for Error {
        fn is_out_of_reach(&self) -> bool {
            !matches!(self, Self::Full)
        }

        fn is_surely_undone(&self) -> bool {
            matches!(self, Self::Refused)
        }
    }

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn guard(places: usize) -> Guard {
        Guard::new(NetworkOptions::new().waiting(1).breaker_after(3), places)
    }

    /// What the call said, and how often it was tried.
    async fn tried(
        guard: &Guard,
        repeat: Repeat,
        outcome: fn(u32) -> Result<(), Error>,
    ) -> (Result<(), Error>, u32) {
        let tries = Cell::new(0);
        let attempt = || {
            tries.set(tries.get() + 1);
            ready(outcome(tries.get()))
        };
        (guard.call(repeat, attempt).await, tries.get())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_harmless_is_repeated_a_few_times_and_nothing_else_is() {
        let guard = guard(1);
        let third: fn(u32) -> _ = |tries| if tries < 3 { Err(Error::Reset) } else { Ok(()) };
        let never: fn(u32) -> _ = |_| Err(Error::Reset);
        let full: fn(u32) -> _ = |_| Err(Error::Full);
        let refused: fn(u32) -> _ = |tries| if tries < 2 { Err(Error::Refused) } else { Ok(()) };
        assert_eq!(tried(&guard, Repeat::Harmless, third).await, (Ok(()), 3));
        assert_eq!(tried(&guard, Repeat::Harmless, never).await, (Err(Error::Reset), 3));
        assert_eq!(tried(&guard, Repeat::Never, third).await, (Err(Error::Reset), 1));
        assert_eq!(tried(&guard, Repeat::Harmless, full).await, (Err(Error::Full), 1));
        assert_eq!(tried(&guard, Repeat::Never, refused).await, (Ok(()), 2), "it was surely not done");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_store_is_given_up_in_time_and_then_not_asked() {
        let guard = guard(1);
        for repeat in [Repeat::Harmless, Repeat::Never, Repeat::Never] {
            let start = Instant::now();
            let outcome: Result<(), Error> = guard.call(repeat, pending).await;
            assert_eq!(outcome, Err(Unavailable::Timeout(TIMEOUT).into()));
            assert_eq!(start.elapsed(), TIMEOUT, "{repeat:?}");
        }
        let start = Instant::now();
        let open = Err(Unavailable::Open(Duration::from_secs(1)).into());
        assert_eq!(tried(&guard, Repeat::Harmless, |_| Ok(())).await, (open, 0));
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(tried(&guard, Repeat::Harmless, |_| Ok(())).await, (Ok(()), 1), "the probe");
        assert_eq!(tried(&guard, Repeat::Harmless, |_| Ok(())).await, (Ok(()), 1), "closed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for_by_a_bounded_number_for_a_bounded_time() {
        let guard = guard(1);
        let mut context = Context::from_waker(Waker::noop());
        let mut holder = Box::pin(guard.call::<(), Error, _>(Repeat::Never, pending));
        assert!(holder.as_mut().poll(&mut context).is_pending());
        {
            let mut waiter = pin!(tried(&guard, Repeat::Never, |_| Ok(())));
            assert!(waiter.as_mut().poll(&mut context).is_pending());
            let crowded = Err(Unavailable::Crowded(1).into());
            assert_eq!(tried(&guard, Repeat::Never, |_| Ok(())).await, (crowded, 0));
            assert_eq!(waiter.await, (Err(Unavailable::Busy(TIMEOUT).into()), 0));
        }
        drop(holder);
        assert_eq!(
            tried(&guard, Repeat::Never, |_| Ok(())).await,
            (Ok(()), 1),
            "who left gave the place back"
        );
        assert_eq!(guard.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn pauses_differ_and_stay_within_their_bounds() {
        let pauses: Vec<_> = (0..100).map(|_| jitter(FIRST_PAUSE)).collect();
        assert!(pauses.iter().all(|pause| (FIRST_PAUSE / 2..=FIRST_PAUSE).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
