//! What a handler answers instead of a page.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::panic::Location;
use std::{fmt, iter};

use http::header::{ACCEPT_ENCODING, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use waxseal_http::status_of;
use waxseal_keys::error_chain;

use crate::CsrfError;

/// What a handler returns with `?` or `Err`: a status, and what caused it.
///
/// Any error becomes one, an `anyhow::Error` and a `Box<dyn Error + Send + Sync>` too. (A box without `Send + Sync` is the
/// one that does not: handlers run on several threads.) If it is one of ours, or was caused by one of ours, it has the
/// status that this one deserves: a malformed form is a 400, a body over the limit a 413. Any other is a 500.
/// [`Error::status`] answers early, as Flask's `abort` does.
///
/// A visitor sees the status, and for 4xx the message; the causes go to the log.
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
    /// The `?`, or the call, that made it: for the developer's page.
    place: &'static Location<'static>,
}

/// When to come back after the session store was away: breakers look every second.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Answers with this status, 400 to 599; any other number becomes 500.
    #[must_use]
    #[track_caller]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, message: None, headers: Vec::new(), source: None, place: Location::caller() }
    }

    /// Says something to the visitor. Shown for 4xx; for 5xx it goes to the log.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds a header to the answer, such as `Retry-After`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        self.status
    }

    /// What a visitor may read of it.
    pub(crate) fn public_message(&self) -> Option<&str> {
        self.message.as_deref().filter(|_| self.status.is_client_error())
    }

    /// The first of its causes that is an `E`.
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

/// Answers early with this status: `return abort(404)`, or `abort(404)?` in the middle of an expression. As Flask's
/// `abort`; to say something to the visitor, return an [`Error`] with a [message](Error::message).
///
/// # Errors
///
/// Always: that is what it is for.
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

/// Not of `E: std::error::Error`, which neither `anyhow::Error` nor a boxed error is: both are `Into` a boxed error, as
/// every error is.
impl<E: Into<Box<dyn StdError + Send + Sync>> + 'static> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        let source = boxed(error);
        let known =
            error_chain::chain(&*source).find_map(|cause| Some((known_status(cause)?, cause.to_string())));
        let (known, message) = known.unzip();
        Self {
            status: known.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            // Their texts are written for the person who sent the request.
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

/// The error in a box, as what it is: by its own `Into`, an `anyhow::Error` would hide the type of what it holds.
fn boxed<E: Into<Box<dyn StdError + Send + Sync>> + 'static>(error: E) -> Box<dyn StdError + Send + Sync> {
    let mut error = Some(error);
    match (&mut error as &mut dyn Any).downcast_mut::<Option<anyhow::Error>>().and_then(Option::take) {
        Some(error) => error.reallocate_into_boxed_dyn_error_without_backtrace(),
        None => error.expect("only an `anyhow::Error` was taken out").into(),
    }
}

/// The status that an error of our own deserves.
fn known_status(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
    fn of<E: StdError + 'static>(
        error: &(dyn StdError + 'static),
        status: fn(&E) -> StatusCode,
    ) -> Option<StatusCode> {
        error.downcast_ref().map(status)
    }
    of(error, waxseal_server::Error::status)
        .or_else(|| of(error, waxseal_http::Error::status))
        .or_else(|| of(error, CsrfError::status))
        .or_else(|| of(error, session_status).filter(|status| *status != StatusCode::INTERNAL_SERVER_ERROR))
}

/// As [`status_of`]; what the chosen state lacks is nobody's failure.
fn session_status(error: &waxseal_store::Error) -> StatusCode {
    match error {
        waxseal_store::Error::NoStore => StatusCode::NOT_IMPLEMENTED,
        error => status_of(error),
    }
}

/// Status, message and the chain of causes, for the log: one line whatever they hold.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes: Vec<_> =
            self.source.as_deref().map(|source| error_chain::texts(source)).into_iter().flatten().collect();
        // A message that is a cause's text is said there.
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
