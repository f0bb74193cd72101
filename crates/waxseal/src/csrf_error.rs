//! The error of a request without the CSRF token of its session.

use http::StatusCode;

/// The reason why a request was refused over its CSRF token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfError {
    /// The request has no token.
    #[error(
        "the request has no CSRF token; put {{{{ csrf_field() }}}} into the form, or send the header X-CSRF-Token"
    )]
    Missing,
    /// The first field of a form with files is not a token.
    #[error(
        "the form with files has no CSRF token in its first field; put {{{{ csrf_field() }}}} before all others, or send the \
         header X-CSRF-Token"
    )]
    NotFirst,
    /// The request has more than one token.
    #[error("the request has more than one CSRF token; send one")]
    Repeated,
    /// The token belongs to another session, or to this session before a sign-in or renewal.
    #[error(
        "this form belongs to another session, or to the time before a sign-in; go back, reload the page and send it again"
    )]
    Invalid,
}

impl CsrfError {
    /// The status of the response: always 403.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}
