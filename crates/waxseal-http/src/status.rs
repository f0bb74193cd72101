//! The status of a response whose session failed, and the statuses with which a session's changes are dropped.

use http::StatusCode;
use waxseal_manager::Error;
use waxseal_session::Error as SessionError;

/// Maps a session error to the status of the response: 503 if the store does not answer, 409 if another request was
/// first and this one may be repeated, 500 otherwise.
#[must_use]
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Session(error) => session_status_of(error),
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Contended => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Maps an error of reading or writing a session to the status of the response, as [`status_of`] does.
#[must_use]
pub fn session_status_of(error: &SessionError) -> StatusCode {
    match error {
        SessionError::Unconfirmed | SessionError::Unproven => StatusCode::SERVICE_UNAVAILABLE,
        SessionError::Conflict { .. } | SessionError::Gone | SessionError::Renewed => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns `true` if a response with this status means that its request failed, so that the request's changes are dropped.
///
/// These are 500 or more, and 408, with which a time limit inside the layer ends a handler. Any other 4xx is a decision
/// of the handler, whose changes are kept.
#[must_use]
pub fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT
}
