//! What an app does around its handlers: before them, after them, and instead of a page for an error.

use std::future::Future;

use http::StatusCode;

use crate::{App, BoxFuture, Error, Request, Response, Result};

type Before = Box<dyn Fn(Request) -> BoxFuture<Result<Option<Response>>> + Send + Sync>;
type After = Box<dyn Fn(Request, Response) -> BoxFuture<Result<Response>> + Send + Sync>;
type OnError = Box<dyn Fn(Request, Error) -> BoxFuture<Result<Response>> + Send + Sync>;

/// All of an app's hooks; most apps have none, and then a request pays nothing for them.
#[derive(Default)]
pub(crate) struct Hooks {
    before: Vec<Before>,
    pub(crate) after: Vec<After>,
    errors: Vec<(StatusCode, OnError)>,
}

impl App {
    /// Runs `hook` before the handler of every request that this app answers, also one without a route; in the order
    /// they are added. `Ok(Some(response))` answers early: the handler is not called.
    ///
    /// A request that is refused before any cookie is looked at (another site's form, a bad `Host`) is none of them.
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
    pub fn before_request<F, Answer>(mut self, hook: F) -> Self
    where
        F: Fn(Request) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Option<Response>>> + Send + 'static,
    {
        self.hooks.before.push(Box::new(move |request| Box::pin(hook(request))));
        self
    }

    /// Runs `hook` with every answer, error pages among them, before the session is committed; in the reverse of the
    /// order they are added, as in Flask. What it returns is sent; an error that it ends in is answered as a handler's
    /// is, and no hook runs after that answer.
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
    pub fn after_request<F, Answer>(mut self, hook: F) -> Self
    where
        F: Fn(Request, Response) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Response>> + Send + 'static,
    {
        let hook: After = Box::new(move |request, response| Box::pin(hook(request, response)));
        self.hooks.after.insert(0, hook);
        self
    }

    /// Answers errors of this status, 400 to 599, instead of a page for them; the last one added for a status counts.
    ///
    /// An answer of 200 gets the error's status, and the error's headers (`Allow`, `Retry-After`) are added.
    ///
    /// Every error of a request goes through here, wherever it was born: in a hook, handler or template, in a panic or
    /// at the time limit, for want of a route or a form token, from another site, for a bad `Host`, or when the session
    /// could not be saved (it can then be read, and no longer written). Three do not: what the error handler itself
    /// fails with, which has a page, so that nothing goes in a circle; in development 500 and more, which show what
    /// went wrong; and requests that are no HTTP, or whose head is too large, which no app sees.
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
    /// If `status` is none of an error: a mistake in the program, found at its start.
    #[must_use]
    pub fn error_handler<F, Answer>(mut self, status: u16, handler: F) -> Self
    where
        F: Fn(Request, Error) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Response>> + Send + 'static,
    {
        let status = StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
        let status = status.expect("an error handler is for a status from 400 to 599");
        let handler: OnError = Box::new(move |request, error| Box::pin(handler(request, error)));
        self.hooks.errors.push((status, handler));
        self
    }
}

impl Hooks {
    pub(crate) async fn before(&self, request: &Request) -> Result<Option<Response>> {
        for hook in &self.before {
            if let Some(early) = hook(request.clone()).await? {
                return Ok(Some(early));
            }
        }
        Ok(None)
    }

    pub(crate) async fn after(&self, request: &Request, mut response: Response) -> Result<Response> {
        for hook in &self.after {
            response = hook(request.clone(), response).await?;
        }
        Ok(response)
    }

    pub(crate) fn handles(&self, status: StatusCode) -> bool {
        self.errors.iter().any(|(handled, _)| *handled == status)
    }

    /// The answer of the handler for this error's status, which there is.
    pub(crate) async fn on_error(&self, request: &Request, error: Error) -> Result<Response> {
        let status = error.status_code();
        let headers = error.headers().to_vec();
        let (_, handler) =
            self.errors.iter().rfind(|(handled, _)| *handled == status).expect("it was asked for before");
        let mut response = handler(request.clone(), error).await?;
        if response.status() == StatusCode::OK {
            *response.status_mut() = status;
        }
        for (name, value) in headers {
            response.headers_mut().entry(name).or_insert(value);
        }
        Ok(response)
    }
}
