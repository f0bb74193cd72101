//! Hooks and error handlers of an app.

use std::future::Future;

use http::StatusCode;

use super::App;
use crate::error::{Error, Result};
use crate::request::Request;
use crate::response::Response;

impl App {
    /// Runs `hook` before the handler of every request, including requests that no route matches.
    ///
    /// Hooks run in the order in which they are added. If a hook returns `Ok(Some(response))`, that response is sent
    /// and the handler is not called.
    ///
    /// The hook does not run for a request that is refused before any cookie is read, such as a form from another site
    /// or one with a bad `Host`.
    ///
    /// To guard some of the routes, put them into a group with a [hook of its own](crate::Routes::before_request). Do not
    /// decide by [`path`](Request::path), which is percent-encoded.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, Request, Response, Result, abort};
    ///
    /// async fn close_for_repairs(request: Request) -> Result<Option<Response>> {
    ///     if request.config("CLOSED")? { abort(503) } else { Ok(None) }
    /// }
    ///
    /// let app = App::new("demo").config("CLOSED", false).before_request(close_for_repairs);
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

    /// Runs `hook` with every response, including error pages, before the session is committed. It may still write to
    /// the session.
    ///
    /// Hooks run in the reverse of the order in which they are added, as in Flask. The response that a hook returns is
    /// sent. An error from a hook is answered like one from a handler, and no further hook runs.
    ///
    /// If the session then cannot be saved, an error page with status 409 or 503 is sent instead of the response, and no hook
    /// runs on it. A [`teardown_request`](Self::teardown_request) hook is given the status that is sent, as an audit needs it;
    /// [security headers](Self::security_headers) are on that page, too.
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

    /// Answers errors with this status, 400 to 599, instead of an error page. If a status has several handlers, the
    /// last one is used.
    ///
    /// If the handler's response has status 200, it gets the error's status. The error's headers (`Allow`,
    /// `Retry-After`) are added.
    ///
    /// The handler is called for every error of a request: an error of a hook, handler or template, a panic, a timeout,
    /// a missing route, a missing CSRF token, a request from another site, a bad `Host`, and a session that could not
    /// be saved, which the handler can then read but not write. A request from another site or with a bad `Host` has an
    /// empty session, and what is written to it is dropped.
    ///
    /// There are three exceptions: an error of the error handler itself gets an error page; in development a status of 500
    /// or more gets the page that shows the cause; and no app sees requests that are not HTTP or whose head is too large.
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
    /// If `status` is not from 400 to 599. This is a mistake in the program, found when it starts.
    #[must_use]
    pub fn error_handler<F, Fut>(mut self, status: u16, handler: F) -> Self
    where
        F: Fn(Request, Error) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        self.routes = self.routes.error_handler(status, handler);
        self
    }

    /// Runs `hook` at the end of every request, whatever its outcome. By then the session is saved and the response,
    /// whose status the hook is given, is about to be sent. It is too late to change the session.
    ///
    /// Use it to release or record something. An error of the hook is logged and changes nothing. A value that is
    /// released when it is dropped, such as a pooled connection in [`g`](Request::g), needs no hook. The hook does not
    /// run if the client disconnects before the response is ready.
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
