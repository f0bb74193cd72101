//! Applies timeout, concurrency limit, queue, retries and circuit breaker to a store's calls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

use super::call_error::CallError;
use super::circuit_breaker::CircuitBreaker;
use super::options::NetworkOptions;
use super::unavailable::Unavailable;

/// The longest pause before the first retry. Each further pause may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The condition under which a call may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum Retry {
    /// Whenever the server was out of reach, because doing the call twice has the same effect as doing it once.
    Idempotent,
    /// Only if the call was [certainly not done](CallError::is_surely_undone). Otherwise the caller has to learn that
    /// the outcome is unknown.
    IfUndone,
}

/// The policy that every call of a store goes through.
///
/// It applies a timeout to each call, limits how many are in flight, retries those that may be retried, and calls a
/// server that is out of reach only now and then.
#[derive(Debug)]
pub struct CallPolicy {
    options: NetworkOptions,
    running: Semaphore,
    queued: AtomicUsize,
    breaker: Option<CircuitBreaker>,
}

impl CallPolicy {
    /// A policy for one server, which allows at most `concurrency_limit` calls in flight, but at least one.
    #[must_use]
    pub fn new(options: &NetworkOptions, concurrency_limit: usize) -> Self {
        let breaker = CircuitBreaker::new(options, "the session store");
        Self { breaker: Some(breaker), ..Self::without_breaker(options, concurrency_limit) }
    }

    /// A policy for a store with several servers, each of which has its own [`CircuitBreaker`], so that one unreachable
    /// server does not affect the others.
    #[must_use]
    pub fn without_breaker(options: &NetworkOptions, concurrency_limit: usize) -> Self {
        Self {
            options: options.clone(),
            running: Semaphore::new(concurrency_limit.max(1)),
            queued: AtomicUsize::new(0),
            breaker: None,
        }
    }

    /// Makes a call with `attempt`, and repeats it if `retry` allows that and it may help.
    ///
    /// # Errors
    ///
    /// The last attempt's error, or [`Unavailable`] as `E` if there was no attempt or no answer.
    pub async fn call<T, E: CallError, F>(&self, retry: Retry, attempt: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let deadline = Instant::now() + self.options.command_timeout;
        // Checked before the queue, so that no call waits for a server that is known to be away.
        self.breaker.as_ref().map_or(Ok(()), CircuitBreaker::check)?;
        let _running = self.start(deadline).await?;
        let permit = self.breaker.as_ref().map(CircuitBreaker::permit).transpose()?;
        let outcome = self.attempts(retry, deadline, attempt).await;
        if let Some(permit) = permit {
            permit.report(outcome.as_ref().is_err_and(E::is_out_of_reach));
        }
        outcome
    }

    async fn attempts<T, E: CallError, F>(
        &self,
        retry: Retry,
        deadline: Instant,
        attempt: impl Fn() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let NetworkOptions { command_timeout, retries, .. } = self.options;
        let mut left = retries;
        let mut longest = FIRST_PAUSE;
        loop {
            let outcome = timeout_at(deadline, attempt()).await;
            let outcome = outcome.unwrap_or_else(|_| Err(Unavailable::Timeout(command_timeout).into()));
            let may = |error: &E| {
                error.is_out_of_reach() && (retry == Retry::Idempotent || error.is_surely_undone())
            };
            let again = left > 0 && outcome.as_ref().is_err_and(may);
            if !again {
                return outcome;
            }
            let pause = jitter(longest);
            if Instant::now() + pause >= deadline {
                return outcome;
            }
            sleep(pause).await;
            (left, longest) = (left - 1, 2 * longest);
        }
    }

