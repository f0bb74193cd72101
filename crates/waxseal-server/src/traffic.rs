//! Metrics of bodies and panics, through the `metrics` facade.

use std::sync::LazyLock;

use bytes::Bytes;
use http_body::Frame;
use metrics::Counter;

use crate::error::Error;

/// Counters of the whole process, for code that has no server at hand. They are made at their first use, by a server or a
/// request, and stay with the `metrics` recorder that is installed then.
pub(crate) struct Traffic {
    /// Bytes of request bodies.
    pub(crate) received: Counter,
    /// Bytes of response bodies.
    pub(crate) sent: Counter,
    /// Panics of handlers, of bodies and of WebSockets.
    pub(crate) panics: Counter,
}

pub(crate) static TRAFFIC: LazyLock<Traffic> = LazyLock::new(|| {
    metrics::describe_counter!(
        "waxseal_http_request_body_bytes_total",
        "Bytes of requests' bodies that were read."
    );
    metrics::describe_counter!("waxseal_http_response_body_bytes_total", "Bytes of answers' bodies.");
    metrics::describe_counter!(
        "waxseal_http_panics_total",
        "Panics of handlers, of streamed bodies and of WebSockets' handlers."
    );
    Traffic {
        received: metrics::counter!("waxseal_http_request_body_bytes_total"),
        sent: metrics::counter!("waxseal_http_response_body_bytes_total"),
        panics: metrics::counter!("waxseal_http_panics_total"),
    }
});

/// Counts the bytes of a body's frame.
pub(crate) fn count(bytes: &Counter, frame: &Result<Frame<Bytes>, Error>) {
    if let Ok(frame) = frame
        && let Some(data) = frame.data_ref()
    {
        bytes.increment(data.len() as u64);
    }
}
