//! Hooks and error handlers of an app.

use std::future::Future;

use http::StatusCode;

use super::App;
use crate::error::{Error, Result};
use crate::request::Request;
use crate::response::Response;

impl App {
    /// Runs `hook` before the handler of every request, also of one without a route.
    ///
    /// Hooks run in the order in which they are added. `Ok(Some(response))` answers early: the handler is not called.
    ///
    /// It does not run for a request that is refused before any cookie is read: another site's form, a bad `Host`.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, Request, Response, Result, redirect};
    ///
    /// async fn sign_in_first(request: Request) -> Result<Option<Response>> {
    ///     if request.path().starts_with("/private/") && !request.session().await?.contains_key("user") {
    ///         return Ok(Some(redirect("/sign-in")));
    ///     }
    ///     Ok(None)
    /// }
    ///
    /// let app = App::new("demo").before_request(sign_in_first);
    /// ```
    #[must_use]
    pub fn before_request<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Response>>> + Send + 'static,
    {
        self.hooks.add_before(Box::new(move |request| Box::pin(hook(request))));
        self
    }

    /// Runs `hook` with every response, also with error pages, before the session is committed.
    ///
    /// Hooks run in the reverse of the order in which they are added, as in Flask. The response that a hook returns is
    /// sent. An error that it returns is answered as a handler's is, and no hook runs with that response.
    ///
    /// # Example
    ///
    /// ```
    /// use http::{HeaderValue, header::SERVER};
    /// use waxseal::{App, Request, Response, Result};
    ///
    /// async fn sign(_: Request, mut response: Response) -> Result<Response> {
    ///     response.headers_mut().insert(SERVER, HeaderValue::from_static("Owl Post"));
    ///     Ok(response)
    /// }
    ///
    /// let app = App::new("demo").after_request(sign);
    /// ```
    #[must_use]
    pub fn after_request<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Request, Response) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        self.hooks.add_after(Box::new(move |request, response| Box::pin(hook(request, response))));
        self
    }

    /// Answers errors of this status, 400 to 599, in place of an error page. The last handler of a status counts.
    ///
    /// A response of 200 gets the error's status, and the error's headers (`Allow`, `Retry-After`) are added.
    ///
    /// Every error of a request is handled: in a hook, handler or template, in a panic or
    /// at the time limit, for want of a route or a form token, from another site, for a bad `Host`, or when the session
    /// could not be saved (it can then be read, and no longer written). Three are not: an error of the error handler
    /// itself, which has a page; in development 500 and more, whose page shows the cause; and requests that are not HTTP
    /// or whose head is too large, which no app sees.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, Error, Request, Response, Result, context};
    ///
    /// async fn not_found(request: Request, _: Error) -> Result<Response> {
    ///     request.render("lost.html", context! {}).await
    /// }
    ///
    /// let app = App::new("demo").error_handler(404, not_found);
    /// ```
    ///
    /// # Panics
    ///
    /// If `status` is not one of an error: a mistake in the program, found at its start.
    #[must_use]
    pub fn error_handler<F, Fut>(mut self, status: u16, handler: F) -> Self
    where
        F: Fn(Request, Error) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let status = StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
        let status = status.expect("an error handler is for a status from 400 to 599");
        self.hooks.add_error(status, Box::new(move |request, error| Box::pin(handler(request, error))));
        self
    }
}
