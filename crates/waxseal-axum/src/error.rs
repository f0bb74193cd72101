//! The error of handlers and extractors, which converts into a response.

use std::error::Error as StdError;
use std::fmt;

use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use waxseal_http::{SetupError, session_status_of, status_of};
use waxseal_keys::error_chain;

/// An error of a session, a form or the set-up. As a response it has a fitting status and a plain text.
///
/// A handler that returns [`Result`] can use `?` on everything that a session does. Convert errors of other libraries
/// with [`other`](Self::other). The text of a 500 goes to the log only.
///
/// `Debug` prints the text with all causes on one line, because Rust prints the `Debug` form of an error that `main`
/// returns.
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
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A handler or a middleware used a session without a session layer around it: 500.
    #[error(
        "no session layer is around what asks for the session; call `.layer(Waxseal::new(…).layer()?)` on the router after \
         its routes, after its `.fallback(…)`, and after the `.layer(…)` of a middleware that uses the session"
    )]
    NoLayer,
    /// The visitor is not signed in: 401, or a redirect to this path.
    #[error("nobody is signed in")]
    SignedOut {
        /// The sign-in page, with the requested path in its query.
        redirect: Option<String>,
    },
    /// The form or request has no CSRF token: 403.
    #[error(
        "the request has no form token; put the FormToken's field into the form, or send it as X-CSRF-Token"
    )]
    NoFormToken,
    /// The request has more than one token: 403.
    #[error("the request has more than one form token; send one")]
    RepeatedFormToken,
    /// The token belongs to another session, or to this session before a sign-in: 403.
    #[error(
        "this form belongs to another session, or to the time before a sign-in; go back, reload the page and send it again"
    )]
    WrongFormToken,
    /// The request's body is not a form: 415.
    #[error("the body is no form; send it as application/x-www-form-urlencoded")]
    NotAForm,
    /// The form does not deserialize into its type: 422.
    #[error("the form does not fit: {0}")]
    UnfitForm(String),
    /// The body could not be read, for example because it is too long.
    #[error(transparent)]
    Body(#[from] BytesRejection),
    /// The text is not a public session id: 400.
    #[error("a public session id is 16 hexadecimal digits")]
    PublicId,
    /// The session could not be read or written, for example because it is too large:
    /// [`SessionError`](crate::SessionError).
    #[error(transparent)]
    Session(#[from] waxseal_session::Error),
    /// A session could not be loaded, listed or ended, or settings of sessions contradict each other:
    /// [`ManagerError`](crate::ManagerError).
    #[error(transparent)]
    Sessions(#[from] waxseal_manager::Error),
    /// The secret key is missing or cannot be used.
    #[error(transparent)]
    Secret(Box<dyn StdError + Send + Sync>),
    /// The set-up cannot work: browsers would not keep the cookie, a text is not an origin, the cookie cannot be bound
    /// to a device, or the old app's sessions cannot be taken over.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Any other error, such as a database's: 500.
    #[error(transparent)]
    Other(Box<dyn StdError + Send + Sync>),
}

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps any other error, which becomes a 500.
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// The status of the response.
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

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&error_chain::one_line(error_chain::texts(self)))
    }
}
