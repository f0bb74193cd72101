//! A yield to other tasks, on any runtime.

use std::future::poll_fn;
use std::task::Poll;

/// Lets the runtime's other tasks run once. For a store whose calls never wait, between the parts of a long walk.
pub async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
