//! The error of handlers and extractors, which is an answer.

use std::error::Error as StdError;

use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use waxseal_http::{SetupError, session_status_of, status_of};

/// An error of a session, a form or the set-up. As an answer it has the right status and a plain text.
///
/// A handler that returns [`Result`] may use `?` on all that a session does. For errors of others there is
/// [`other`](Self::other). The text of a 500 goes to the log alone.
///
/// # Example
///
/// ```
/// use waxseal_axum::{Error, Result, Session};
///
/// async fn count(session: Session) -> Result<String> {
///     session.add("visits", 1)?;                                              // 503 if the store is away
///     let greeting = std::fs::read_to_string("greeting.txt").map_err(Error::other)?; // 500
///     Ok(greeting)
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A handler or a middleware that no session layer is around.
    #[error(
        "no session layer is around what asks for the session; call `.layer(Waxseal::new(…).layer()?)` on the router after \
         its routes, after its `.fallback(…)`, and after the `.layer(…)` of a middleware that uses the session"
    )]
    NoLayer,
    /// A visitor who is not signed in: 401, or a redirect to this path.
    #[error("nobody is signed in")]
    SignedOut {
        /// The page to sign in, with the way back in its query.
        redirect: Option<String>,
    },
    /// A form or request without the session's token: 403.
    #[error(
        "the request has no form token; put the FormToken's field into the form, or send it as X-CSRF-Token"
    )]
    NoFormToken,
    /// More than one token in one request: 403.
    #[error("the request has more than one form token; send one")]
    RepeatedFormToken,
    /// A token of another session, or of the time before a sign-in: 403.
    #[error(
        "this form belongs to another session, or to the time before a sign-in; go back, reload the page and send it again"
    )]
    WrongFormToken,
    /// A request whose body is no form: 415.
    #[error("the body is no form; send it as application/x-www-form-urlencoded")]
    NotAForm,
    /// A form that does not fit its type: 422.
    #[error("the form does not fit: {0}")]
    UnfitForm(String),
    /// A body that could not be read, such as one that is too long.
    #[error(transparent)]
    Body(#[from] BytesRejection),
    /// An id that names no session of a list: 400.
    #[error("a public session id is 16 hexadecimal digits")]
    PublicId,
    /// A session that could not be read or written, such as one that is too large: [`SessionError`](crate::SessionError).
    #[error(transparent)]
    Session(#[from] waxseal_session::Error),
    /// A session that could not be loaded, listed or ended; settings of sessions that do not fit:
    /// [`ManagerError`](crate::ManagerError).
    #[error(transparent)]
    Sessions(#[from] waxseal_manager::Error),
    /// A secret key that cannot be had.
    #[error(transparent)]
    Secret(Box<dyn StdError + Send + Sync>),
    /// Settings that cannot work: a cookie that no browser keeps, or a text that is no origin, a
    /// cookie that cannot be bound to a device, or an old app whose sessions cannot be taken over.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Any other error, such as a database's: 500.
    #[error(transparent)]
    Other(Box<dyn StdError + Send + Sync>),
}

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Any other error, answered 500.
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut { redirect: Some(_) } => StatusCode::SEE_OTHER,
            Self::SignedOut { redirect: None } => StatusCode::UNAUTHORIZED,
            Self::NoFormToken | Self::RepeatedFormToken | Self::WrongFormToken => StatusCode::FORBIDDEN,
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UnfitForm(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Body(rejection) => rejection.status(),
            Self::PublicId => StatusCode::BAD_REQUEST,
            Self::Session(error) => session_status_of(error),
            Self::Sessions(waxseal_manager::Error::NoStore | waxseal_manager::Error::NotPromised(_)) => {
                StatusCode::NOT_IMPLEMENTED
            }
            Self::Sessions(error) => status_of(error),
            Self::NoLayer | Self::Secret(_) | Self::Setup(_) | Self::Other(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::SignedOut { redirect: Some(page) } = &self {
            return Redirect::to(page).into_response();
        }
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = &self as &(dyn StdError + 'static), "request failed");
        }
        let text = match status {
            StatusCode::INTERNAL_SERVER_ERROR if !matches!(self, Self::NoLayer) => {
                "internal server error".to_owned()
            }
            _ => self.to_string(),
        };
        let mut response = (status, text + "\n").into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
