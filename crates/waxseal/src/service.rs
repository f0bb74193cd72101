//! An app that is ready to answer requests.

mod failures;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use minijinja::Value;
#[cfg(feature = "device")]
use tracing::Instrument;
use waxseal_crypto::Keyring;
#[cfg(feature = "device")]
use waxseal_http::DeviceCall;
use waxseal_http::{Scheme, SessionLayer, development, is_local_path, origin};
use waxseal_keys::Secrets;
use waxseal_manager::Visit;
use waxseal_server::{
    Body, Limits, Peer, RouteMatch, Router, StaticFiles, catching_panics_of, timeout_catching_panics,
};

use crate::app_context::AppContext;
use crate::error::{Error, Result};
use crate::handler::BoxFuture;
use crate::hooks::HookChain;
use crate::http_metrics::HttpMetrics;
use crate::redirects::redirect_as;
use crate::request::{Request, RequestApp};
use crate::request_log::RequestLog;
use crate::response::Response;
use crate::route::Target;
use crate::settings::Settings;
use crate::template_setup::RequestValues;
use crate::{csrf, ends, panel, policy_advice, redirects, security_headers, start_line, under_path};

/// What an error page and the hooks after a handler have together, once the time of a request is up.
const OVERTIME: Duration = Duration::from_secs(2);

/// An app that is ready to answer requests. It is a hyper service; tests call [`answer`](Self::answer).
#[derive(Clone)]
pub struct AppService {
    shared: Arc<Shared>,
    /// The peer of the connection whose requests it answers.
    peer: Option<Peer>,
}

/// The parts of an app that all requests share.
pub(crate) struct Shared {
    pub(crate) context: AppContext,
    pub(crate) router: Router<Target>,
    /// The hooks around each route.
    pub(crate) hooks: Vec<HookChain>,
    /// The hooks of a request without a route.
    pub(crate) outermost: HookChain,
    pub(crate) values: RequestValues,
    pub(crate) development: bool,
    pub(crate) security: Vec<(HeaderName, HeaderValue)>,
    pub(crate) csrf_tokens: bool,
    /// If `true`, prints why a request failed, for the output of a test.
    pub(crate) prints_failures: bool,
    pub(crate) metrics: HttpMetrics,
    pub(crate) log: RequestLog,
}

/// A request that has no response yet. Its session is closed if the request is dropped, as when its client hangs up.
struct Unanswered<'r>(Option<&'r Request>);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.0.and_then(Request::session_at_end) {
            session.close();
        }
    }
}

/// What answers a request. Rare variants are boxed, since each request's future has space for the largest.
enum Destination<'r> {
    Route(&'r Target),
    Answered(Box<Result<Response>>),
    /// Refused before any cookie is read.
    Refused(Box<Error>),
}

impl RequestApp for Shared {
    fn context(&self) -> &AppContext {
        &self.context
    }

    fn template_value(&self, name: &str, request: &Request) -> Option<Value> {
        self.values.look_up(name, request)
    }
}

impl AppService {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), peer: None }
    }

    /// Returns the same app for the requests of one connection from `peer`. [`Request::remote_addr`] starts from that
    /// address.
    #[must_use]
    pub fn for_peer(&self, peer: Peer) -> Self {
        Self { shared: Arc::clone(&self.shared), peer: Some(peer) }
    }

    /// The limits of size and time for a request.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.context.limits
    }

    /// Changes the keys, for all requests whose session is loaded from now on.
    ///
    /// A request that has loaded its session keeps the keys that it was loaded with.
    pub fn set_keyring(&self, keyring: &Keyring) {
        self.sessions().set_keyring(keyring);
    }

    /// The line with which a server says what it runs.
    pub(crate) fn start_line(&self, settings: &Settings, secrets: &Secrets, connections: u32) -> String {
        start_line::of(&self.shared.context, settings, secrets, connections)
    }

    /// The layer that loads, saves, lists and ends the sessions.
    #[must_use]
    pub fn sessions(&self) -> &SessionLayer {
        &self.shared.context.sessions
    }

    /// Maintains the session store for as long as it is polled; see [`SessionLayer::maintain`].
    pub async fn maintain(&self) {
        self.sessions().maintain().await;
    }

    /// Answers one request. Every error becomes a response.
    pub async fn answer(&self, request: http::Request<Body>) -> Response {
        self.shared.answer(&mut self.request(request, None)).await
    }

    /// Answers one request of a test, sent with this scheme. Also returns the request.
    pub(crate) async fn answer_by(
        &self,
        scheme: Option<Scheme>,
        request: http::Request<Body>,
    ) -> (Response, Request) {
        let mut request = self.request(request, scheme);
        (self.shared.answer(&mut request).await, request)
    }

    /// Creates a request to this app, sent with this scheme if one is given.
    pub(crate) fn request(&self, request: http::Request<Body>, scheme: Option<Scheme>) -> Request {
        Request::new(request, self.shared.clone(), self.peer, scheme)
    }
}

