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
        self.routes = self.routes.before_request(hook);
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
        self.routes = self.routes.after_request(hook);
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
        self.routes = self.routes.error_handler(status, handler);
        self
    }

    /// Runs `hook` at the end of every request, whatever became of it: the session is saved by then, and the response,
    /// whose status it gets, is about to leave. A change of the session is too late.
    ///
    /// It is for what has to be given back or noted. An error of the hook is logged and changes nothing. What is simply
    /// dropped, such as a connection of a pool in [`g`](Request::g), needs none. It does not run if the visitor leaves before
    /// the answer.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, Request, Result, StatusCode};
    ///
    /// async fn note(request: Request, status: StatusCode) -> Result<()> {
    ///     let audit = std::fs::OpenOptions::new().append(true).open("audit.log")?;
    ///     std::io::Write::write_all(&mut &audit, format!("{} {status}\n", request.path()).as_bytes())?;
    ///     Ok(())
    /// }
    ///
    /// let app = App::new("demo").teardown_request(note);
    /// ```
    #[must_use]
    pub fn teardown_request<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Request, StatusCode) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.routes = self.routes.teardown_request(hook);
        self
    }
}
