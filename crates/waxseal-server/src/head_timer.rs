//! The timer for heads: one for a connection, and not one for a request.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// hyper's timer for one connection, whose deadlines only ever move away.
///
/// hyper wants a new sleep for each head and drops it when the head is there. To enter each of them into the runtime's
/// list of timers and take it out again costs more than to parse the head, so the connection keeps one there: one that
/// goes off before the present head's time is over is set to the rest of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadTimer(Arc<Mutex<Alarm>>);

type Alarm = Option<Pin<Box<tokio::time::Sleep>>>;

/// Ready at its deadline.
struct HeadSleep {
    timer: HeadTimer,
    deadline: tokio::time::Instant,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeadSleep { timer: self.clone(), deadline: deadline.into() })
    }

    /// The runtime's time, which a test may have stopped.
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        // Nothing can panic while the lock is held that would leave the alarm half set.
        let mut alarm = self.timer.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        ready!(alarm.as_mut().poll(cx));
        while tokio::time::Instant::now() < deadline {
            alarm.as_mut().reset(deadline);
            ready!(alarm.as_mut().poll(cx));
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);

    /// Sleeps that are dropped unfinished, `pause` apart, as heads come.
    async fn heads(timer: &HeadTimer, count: u32, pause: Duration) {
        for _ in 0..count {
            let sleep = timer.sleep(HEAD);
            let came = tokio::time::timeout(pause, sleep).await;
            assert!(came.is_err(), "went off before its time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_holds_whatever_came_before_it() {
        for (case, count, pause) in [
            ("the first head", 0, Duration::ZERO),
            ("after quick ones", 1000, Duration::from_millis(1)),
            ("after slow ones", 5, Duration::from_secs(9)),
            ("after a long while", 40, Duration::from_secs(7)),
        ] {
            let timer = HeadTimer::default();
            heads(&timer, count, pause).await;
            let start = tokio::time::Instant::now();
            timer.sleep(HEAD).await;
            let late = start.elapsed() - HEAD;
            assert!(late < Duration::from_millis(10), "{case}: {late:?} late");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_is_kept_too() {
        let timer = HeadTimer::default();
        heads(&timer, 1, Duration::from_secs(1)).await;
        let start = tokio::time::Instant::now();
        timer.sleep(Duration::from_secs(2)).await;
        assert_eq!(start.elapsed().as_secs(), 2);
    }
}
