//! A request in the log: its span, and its line in the access log.

use http::StatusCode;
use tracing::{Span, field};

use crate::log_filter::{ACCESS_LOG, REQUESTS};
use crate::request::Request;

/// What the log shows about requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestLog {
    /// Writes one line for each request.
    pub(crate) access: bool,
    /// Adds the public session id to the span.
    pub(crate) session_ids: bool,
}

impl RequestLog {
    /// Creates the span of a request, within which everything else is logged. Fields that depend on the response are
    /// empty until [`end`](Self::end).
    pub(crate) fn span(&self, request: &Request) -> Span {
        // Of the highest level, so that each line that a filter lets through has its request's id.
        tracing::error_span!(
            target: REQUESTS,
            "request",
            id = request.id(),
            method = %request.method(),
            route = request.route().unwrap_or("unmatched"),
            status = field::Empty,
            latency_ms = field::Empty,
            session = field::Empty,
            session_id = field::Empty,
        )
    }

    /// Adds the response's fields to the span, and writes the line of the access log.
    pub(crate) fn end(&self, span: &Span, request: &Request, status: StatusCode, seconds: f64) {
        if !span.is_disabled() {
            self.complete(span, request, status, seconds);
        }
        if self.access {
            let client = request.remote_addr().map(field::display);
            tracing::info!(target: ACCESS_LOG, parent: span, path = request.path(), client, "answered");
        }
    }

    fn complete(&self, span: &Span, request: &Request, status: StatusCode, seconds: f64) {
        span.record("status", status.as_u16());
        span.record("latency_ms", (seconds * 1e6).round() / 1e3);
        if let Some(visit) = request.asked_session().and_then(|handle| handle.visit()) {
            span.record("session", touched(visit.session()));
            if self.session_ids
                && let Some(id) = visit.public_id()
            {
                span.record("session_id", field::display(id));
            }
        }
    }
}

/// The most that the request did with its session.
fn touched(session: &waxseal_session::Session) -> &'static str {
    match (session.is_modified(), session.is_accessed()) {
        (true, _) => "changed",
        (false, true) => "read",
        (false, false) => "loaded",
    }
}
