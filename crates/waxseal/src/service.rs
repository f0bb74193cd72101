//! Answers requests: the app, ready.

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use waxseal_crypto::Keyring;
use waxseal_http::{RequestSession, SessionLayer, development, host, is_failure, origin};
use waxseal_server::{Body, Limits, RouteMatch, Router, timeout_catching_panics};
use waxseal_templates::context;

use crate::hooks::Hooks;
use crate::pages::Pages;
use crate::panel::Panel;
use crate::route::Answer;
use crate::urls::{Name, Urls};
use crate::{BoxFuture, Error, Request, Response, Result, csrf, error_page, security_headers};

/// An app that is ready to answer: a hyper service, and for tests a function of a request.
#[derive(Clone)]
pub struct AppService {
    shared: Arc<Shared>,
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) router: Router<Answer>,
    pub(crate) pages: Pages,
    pub(crate) sessions: SessionLayer,
    pub(crate) limits: Limits,
    pub(crate) development: bool,
    pub(crate) hooks: Hooks,
    pub(crate) urls: Arc<Urls>,
    /// Name and path of each route.
    pub(crate) endpoints: Vec<(Name, String)>,
    pub(crate) security: Vec<(HeaderName, HeaderValue)>,
    pub(crate) csrf_tokens: bool,
    /// For the panel, which there is in development alone.
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) store: String,
    pub(crate) panel: Option<Panel>,
}

/// Where a request leads. What is rare is boxed: each request's future has room for one.
enum Target<'r> {
    Route(&'r Answer),
    Answered(Box<Result<Response>>),
    /// Refused before any cookie is looked at.
    Refused(Box<Error>),
}

impl AppService {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// What a request may cost.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Changes the keys, for every request whose session is loaded from now on; one that has loaded its session is
    /// finished with the keys it was loaded with.
    pub fn set_keyring(&self, keyring: &Keyring) {
        self.shared.sessions.set_keyring(keyring);
    }

    /// Who loads, saves, lists and ends the sessions.
    #[must_use]
    pub fn sessions(&self) -> &SessionLayer {
        &self.shared.sessions
    }

    /// Looks after the session store for as long as it is polled; see [`SessionLayer::maintain`].
    pub async fn maintain(&self) {
        self.shared.sessions.maintain().await;
    }

    /// Answers one request, whatever it is.
    pub async fn answer(&self, request: http::Request<Body>) -> Response {
        self.shared.answer(Request::new(request, Arc::clone(&self.shared))).await
    }
}

impl Shared {
    pub(crate) fn sessions(&self) -> &SessionLayer {
        &self.sessions
    }

    async fn answer(&self, mut request: Request) -> Response {
        let mut response = self.respond(&mut request).await;
        if let Some(session) = request.asked_session()
            && let Err(error) = self.sessions.finish(session, &mut response).await
        {
            response = Box::pin(self.unfinished(error.into(), &request, session)).await;
        }
        if let Some(panel) = &self.panel {
            panel.note(&request, &response);
        }
        security_headers::apply(&self.security, response.headers_mut());
        response
    }

    /// The answer of a handler, or what takes its place; the session is not committed yet.
    async fn respond(&self, request: &mut Request) -> Response {
        let target = match self.admit(request.parts()) {
            Ok(RouteMatch::Route { value, params }) => {
                request.set_route(value.index, params);
                Target::Route(value)
            }
            Ok(other) => Target::Answered(Box::new(without_route(other))),
            Err(refused) => {
                // A refused request opens nobody's session, not even for the page that says so.
                request.forget_session();
                Target::Refused(Box::new(refused))
            }
        };
        let request = &*request;
        let bare = matches!(&target, Target::Route(answer) if answer.bare);
        let answer = match target {
            Target::Refused(refused) => Err(*refused),
            target => {
                // The call stands inside, so that a panic before its first await is caught too.
                let answer = async {
                    if self.asks_for_token(&target, request.method()) {
                        Box::pin(csrf::check(request)).await?;
                    }
                    if !bare && let Some(early) = self.hooks.before(request).await? {
                        return Ok(early);
                    }
                    match target {
                        Target::Route(answer) => answer.handler.call(request.clone()).await,
                        Target::Answered(answer) => *answer,
                        Target::Refused(refused) => Err(*refused),
                    }
                };
                let answer = timeout_catching_panics(self.limits.request_time, answer).await;
                answer.unwrap_or_else(|failure| Err(failure.into()))
            }
        };
        let response = match answer {
            Ok(response) => {
                drop_changes(response.status(), request);
                response
            }
            // Boxed, because it hardly ever is there and would make every request's future larger.
            Err(error) => Box::pin(self.answer_to(error, request)).await,
        };
        match bare || self.hooks.after.is_empty() {
            true => response,
            false => Box::pin(self.after(response, request)).await,
        }
    }

    /// The answer as the hooks that run after a handler leave it.
    async fn after(&self, response: Response, request: &Request) -> Response {
        match self.guarded(self.hooks.after(request, response)).await {
            Ok(response) => response,
            Err(error) => Box::pin(self.answer_to(error, request)).await,
        }
    }

    /// What a hook answers, within the time for a request.
    async fn guarded(&self, hook: impl Future<Output = Result<Response>>) -> Result<Response> {
        let answer = timeout_catching_panics(self.limits.request_time, hook).await;
        answer.unwrap_or_else(|failure| Err(failure.into()))
    }

