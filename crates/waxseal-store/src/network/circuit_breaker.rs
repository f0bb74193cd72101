//! Fails calls at once while a server is out of reach.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge};
use tokio::time::Instant;

use super::options::NetworkOptions;
use super::unavailable::Unavailable;

/// A circuit breaker for one server.
///
/// A closed breaker permits every call. After [`breaker_after`](NetworkOptions::breaker_after) outages in a row it
/// opens: calls fail at once, except one in each [`half_open_interval`](NetworkOptions::half_open_interval). An answer
/// to such a call closes the breaker.
#[derive(Debug)]
pub struct CircuitBreaker {
    /// The server's name, for the log.
    server: String,
    breaker_after: u32,
    half_open_interval: Duration,
    state: Mutex<State>,
    opened: Counter,
    open: Gauge,
}

#[derive(Debug)]
enum State {
    Closed { outages: u32 },
    Open { next_probe: Instant },
}

/// Permission to make one call.
///
/// Dropping it without a [report](Self::report) changes nothing: the caller did not wait for the answer.
#[derive(Debug)]
#[must_use = "the breaker learns from the call's outcome"]
pub struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    is_probe: bool,
}

impl CircuitBreaker {
    /// Makes a closed breaker. `server` is the server's name in log lines.
    #[must_use]
    pub fn new(options: &NetworkOptions, server: impl Into<String>) -> Self {
        metrics::describe_counter!(
            "waxseal_store_breaker_opened_total",
            "Times that calls to the session store began to fail at once."
        );
        metrics::describe_gauge!(
            "waxseal_store_breakers_open",
            "Servers of the session store to which calls fail at once now."
        );
        let open = metrics::gauge!("waxseal_store_breakers_open");
        open.increment(0.0);
        Self {
            server: server.into(),
            breaker_after: options.breaker_after,
            half_open_interval: options.half_open_interval,
            state: Mutex::new(State::Closed { outages: 0 }),
            opened: metrics::counter!("waxseal_store_breaker_opened_total"),
            open,
        }
    }

    /// Checks whether a call would be permitted now, without using up the half-open interval's call.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Open`] if it would be refused.
    pub fn check(&self) -> Result<(), Unavailable> {
        match *self.lock() {
            State::Open { next_probe } if Instant::now() < next_probe => {
                Err(Unavailable::Open(self.half_open_interval))
            }
            _ => Ok(()),
        }
    }

    /// Permits a call. If the breaker is open, permits one call in each half-open interval.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Open`] if the breaker is open and the half-open interval has not passed.
    pub fn permit(&self) -> Result<Permit<'_>, Unavailable> {
        let State::Open { next_probe } = &mut *self.lock() else {
            return Ok(Permit { breaker: self, is_probe: false });
        };
        let now = Instant::now();
        if now < *next_probe {
            return Err(Unavailable::Open(self.half_open_interval));
        }
        // The interval starts again, whatever the outcome of this call.
        *next_probe = now + self.half_open_interval;
        Ok(Permit { breaker: self, is_probe: true })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CircuitBreaker {
    /// A server that is no longer used, for example after a failover, no longer counts as out of reach.
    fn drop(&mut self) {
        if let State::Open { .. } = *self.lock() {
            self.open.decrement(1.0);
        }
    }
}

impl Permit<'_> {
    /// Reports the call's outcome: `outage` if the server was out of reach.
    pub fn report(self, outage: bool) {
        let CircuitBreaker { server, breaker_after, half_open_interval, .. } = self.breaker;
        let mut state = self.breaker.lock();
        match &mut *state {
            State::Closed { outages } if outage => {
                *outages += 1;
                if *outages >= *breaker_after {
                    tracing::warn!(of = server, "out of reach; calls fail at once until it answers");
                    self.breaker.opened.increment(1);
                    self.breaker.open.increment(1.0);
                    *state = State::Open { next_probe: Instant::now() + *half_open_interval };
                }
            }
            State::Closed { outages } => *outages = 0,
            // A call that was sent before the breaker opened says nothing about the server's present state.
            State::Open { .. } if self.is_probe && !outage => {
                tracing::info!(of = server, "answers again");
                self.breaker.open.decrement(1.0);
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

    fn breaker() -> CircuitBreaker {
        CircuitBreaker::new(&NetworkOptions::new().breaker_after(3).half_open_interval(SECOND), "")
    }

    fn call(breaker: &CircuitBreaker, outage: bool) -> bool {
        breaker.permit().map(|permit| permit.report(outage)).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn outages_in_a_row_open_it_and_others_do_not() {
        let breaker = breaker();
        for outage in [true, true, false, true, true, false, true, true] {
            assert!(call(&breaker, outage));
        }
        assert!(call(&breaker, true), "the third in a row");
        assert!(!call(&breaker, false));
        assert_eq!(breaker.check(), Err(Unavailable::Open(SECOND)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_one_lets_one_probe_an_interval_through_and_closes_with_its_answer() {
        let breaker = breaker();
        (0..3).for_each(|_| assert!(call(&breaker, true)));
        for round in 0..3 {
            advance(SECOND - Duration::from_millis(1)).await;
            assert!(!call(&breaker, false), "round {round}: too early");
            advance(Duration::from_millis(1)).await;
            assert_eq!(breaker.check(), Ok(()), "asking is no probe");
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
        let early = breaker.permit().unwrap();
        (0..3).for_each(|_| assert!(call(&breaker, true)));
        early.report(false);
        assert!(!call(&breaker, false));
        advance(SECOND).await;
        drop(breaker.permit().unwrap());
        assert!(!call(&breaker, false));
        advance(SECOND).await;
        assert!(call(&breaker, false) && call(&breaker, false));
    }
}
