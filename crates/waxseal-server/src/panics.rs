//! Panics of an app's code, which are caught, counted and logged in one place.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::error::Error;
use crate::traffic::TRAFFIC;

/// Does `work`. A panic in it becomes [`Error::Panicked`]; what it has used must not be used again.
pub(crate) fn catching_panics<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        TRAFFIC.panics.increment(1);
        tracing::error!(panic = text(&*payload), "panic while handling a request");
        Error::Panicked
    })
}

/// Runs `future`, for however long it takes, and turns a panic in it into an error, counted and logged as one of
/// [`timeout_catching_panics`](crate::timeout_catching_panics). After a panic the future is never polled again, only
/// dropped.
///
/// # Errors
///
/// [`Error::Panicked`].
pub async fn catching_panics_of<F: Future>(future: F) -> Result<F::Output, Error> {
    let mut future = pin!(future);
    poll_fn(|cx| match catching_panics(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_of_a_payload_is_read() {
        assert_eq!(text(&"literal"), "literal");
        assert_eq!(text(&String::from("formatted")), "formatted");
        assert_eq!(text(&vec![1, 2, 3]), "not a text");
    }
}
