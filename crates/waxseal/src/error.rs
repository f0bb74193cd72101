//! Errors that become responses.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::panic::Location;
use std::{fmt, iter};

use http::header::{ACCEPT_ENCODING, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use waxseal_http::{session_status_of, status_of};
use waxseal_keys::error_chain;

use crate::csrf_error::CsrfError;

/// The error that a handler returns with `?` or `Err`: a status and the error that caused it.
///
/// Any error converts into this type, including an `anyhow::Error` and a `Box<dyn Error + Send + Sync>`. (A box without
/// `Send + Sync` does not: handlers run on several threads.) If the error, or one in its chain of sources, comes from
/// this framework, the response has the status of that error: 400 for a malformed form, 413 for a body over the limit.
/// Any other error is a 500. [`Error::status`] builds an error with a status of your choice, as Flask's `abort` does.
///
/// A visitor sees the status, and for 4xx the message. The causes go to the log.
///
/// # Example
///
/// ```
/// use waxseal::{Error, Request, Response, Result, context};
///
/// async fn wizard(request: Request) -> Result<Response> {
///     let number: u32 = request.param("number")?.parse()?;          // 500 if the text is no number …
///     if number > 9 {
///         return Err(Error::status(404).message("there are only ten wizards")); // … and 404 here
///     }
///     request.render("wizard.html", context! { number }).await
/// }
/// ```
///
/// Errors of any kind, and what caused them:
///
/// ```
/// use anyhow::Context;
/// use waxseal::{Request, Response, Result, html};
///
/// async fn count(request: Request) -> Result<Response> {
///     let session = request.session().await?;
///     session.add("visits", 1).context("counting the visit")?; // 503 if the session store is away, else 500
///     Ok(html(greeting()?))                                    // 500
/// }
///
/// fn greeting() -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///     Ok(std::fs::read_to_string("greeting.html")?)
/// }
/// ```
pub struct Error {
    status: StatusCode,
    message: Option<Cow<'static, str>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Where in the code the error was made: the `?` or the call. Shown on the developer's page.
    place: &'static Location<'static>,
}

/// The value of `Retry-After` while the session store is away. An open circuit breaker tries the store every second.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error with this status, 400 to 599. Any other number becomes 500.
    #[must_use]
    #[track_caller]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, message: None, headers: Vec::new(), source: None, place: Location::caller() }
    }

    /// Creates an error that makes the browser repeat the request, by a redirect (307).
    #[cfg(feature = "device")]
    #[track_caller]
    pub(crate) fn repeated_first() -> Self {
        Self { status: StatusCode::TEMPORARY_REDIRECT, ..Self::status(500) }
    }

    /// Sets the message. For a 4xx status the visitor sees it; for 5xx it only goes to the log.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds a header to the response, such as `Retry-After`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sets the place in the code where the error was made.
    pub(crate) fn at(self, place: &'static Location<'static>) -> Self {
        Self { place, ..self }
    }

    /// The status of the response.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    /// The message, if a visitor may see it, that is, for a 4xx status.
    pub(crate) fn public_message(&self) -> Option<&str> {
        self.message.as_deref().filter(|_| self.status.is_client_error())
    }

    /// The first error of type `E` in the chain of causes.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        error_chain::chain(self.source.as_deref()?).find_map(|cause| cause.downcast_ref())
    }

    pub(crate) fn place(&self) -> &'static Location<'static> {
        self.place
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

/// Returns an error with this status, as Flask's `abort` does: `return abort(404)`, or `abort(404)?` in an expression.
///
/// To show the visitor a message, return an [`Error`] with a [message](Error::message) instead.
///
/// # Errors
///
/// Always.
///
/// # Example
///
/// ```
/// use waxseal::{Request, Response, Result, abort, context};
///
/// async fn wizard(request: Request) -> Result<Response> {
///     let number: u32 = request.param_as("number")?;
///     let name = match number {
///         1 => "Merlin",
///         _ => return abort(404),
///     };
///     request.render("wizard.html", context! { name }).await
/// }
/// ```
#[track_caller]
pub fn abort<T>(status: u16) -> Result<T> {
    Err(Error::status(status))
}

// This is not implemented for `E: std::error::Error`, because neither `anyhow::Error` nor a boxed error implements that
// trait. Both convert into a boxed error, as every error does.
impl<E: Into<Box<dyn StdError + Send + Sync>> + 'static> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        let source = boxed(error);
        let known =
            error_chain::chain(&*source).find_map(|cause| Some((known_status(cause)?, cause.to_string())));
        let (known, message) = known.unzip();
        Self {
            status: known.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            // The messages of these errors are written for whoever sent the request.
            message: message.map(Cow::from),
            headers: match known {
                Some(StatusCode::SERVICE_UNAVAILABLE) => vec![(RETRY_AFTER, RETRY_AFTER_SECONDS)],
                _ if matches!(source.downcast_ref(), Some(waxseal_server::Error::Encoded(_))) => {
                    vec![(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]
                }
                _ => Vec::new(),
            },
            source: Some(source),
            place: Location::caller(),
        }
    }
}

/// Boxes the error so that it can be downcast to its own type. With `anyhow::Error`, `Into` would hide the type of the
/// error inside.
fn boxed<E: Into<Box<dyn StdError + Send + Sync>> + 'static>(error: E) -> Box<dyn StdError + Send + Sync> {
    let mut error = Some(error);
    match (&mut error as &mut dyn Any).downcast_mut::<Option<anyhow::Error>>().and_then(Option::take) {
        Some(error) => error.reallocate_into_boxed_dyn_error_without_backtrace(),
        None => error.expect("only an `anyhow::Error` was taken out").into(),
    }
}

/// The status of an error of this framework.
fn known_status(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
    fn of<E: StdError + 'static>(
        error: &(dyn StdError + 'static),
        status: fn(&E) -> StatusCode,
    ) -> Option<StatusCode> {
        error.downcast_ref().map(status)
    }
    let is_known = |status: &StatusCode| *status != StatusCode::INTERNAL_SERVER_ERROR;
    of(error, waxseal_server::Error::status)
        .or_else(|| of(error, waxseal_http::Error::status))
        .or_else(|| of(error, CsrfError::status))
        .or_else(|| of(error, session_status).or_else(|| of(error, session_status_of)).filter(is_known))
}

/// The status of a session error: 501 for an operation that the chosen state or store does not support, else that of
/// [`status_of`].
fn session_status(error: &waxseal_manager::Error) -> StatusCode {
    match error {
        waxseal_manager::Error::NoStore | waxseal_manager::Error::NotPromised(_) => {
            StatusCode::NOT_IMPLEMENTED
        }
        error => status_of(error),
    }
}

/// Writes the status, the message and the chain of causes on one line, for the log.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes: Vec<_> =
            self.source.as_deref().map(|source| error_chain::texts(source)).into_iter().flatten().collect();
        // A message that equals the text of a cause would appear twice.
        let message = self.message.as_deref().map(str::to_owned).filter(|message| !causes.contains(message));
        let texts = iter::once(self.status.to_string()).chain(message).chain(causes);
        f.write_str(&error_chain::one_line(texts))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}