    async fn start(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Unavailable> {
        if let Ok(running) = self.running.try_acquire() {
            return Ok(running);
        }
        let _queued = Queued::enter(&self.queued, self.options.queue)?;
        match timeout_at(deadline, self.running.acquire()).await {
            Ok(running) => Ok(running.expect("the semaphore is never closed")),
            Err(_) => Err(Unavailable::Busy(self.options.command_timeout)),
        }
    }
}

/// A call in the queue. It is counted until it is dropped, so that a cancelled call frees its place.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(count: &'a AtomicUsize, limit: usize) -> Result<Self, Unavailable> {
        let entered = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) < limit {
            Ok(entered)
        } else {
            Err(Unavailable::QueueFull(limit))
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A random time between half of `longest` and all of it, so that many callers do not retry at the same time.
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

    impl CallError for Error {
        fn is_out_of_reach(&self) -> bool {
            !matches!(self, Self::Full)
        }

        fn is_surely_undone(&self) -> bool {
            matches!(self, Self::Refused)
        }
    }

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn policy(concurrency_limit: usize) -> CallPolicy {
        CallPolicy::new(&NetworkOptions::new().queue(1).breaker_after(3), concurrency_limit)
    }

    /// The call's outcome, and the number of its attempts.
    async fn tried(
        policy: &CallPolicy,
        retry: Retry,
        outcome: fn(u32) -> Result<(), Error>,
    ) -> (Result<(), Error>, u32) {
        let tries = Cell::new(0);
        let attempt = || {
            tries.set(tries.get() + 1);
            ready(outcome(tries.get()))
        };
        (policy.call(retry, attempt).await, tries.get())
    }

    #[tokio::test(start_paused = true)]
    async fn an_idempotent_call_is_retried_a_few_times_and_no_other_is() {
        let policy = policy(1);
        let third: fn(u32) -> _ = |tries| if tries < 3 { Err(Error::Reset) } else { Ok(()) };
        let never: fn(u32) -> _ = |_| Err(Error::Reset);
        let full: fn(u32) -> _ = |_| Err(Error::Full);
        let refused: fn(u32) -> _ = |tries| if tries < 2 { Err(Error::Refused) } else { Ok(()) };
        assert_eq!(tried(&policy, Retry::Idempotent, third).await, (Ok(()), 3));
        assert_eq!(tried(&policy, Retry::Idempotent, never).await, (Err(Error::Reset), 3));
        assert_eq!(tried(&policy, Retry::IfUndone, third).await, (Err(Error::Reset), 1));
        assert_eq!(tried(&policy, Retry::Idempotent, full).await, (Err(Error::Full), 1));
        assert_eq!(tried(&policy, Retry::IfUndone, refused).await, (Ok(()), 2), "it was surely not done");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_store_is_given_up_in_time_and_then_not_asked() {
        let policy = policy(1);
        for retry in [Retry::Idempotent, Retry::IfUndone, Retry::IfUndone] {
            let start = Instant::now();
            let outcome: Result<(), Error> = policy.call(retry, pending).await;
            assert_eq!(outcome, Err(Unavailable::Timeout(TIMEOUT).into()));
            assert_eq!(start.elapsed(), TIMEOUT, "{retry:?}");
        }
        let start = Instant::now();
        let open = Err(Unavailable::Open(Duration::from_secs(1)).into());
        assert_eq!(tried(&policy, Retry::Idempotent, |_| Ok(())).await, (open, 0));
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(tried(&policy, Retry::Idempotent, |_| Ok(())).await, (Ok(()), 1), "the probe");
        assert_eq!(tried(&policy, Retry::Idempotent, |_| Ok(())).await, (Ok(()), 1), "closed");
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_in_length_and_in_time() {
        let policy = policy(1);
        let mut context = Context::from_waker(Waker::noop());
        let mut holder = Box::pin(policy.call::<(), Error, _>(Retry::IfUndone, pending));
        assert!(holder.as_mut().poll(&mut context).is_pending());
        {
            let mut waiter = pin!(tried(&policy, Retry::IfUndone, |_| Ok(())));
            assert!(waiter.as_mut().poll(&mut context).is_pending());
            let full = Err(Unavailable::QueueFull(1).into());
            assert_eq!(tried(&policy, Retry::IfUndone, |_| Ok(())).await, (full, 0));
            assert_eq!(waiter.await, (Err(Unavailable::Busy(TIMEOUT).into()), 0));
        }
        drop(holder);
        assert_eq!(tried(&policy, Retry::IfUndone, |_| Ok(())).await, (Ok(()), 1), "who left made room");
        assert_eq!(policy.queued.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn pauses_differ_and_stay_within_their_bounds() {
        let pauses: Vec<_> = (0..100).map(|_| jitter(FIRST_PAUSE)).collect();
        assert!(pauses.iter().all(|pause| (FIRST_PAUSE / 2..=FIRST_PAUSE).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }
}
