//! A time limit and a net for panics around one request.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;

/// Runs `future` for at most `limit`, and turns a panic in it into an error.
///
/// A panic's message goes to the log at error level, if it is text; nothing else of it is kept. What the future had
/// borrowed or locked is dropped as in any panic: a `std::sync::Mutex` held at that moment is poisoned.
///
/// The limit acts where the future waits, and is counted from its first wait. Code that never awaits is not interrupted:
/// give long computations to `tokio::task::spawn_blocking`.
///
/// # Errors
///
/// [`GuardError::TimedOut`] after `limit`, [`GuardError::Panicked`] at once.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_server::{GuardError, guard};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// assert_eq!(guard(Duration::from_secs(1), async { 7 }).await, Ok(7));
///
/// // Wrap the call, not only the future it returns, and a panic before the first await is caught too.
/// let handler = |_request: ()| -> std::future::Ready<()> { panic!("out of ink") };
/// let caught = guard(Duration::from_secs(1), async { handler(()).await }).await;
/// assert_eq!(caught, Err(GuardError::Panicked));
/// # });
/// ```
pub async fn guard<F: Future>(limit: Duration, future: F) -> Result<F::Output, GuardError> {
    let mut future = pin!(future);
    // Unwind safe: after a panic the future is never polled again, only dropped.
    let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => {
            tracing::error!(panic = text(&*payload), "panic while handling a request");
            Poll::Ready(Err(GuardError::Panicked))
        }
    });
    within(limit, caught).await.unwrap_or(Err(GuardError::TimedOut { limit }))
}

/// What `future` gives within `limit` of its first wait; `None` after that. One that need not wait costs no timer.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            timer.as_mut().poll(cx).map(|()| None)
        }
    })
    .await
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("not a text")
}

/// Why a request has no answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The time was up. The future has been dropped where it stood.
    #[error("the request took longer than {limit:?}")]
    TimedOut {
        /// The time it had.
        limit: Duration,
    },
    /// The code that handled the request panicked. What it said is in the log.
    #[error("the request's handler panicked")]
    Panicked,
}

impl GuardError {
    /// 503 when the time was up, 500 after a panic.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TimedOut { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let error = guard(LIMIT, stuck).await.unwrap_err();
        assert_eq!(error, GuardError::TimedOut { limit: LIMIT });
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(error.to_string(), "the request took longer than 60s");
        // Timers are good to a millisecond.
        assert!(started.elapsed() - LIMIT < Duration::from_millis(10));
        assert!(weak.upgrade().is_none(), "what the future held is gone");
    }

    #[tokio::test]
    async fn a_panic_after_an_await_is_caught() {
        let late = async {
            tokio::task::yield_now().await;
            panic!("deliberate, in a test");
        };
        let error = guard(LIMIT, late).await.unwrap_err();
        assert_eq!(error, GuardError::Panicked);
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn only_a_text_of_a_payload_is_read() {
        assert_eq!(text(&"literal"), "literal");
        assert_eq!(text(&String::from("formatted")), "formatted");
        assert_eq!(text(&vec![1, 2, 3]), "not a text");
    }
}
