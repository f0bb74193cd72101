//! Statuses: of an answer whose session failed, and of an answer that drops its session's changes.

use http::StatusCode;
use waxseal_store::Error;

/// Maps a session's error to the status of the answer: 503 if the store does not answer, 409 if another request was
/// first and this one may be repeated, 500 otherwise.
#[must_use]
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Unavailable(_) | Error::Unconfirmed => StatusCode::SERVICE_UNAVAILABLE,
        Error::Conflict { .. } | Error::Contended | Error::Gone | Error::Renewed => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Tells if an answer of this status says that its request failed, so that the request's changes are dropped.
///
/// That is 500 or more, and 408, by which a time limit inside the layer ends a handler half-way. Any other status of 4xx
/// is a handler's own decision, and its changes are kept.
#[must_use]
pub fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT
}