impl Shared {
    /// Answers a request within its span, and counts it.
    async fn answer(&self, request: &mut Request) -> Response {
        let mut in_flight = self.metrics.begin(request.started());
        #[cfg(feature = "device")]
        if let Some(call) = self.device_call(request) {
            let span = self.log.span(request);
            let response = self.answer_to_device(call, request).instrument(span.clone()).await;
            let seconds = in_flight.answered(response.status());
            self.log.end(&span, request, response.status(), seconds);
            return response;
        }
        let destination = self.destination(request);
        in_flight.set_route(request.route_index());
        let request = &*request;
        let span = self.log.span(request);
        // Pinned on the stack: `Instrument` would move this large future twice.
        let mut work = pin!(self.response_to(destination, request));
        let mut response = poll_fn(|cx| span.in_scope(|| work.as_mut().poll(cx))).await;
        let id = request.request_id().header_value();
        response.headers_mut().insert(self.context.request_id.answered().clone(), id);
        let seconds = in_flight.answered(response.status());
        self.log.end(&span, request, response.status(), seconds);
        response
    }

    /// The request as a browser's call that registers or refreshes its device, if it is one.
    #[cfg(feature = "device")]
    fn device_call(&self, request: &Request) -> Option<DeviceCall> {
        let (method, headers) = (request.method(), request.headers());
        match self.context.proxies.root_path.as_str() {
            "" => self.context.sessions.device_call(method, request.uri(), headers),
            // Browsers were told the whole path; a proxy may have removed the root path or not.
            root => {
                let seen = format!("{root}{}", request.path()).parse().ok()?;
                self.context.sessions.device_call(method, &seen, headers)
            }
        }
    }

    /// The response to such a call. Hooks, CSRF tokens and the cross-site check do not apply to it.
    #[cfg(feature = "device")]
    async fn answer_to_device(&self, call: DeviceCall, request: &Request) -> Response {
        let answer = Box::pin(async { Ok::<_, Error>(call.answer().await.map(Body::from)) });
        let answer = timeout_catching_panics(self.context.limits.request_time, answer).await;
        let mut response = match answer.map_err(Error::from).and_then(|answer| answer) {
            Ok(response) => response,
            Err(error) => {
                tracing::error!("{error}");
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response
            }
        };
        let id = request.request_id().header_value();
        response.headers_mut().insert(self.context.request_id.answered().clone(), id);
        security_headers::apply(&self.security, response.headers_mut());
        response
    }

    /// Responds to a request and commits its session.
    async fn response_to(&self, destination: Destination<'_>, request: &Request) -> Response {
        let is_refused = matches!(destination, Destination::Refused(_));
        let mut unanswered = Unanswered(Some(request));
        let mut response = self.respond(destination, request).await;
        // What the page of a refused request writes is dropped: a cookie of the session made up for it would displace the
        // visitor's.
        let session = request.session_at_end();
        if let Some(session) = session.filter(|_| is_refused) {
            session.close();
        }
        if let Some(session) = session.filter(|_| !is_refused) {
            let sessions = &self.context.sessions;
            if !sessions.finish_at_once(session, &mut response) {
                // It may run an app's code.
                let finish = boxed(|| sessions.finish_touched(session, &mut response));
                let finished = catching_panics_of(finish).await;
                if let Some(instead) = self.instead_of(finished, request, session) {
                    response = instead.await;
                }
            }
            // The folder's `public` was not said with this visitor in mind. It has noted it in the extensions.
            if !response.extensions().is_empty()
                && session.visit().map(Visit::session).is_some_and(|it| it.is_accessed() && !it.is_new())
            {
                StaticFiles::keep_private(&mut response);
            }
        }
        unanswered.0 = None;
        ends::with_its_session(request, &mut response);
        if let Some(log) = &self.context.panel {
            panel::note(log, request, &response);
        }
        under_path::complete_location(request.root(), response.headers_mut());
        security_headers::apply(&self.security, response.headers_mut());
        if self.development {
            policy_advice::log(request, &response);
        }
        if self.hooks_of(request).has_teardown() {
            boxed(|| self.tear_down(request, response.status())).await;
        }
        response
    }

    /// Runs the hooks at the end of a request. They can read the session, and write nothing to it.
    async fn tear_down(&self, request: &Request, status: StatusCode) {
        for hook in self.hooks_of(request).teardown() {
            if let Err(error) = self.in_time_left(request, hook(request.clone(), status)).await {
                self.log_failure(&error, request);
            }
        }
    }

    /// The hooks around the route of a request, or those of a request without a route.
    fn hooks_of(&self, request: &Request) -> &HookChain {
        request.route_index().map_or(&self.outermost, |index| &self.hooks[index])
    }