    /// What answers instead when the session could not be committed; it is as before the request again.
    async fn unfinished(&self, error: Error, request: &Request, session: &RequestSession) -> Response {
        session.rollback();
        let mut response = self.answer_to(error, request).await;
        if let Err(error) = self.sessions.finish(session, &mut response).await {
            // What the app's error handler wrote could not be saved either.
            let error = error.into();
            log(&error, request);
            response = self.error_page(&error, request).await;
            // Nothing is left to be saved, but a page that read the session has to say so.
            let _ = self.sessions.finish(session, &mut response).await;
        }
        response
    }

    fn asks_for_token(&self, target: &Target<'_>, method: &Method) -> bool {
        let exempt = |answer: &Answer| answer.csrf_exempt || origin::is_safe(method);
        self.csrf_tokens && matches!(target, Target::Route(answer) if !exempt(answer))
    }

    /// Finds what answers a request that this server should answer at all.
    fn admit(&self, parts: &Parts) -> Result<RouteMatch<'_, Answer>> {
        let host = host::host(parts.version, &parts.uri, &parts.headers)?;
        if self.development {
            development::check(&parts.headers, &host)?;
        }
        let found = self.router.find(&parts.method, parts.uri.path());
        if !matches!(&found, RouteMatch::Route { value, .. } if value.cross_site) {
            origin::check(&parts.method, &parts.headers, self.sessions.scheme(), &host)?;
        }
        Ok(found)
    }

    /// The answer to any error, wherever it was born: of the app's handler for this status, or a page. What that handler
    /// itself fails with has a page in any case, so no error is handled twice.
    async fn answer_to(&self, error: Error, request: &Request) -> Response {
        match self.handled(error, request).await {
            Ok(response) => response,
            Err(error) => self.error_page(&error, request).await,
        }
    }

    /// What the app's handler for this error answers; the error itself if there is none, or what the handler fails with.
    async fn handled(&self, error: Error, request: &Request) -> Result<Response> {
        log(&error, request);
        drop_changes(error.status_code(), request);
        if !self.has_handler(error.status_code()) {
            return Err(error);
        }
        let answer = self.guarded(self.hooks.on_error(request, error)).await;
        answer.inspect_err(|failed| {
            log(failed, request);
            drop_changes(failed.status_code(), request);
        })
    }

    fn has_handler(&self, status: StatusCode) -> bool {
        self.hooks.handles(status) && !self.shows_source(status)
    }

    /// Whether an error's page is for the developer.
    fn shows_source(&self, status: StatusCode) -> bool {
        self.development && status.is_server_error()
    }

    /// The page for an error: the app's own `error.html` if there is one, else a plain one. While developing,
    /// a server's error shows what went wrong and where.
    async fn error_page(&self, error: &Error, request: &Request) -> Response {
        let status = error.status_code();
        let mut response = match self.shows_source(status) {
            true => error_page::development(error, request),
            false => {
                let page = self.public_page(error, request).await;
                crate::html(page.unwrap_or_else(|| error_page::plain(error)))
            }
        };
        *response.status_mut() = status;
        for (name, value) in error.headers() {
            response.headers_mut().append(name, value.clone());
        }
        response
    }

    async fn public_page(&self, error: &Error, request: &Request) -> Option<String> {
        if !self.pages.has("error.html") {
            return None;
        }
        let status = error.status_code();
        let context = context! {
            status => status.as_u16(),
            reason => error_page::reason(status),
            message => error.public_message(),
        };
        let page = self.pages.render("error.html", context, request).await;
        page.inspect_err(|error| tracing::error!("the error page itself failed: {error}")).ok()
    }
}

/// Drops what a request that failed did to its session, before anything is made of its failure.
fn drop_changes(status: StatusCode, request: &Request) {
    if is_failure(status) {
        request.request_session().rollback();
    }
}

fn log(error: &Error, request: &Request) {
    let place = format_args!("{} {}", request.method(), request.path()).to_string();
    match error.status_code() {
        status if status.is_server_error() => tracing::error!(request = place, "{error}"),
        // An operator wants to see these: another site's form, or a proxy that changes the Host.
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => tracing::info!(request = place, "{error}"),
        _ => tracing::debug!(request = place, "{error}"),
    }
}

/// What answers where there is no route.
fn without_route(found: RouteMatch<'_, Answer>) -> Result<Response> {
    match found {
        RouteMatch::Options { allow } => Ok(allowing(StatusCode::NO_CONTENT, allow)),
        RouteMatch::MethodNotAllowed { allow } => {
            Err(Error::status(405).header(header::ALLOW, allow.clone()))
        }
        RouteMatch::BadPath(error) => Err(error.into()),
        RouteMatch::NotFound | RouteMatch::Route { .. } => Err(Error::status(404)),
    }
}

fn allowing(status: StatusCode, allow: &HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::ALLOW, allow.clone());
    response
}

impl hyper::service::Service<http::Request<hyper::body::Incoming>> for AppService {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response, Infallible>>;

    fn call(&self, request: http::Request<hyper::body::Incoming>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        // Made here, so that the future holds a pointer to the request and not the request.
        let request = Request::new(request.map(Body::from), Arc::clone(&shared));
        Box::pin(async move { Ok(shared.answer(request).await) })
    }
}

impl std::fmt::Debug for AppService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppService").field("development", &self.shared.development).finish_non_exhaustive()
    }
}
