//! Spares callers, and a store that is coming back, the waiting.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Counter;
use tokio::time::Instant;

use super::{NetworkOptions, Unavailable};

/// Closed, it lets every call through. After several outages in a row it opens: calls fail at once, but for one
/// probe in an interval. An answer to a probe closes it.
pub(crate) struct Breaker {
    /// What it stands before, for the log.
    of: String,
    outages: u32,
    interval: Duration,
    state: Mutex<State>,
    opened: Counter,
}

enum State {
    Closed { outages: u32 },
    Open { next_probe: Instant },
}

/// That a call was let through. Dropped without a report, it tells nothing: nobody waited for the answer.
#[must_use = "the breaker learns from the call's outcome"]
pub(crate) struct Passage<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(crate) fn new(options: &NetworkOptions, of: String) -> Self {
        metrics::describe_counter!(
            "waxseal_store_breaker_opened_total",
            "Times that calls to the session store began to fail at once."
        );
        let opened = metrics::counter!("waxseal_store_breaker_opened_total");
        let state = Mutex::new(State::Closed { outages: 0 });
        Self { of, outages: options.outages, interval: options.probe, state, opened }
    }

    /// Whether a call would be let through now, without being one.
    pub(crate) fn would_pass(&self) -> Result<(), Unavailable> {
        match *self.lock() {
            State::Open { next_probe } if Instant::now() < next_probe => {
                Err(Unavailable::Open(self.interval))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn pass(&self) -> Result<Passage<'_>, Unavailable> {
        let now = Instant::now();
        match &mut *self.lock() {
            State::Closed { .. } => Ok(Passage { breaker: self, probe: false }),
            State::Open { next_probe } if now >= *next_probe => {
                // The next one in an interval, whatever becomes of this one.
                *next_probe = now + self.interval;
                Ok(Passage { breaker: self, probe: true })
            }
            State::Open { .. } => Err(Unavailable::Open(self.interval)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage<'_> {
    /// What became of the call: whether the store was out of reach.
    pub(crate) fn report(self, outage: bool) {
        let (limit, interval) = (self.breaker.outages, self.breaker.interval);
        let mut state = self.breaker.lock();
        match &mut *state {
            State::Closed { outages } if outage => {
                *outages += 1;
                if *outages >= limit {
                    tracing::warn!(of = self.breaker.of, "out of reach; calls fail at once until it answers");
                    self.breaker.opened.increment(1);
                    *state = State::Open { next_probe: Instant::now() + interval };
                }
            }
            State::Closed { outages } => *outages = 0,
            // A call from before it opened says nothing about now.
            State::Open { .. } if self.probe && !outage => {
                tracing::info!(of = self.breaker.of, "answers again");
                *state = State::Closed { outages: 0 };
            }
            State::Open { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(&NetworkOptions::new().breaker_after(3).probe_every(SECOND), String::new())
    }

    fn call(breaker: &Breaker, outage: bool) -> bool {
        breaker.pass().map(|passage| passage.report(outage)).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn outages_in_a_row_open_it_and_others_do_not() {
        let breaker = breaker();
        for outage in [true, true, false, true, true, false, true, true] {
            assert!(call(&breaker, outage));
        }
        assert!(call(&breaker, true), "the third in a row");
        assert!(!call(&breaker, false));
        assert_eq!(breaker.would_pass(), Err(Unavailable::Open(SECOND)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_one_lets_one_probe_an_interval_through_and_closes_with_its_answer() {
        let breaker = breaker();
        (0..3).for_each(|_| assert!(call(&breaker, true)));
        for round in 0..3 {
            advance(SECOND - Duration::from_millis(1)).await;
            assert!(!call(&breaker, false), "round {round}: too early");
            advance(Duration::from_millis(1)).await;
            assert_eq!(breaker.would_pass(), Ok(()), "asking is no probe");
            assert!(call(&breaker, true), "round {round}: the probe");
            assert!(!call(&breaker, false), "round {round}: only one");
        }
        advance(SECOND).await;
        assert!(call(&breaker, false));
        (0..10).for_each(|_| assert!(call(&breaker, false), "closed"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_does_not_close_it_and_a_dropped_probe_does_not_block_it() {
        let breaker = breaker();
        let early = breaker.pass().unwrap();
        (0..3).for_each(|_| assert!(call(&breaker, true)));
        early.report(false);
        assert!(!call(&breaker, false));
        advance(SECOND).await;
        drop(breaker.pass().unwrap());
        assert!(!call(&breaker, false));
        advance(SECOND).await;
        assert!(call(&breaker, false) && call(&breaker, false));
    }
}