    /// The response of a handler, hook or error page. The session is not committed yet.
    async fn respond(&self, destination: Destination<'_>, request: &Request) -> Response {
        let hooks = self.hooks_of(request);
        let answer = match destination {
            Destination::Refused(refused) => Err(*refused),
            destination => {
                // The call is inside the async block, so that a panic before its first await is caught, too.
                let answer = async {
                    if self.asks_for_token(&destination, request.method()) {
                        boxed(|| csrf::check(request)).await?;
                    }
                    if hooks.has_before()
                        && let Some(early) = boxed(|| hooks.before(request)).await?
                    {
                        return Ok(early);
                    }
                    match destination {
                        Destination::Route(target) => target.handler.call(request.clone()).await,
                        Destination::Answered(answer) => *answer,
                        Destination::Refused(refused) => Err(*refused),
                    }
                };
                match timeout_catching_panics(self.context.limits.request_time, answer).await {
                    Ok(answer) => answer,
                    Err(failure) => Err(request.whose_fault(failure).into()),
                }
            }
        };
        let mut response = match answer.and_then(redirects::checked) {
            Ok(response) => {
                request.drop_changes_of(response.status());
                response
            }
            Err(error) => boxed(|| self.answer_to(error, request)).await,
        };
        if hooks.has_after() {
            response = boxed(|| self.after(response, request)).await;
        }
        response
    }

    fn destination(&self, request: &mut Request) -> Destination<'_> {
        match self.admit(request) {
            Ok(RouteMatch::Route { value, params }) => {
                request.set_route(value.index, params);
                Destination::Route(value)
            }
            Ok(RouteMatch::NotFound) => Destination::Answered(Box::new(self.with_slash(request))),
            Ok(other) => Destination::Answered(Box::new(without_route(other))),
            Err(refused) => {
                // A refused request opens no session, not even for its error page.
                request.forget_session();
                Destination::Refused(Box::new(refused))
            }
        }
    }

    /// A redirect to the path with a slash appended, if a route matches that, as in Flask; or else 404.
    fn with_slash(&self, request: &Request) -> Result<Response> {
        let path = format!("{}/", request.path());
        let found = self.router.find(request.method(), &path);
        if path.ends_with("//") || !is_local_path(&path) || !matches!(found, RouteMatch::Route { .. }) {
            return Err(Error::status(404));
        }
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        // With the root path, since the page may be named as it is: see `complete_location`.
        Ok(redirect_as(StatusCode::PERMANENT_REDIRECT, &request.at_root(&format!("{path}{query}"))))
    }

    /// Runs the hooks after the handler on the response.
    async fn after(&self, response: Response, request: &Request) -> Response {
        let hooks = self.hooks_of(request);
        match self.in_time_left(request, hooks.after(request, response)).await.and_then(redirects::checked) {
            Ok(response) => response,
            Err(error) => boxed(|| self.answer_to(error, request)).await,
        }
    }

    /// Runs what comes after the handler, a hook or an error page, in what is left of the request's time. A panic becomes
    /// an error.
    async fn in_time_left<T>(&self, request: &Request, hook: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = self.context.limits.request_time.saturating_add(OVERTIME);
        let left = limit.saturating_sub(request.started().elapsed());
        let answer = timeout_catching_panics(left, hook).await;
        answer.unwrap_or_else(|failure| {
            Err(match failure {
                waxseal_server::Error::TimedOut { .. } => waxseal_server::Error::TimedOut { limit },
                other => other,
            }
            .into())
        })
    }

    fn asks_for_token(&self, destination: &Destination<'_>, method: &Method) -> bool {
        let exempt = |target: &Target| target.csrf_exempt || origin::is_safe(method);
        self.csrf_tokens && matches!(destination, Destination::Route(target) if !exempt(target))
    }

    /// Finds the route of a request. Refuses the request for a bad `Host` or a foreign origin.
    fn admit(&self, request: &Request) -> Result<RouteMatch<'_, Target>> {
        let host = request.checked_host()?;
        if self.development {
            development::check(request.headers(), &host)?;
        }
        let found = self.router.find(request.method(), request.path());
        if !matches!(&found, RouteMatch::Route { value, .. } if value.cross_site) {
            origin::check(request.method(), request.headers(), request.scheme(), &host)?;
        }
        Ok(found)
    }
}

/// Boxes the future of something that most requests do not need. The future is created in a separate function:
/// otherwise it would enlarge every request's future and the stack frame of its caller.
#[inline(never)]
fn boxed<F: Future>(begin: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(begin())
}

/// The response if no route matches.
fn without_route(found: RouteMatch<'_, Target>) -> Result<Response> {
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
        // Created outside the future, which then holds a pointer to the request and not the request itself.
        let rate = shared.context.limits.body_rate;
        let mut request = Request::new(
            request.map(|body| Body::from(body).at_least(rate)),
            shared.clone(),
            self.peer,
            None,
        );
        Box::pin(async move { Ok(shared.answer(&mut request).await) })
    }
}

impl std::fmt::Debug for AppService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppService").field("development", &self.shared.development).finish_non_exhaustive()
    }
}
