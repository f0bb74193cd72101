//! The timer for heads: one for each connection instead of one for each request.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::limits::Limits;

/// Longer times are meant as no limit; the runtime's clock cannot represent all of them.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// hyper's timer for one connection. It covers the wait for the first byte, silence between requests, and the time of a
/// head from its first byte.
///
/// hyper has only one time for all three, and sleeps that long for each head, so its deadlines are ignored. It begins
/// to sleep when it begins to wait for a head, and the [socket](crate::socket) reports when a byte comes.
///
/// hyper makes a new sleep for each head and drops it when the head is complete. Adding each of them to the runtime's
/// timers and removing it again would cost more than parsing the head. So the connection keeps a single timer, and if
/// that fires before the current head's time is over, it is reset to the rest of it.
#[derive(Clone, Debug)]
pub(crate) struct HeadTimer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// When the connection began.
    began: Instant,
    first_byte: Duration,
    head: Duration,
    keep_alive: Duration,
    /// `true` if there was a wait for a head before.
    kept_alive: AtomicBool,
    /// `true` if a byte came since the wait for the current head began.
    received: AtomicBool,
    /// `true` if the time ran out in the silence after a response.
    was_idle: AtomicBool,
    alarm: Mutex<Option<Pin<Box<tokio::time::Sleep>>>>,
}

/// A sleep that is ready at its deadline.
struct HeadSleep {
    timer: HeadTimer,
    deadline: tokio::time::Instant,
    /// `true` if the deadline is that of a head whose first byte has come.
    begun: bool,
    /// `true` if there was a head before.
    is_kept: bool,
}

impl HeadTimer {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Shared {
            began: tokio::time::Instant::now().into_std(),
            first_byte: limits.first_byte_time.min(MAX_TIME),
            head: limits.head_time.min(MAX_TIME),
            keep_alive: limits.keep_alive_time.min(MAX_TIME),
            kept_alive: AtomicBool::new(false),
            received: AtomicBool::new(false),
            was_idle: AtomicBool::new(false),
            alarm: Mutex::new(None),
        }))
    }

    /// Returns `true` if the time ran out while a connection that was kept alive had no request, which is an ordinary
    /// end.
    pub(crate) fn was_idle(&self) -> bool {
        self.0.was_idle.load(Ordering::Relaxed)
    }

    /// Notes that bytes came.
    pub(crate) fn received(&self) {
        self.0.received.store(true, Ordering::Relaxed);
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        let shared = &self.0;
        shared.received.store(false, Ordering::Relaxed);
        let is_kept = shared.kept_alive.swap(true, Ordering::Relaxed);
        let silence = if is_kept { shared.keep_alive } else { shared.first_byte };
        let deadline = tokio::time::Instant::now() + silence;
        Box::pin(HeadSleep { timer: self.clone(), deadline, begun: false, is_kept })
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }

    /// Not the present: hyper makes deadlines of it, which are ignored, and the clock need not be asked for those.
    fn now(&self) -> Instant {
        self.0.began
    }
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.begun && self.timer.0.received.load(Ordering::Relaxed) {
            self.begun = true;
            self.deadline = tokio::time::Instant::now() + self.timer.0.head;
        }
        let deadline = self.deadline;
        // While the lock is held, nothing can panic in a way that leaves the alarm half set.
        let mut alarm = self.timer.0.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        ready!(alarm.as_mut().poll(cx));
        while tokio::time::Instant::now() < deadline {
            alarm.as_mut().reset(deadline);
            ready!(alarm.as_mut().poll(cx));
        }
        self.timer.0.was_idle.store(self.is_kept && !self.begun, Ordering::Relaxed);
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer() -> HeadTimer {
        let seconds = Duration::from_secs;
        HeadTimer::new(
            &Limits::default()
                .first_byte_time(seconds(5))
                .head_time(seconds(10))
                .keep_alive_time(seconds(65)),
        )
    }

    /// Complete heads, each `pause` after the wait for it began.
    async fn heads(timer: &HeadTimer, count: u32, pause: Duration) {
        for _ in 0..count {
            let came = tokio::time::timeout(pause, timer.sleep(Duration::ZERO)).await;
            assert!(came.is_err(), "went off before its time");
            timer.received();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_has_the_time_of_its_place() {
        for (case, count, pause, seconds) in [
            ("a new connection", 0, Duration::ZERO, 5),
            ("after quick heads", 1000, Duration::from_millis(1), 65),
            ("after slow ones", 5, Duration::from_secs(4), 65),
        ] {
            let timer = timer();
            heads(&timer, count, pause).await;
            let start = tokio::time::Instant::now();
            timer.sleep(Duration::ZERO).await;
            let late = start.elapsed() - Duration::from_secs(seconds);
            assert!(late < Duration::from_millis(10), "{case}: {late:?} late");
            assert_eq!(timer.was_idle(), count > 0, "{case}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte_and_no_byte_adds_to_it() {
        let timer = timer();
        heads(&timer, 1, Duration::from_secs(1)).await;
        let mut sleep = timer.sleep(Duration::ZERO);
        let waited = tokio::time::timeout(Duration::from_secs(60), &mut sleep).await;
        assert!(waited.is_err(), "silent for less than 65 s");
        let begun = tokio::time::Instant::now();
        for _ in 0..3 {
            timer.received();
            assert!(tokio::time::timeout(Duration::from_secs(3), &mut sleep).await.is_err());
        }
        sleep.await;
        assert_eq!(begun.elapsed().as_secs(), 10);
        assert!(!timer.was_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn any_time_is_fine() {
        let ever = Limits::default().first_byte_time(Duration::MAX).head_time(Duration::MAX);
        let timer = HeadTimer::new(&ever);
        timer.received();
        heads(&timer, 1, Duration::from_secs(1)).await;
    }
}
