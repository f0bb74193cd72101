//! A timeout around one request that catches its panics.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::error::Error;
use crate::panics::catching_panics_of;

/// Runs `future` for at most `limit`, and turns a panic in it into an error.
///
/// The panic's message is logged at error level if it is text; nothing else of the panic is kept. What the future had
/// borrowed or locked is dropped as in any panic: a `std::sync::Mutex` that was locked at that moment is poisoned.
///
/// The limit takes effect where the future waits, and is counted from its first wait. Code that never awaits is not
/// interrupted; run long computations in `tokio::task::spawn_blocking`.
///
/// # Errors
///
/// [`Error::TimedOut`] (503) after `limit`, [`Error::Panicked`] (500) at once.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_server::{Error, timeout_catching_panics};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// assert_eq!(timeout_catching_panics(Duration::from_secs(1), async { 7 }).await.unwrap(), 7);
///
/// // Wrap the call, not only the future it returns, and a panic before the first await is caught too.
/// let handler = |_request: ()| -> std::future::Ready<()> { panic!("out of ink") };
/// let caught = timeout_catching_panics(Duration::from_secs(1), async { handler(()).await }).await;
/// assert!(matches!(caught, Err(Error::Panicked)));
/// # });
/// ```
pub async fn timeout_catching_panics<F: Future>(limit: Duration, future: F) -> Result<F::Output, Error> {
    within(limit, catching_panics_of(future), || Err(Error::TimedOut { limit })).await
}

/// The output of `future`, or that of `late` if it is not ready within `limit` of its first wait. A future that does not
/// wait needs no timer.
pub(crate) async fn within<F: Future>(limit: Duration, future: F, late: impl Fn() -> F::Output) -> F::Output {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending => {
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            timer.as_mut().poll(cx).map(|()| late())
        }
        ready => ready,
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::sync::Arc;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_future_that_never_ends_is_dropped_at_the_limit() {
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let stuck = async move {
            std::future::pending::<()>().await;
            drop(held);
        };
        let started = tokio::time::Instant::now();
        let error = timeout_catching_panics(LIMIT, stuck).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { limit: LIMIT }));
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(error.to_string(), "the request took longer than 60s");
        // Timers are accurate to a millisecond.
        assert!(started.elapsed() - LIMIT < Duration::from_millis(10));
        assert!(weak.upgrade().is_none(), "what the future held is gone");
    }

    #[tokio::test]
    async fn a_panic_after_an_await_is_caught() {
        let late = async {
            tokio::task::yield_now().await;
            panic!("deliberate, in a test");
        };
        let error = timeout_catching_panics(LIMIT, late).await.unwrap_err();
        assert!(matches!(error, Error::Panicked));
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
