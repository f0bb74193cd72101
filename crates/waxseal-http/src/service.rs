//! The session service for tower and hyper.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use waxseal_manager::Error;

use crate::maintenance;
use crate::request_session::RequestSession;
use crate::session_body::SessionBody;
use crate::session_layer::{SessionLayer, finish_at_once};
use crate::status::status_of;

/// A service with sessions; made by [`SessionLayer::layer`].
///
/// Cross-site requests with unsafe methods, and those that open a WebSocket, are refused with 403 before the session is
/// opened, unless the layer's [`CrossOrigin`](crate::CrossOrigin) lets them through. The response's body says why, as
/// plain text.
///
/// The service puts a [`RequestSession`] into each request's extensions, and commits the session before the response's
/// head is sent. The first request within a tokio runtime starts a task that [maintains](SessionLayer::maintain) the
/// store until the last clone of the layer is dropped.
///
/// Two layers can be around one request. If they are clones of one layer, each applies its rule for requests from other
/// sites, and the inner one does nothing else. An inner clone with a binding of devices or a migration that the outer
/// one does not have is answered with a 500 that says so. If their cookies have different names, each carries its own
/// session, and the handler gets that of the inner layer. Two managers with one cookie name would overwrite each
/// other's cookies, so such a request is answered with a 500 that says so.
///
/// A request's changes are dropped if its response [means failure](crate::is_failure), and if the inner service panics
/// or returns an error, which is passed on. A session that the request destroyed is ended nevertheless. A layer that
/// replaces failed responses belongs *outside*. If it has to be inside, because it writes to the session, it must call
/// [`RequestSession::rollback`] first.
///
/// A time limit can be inside or outside. Inside (`Router::layer(timeout)` before `.layer(sessions)`), a handler that
/// takes too long is answered with 408 or 503, so its changes are dropped. Outside, the request is dropped without a
/// response from this layer: nothing is committed, not even a sign-out, but a save that has begun is completed,
/// although the client gets an error. What tasks of the handler write afterwards is refused, as after the response's
/// head. So put it inside, unless the limit has to include the store's time.
///
/// Put the layer around the whole router. Inside a nested router it sees only the rest of the path, and cannot delete
/// cookies of its name that were set for the path's beginning.
///
/// # Example
///
/// With axum; for raw hyper, wrap the `service_fn` in the same way:
///
/// ```
/// use axum::{Extension, Router, http::StatusCode, routing::get};
/// use waxseal_crypto::{Keyring, SecretKey};
/// use waxseal_http::{SessionCookie, RequestSession, SessionLayer, status_of};
/// use waxseal_manager::{Error, SessionManager};
///
/// // A `Result<_, String>` would be a 200: axum sends any text as one, also that of an `Err`.
/// fn failed(error: impl Into<Error>) -> (StatusCode, String) {
///     let error = error.into();
///     (status_of(&error), error.to_string())
/// }
///
/// async fn visits(Extension(session): Extension<RequestSession>) -> Result<String, (StatusCode, String)> {
///     let session = session.load().await.map_err(failed)?;
///     session.add("visits", 1).map_err(failed)?;
///     Ok(format!("{:?}", session.get::<u32>("visits").map_err(failed)?))
/// }
///
/// let cookie = SessionCookie::builder().build()?;
/// let keyring = Keyring::new(SecretKey::generate()?);
/// let sessions = SessionManager::cookie(&keyring, cookie.name(), "demo")?;
/// let app: Router = Router::new().route("/", get(visits)).layer(SessionLayer::new(sessions, cookie));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SessionService<S> {
    inner: S,
    sessions: SessionLayer,
}

impl SessionLayer {
    /// Wraps a hyper or tower service with sessions. As a tower layer it does the same.
    #[must_use]
    pub fn layer<S>(&self, inner: S) -> SessionService<S> {
        SessionService { inner, sessions: self.clone() }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        self.layer(inner)
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S, A, B> tower_service::Service<Request<A>> for SessionService<S>
where
    S: tower_service::Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<SessionBody<B>>;
    type Error = S::Error;
    type Future = BoxFuture<Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let inner = &mut self.inner;
        self.sessions.answer(request, |request| inner.call(request))
    }
}

impl<S, A, B> hyper::service::Service<Request<A>> for SessionService<S>
where
    S: hyper::service::Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<SessionBody<B>>;
    type Error = S::Error;
    type Future = BoxFuture<Result<Self::Response, S::Error>>;

    fn call(&self, request: Request<A>) -> Self::Future {
        self.sessions.answer(request, |request| self.inner.call(request))
    }
}

/// How a request enters a layer.
enum Entered {
    /// With a new session handle of this layer.
    Anew(RequestSession),
    /// Through a clone of a layer that it has already passed.
    Again,
    /// Not at all. The status and the text of the response.
    Refused(StatusCode, String),
}

impl SessionLayer {
    /// Answers a request with `call`, the inner service's response, or in its place.
    fn answer<A, B, E, F>(
        &self,
        mut request: Request<A>,
        call: impl FnOnce(Request<A>) -> F,
    ) -> BoxFuture<Result<Response<SessionBody<B>>, E>>
    where
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        E: Send + 'static,
        B: Send + 'static,
    {
        #[cfg(feature = "device")]
        if let Some(call) = self.device_call(request.method(), request.uri(), request.headers()) {
            return Box::pin(async move { Ok(call.answer().await.map(SessionBody::text)) });
        }
        match self.enter(&mut request) {
            Entered::Anew(session) => Box::pin(Leaving {
                answer: call(request),
                unanswered: Some(Unanswered::of(session)),
                rest: None,
            }),
            Entered::Again => Box::pin(pass(call(request))),
            Entered::Refused(status, text) => Box::pin(async move { Ok(plain(status, text)) }),
        }
    }

    fn enter<A>(&self, request: &mut Request<A>) -> Entered {
        let outer = request.extensions().get::<RequestSession>();
        let is_again = outer.is_some_and(|outer| self.carries(outer));
        if !is_again && outer.is_some_and(|outer| outer.cookie_name() == self.cookie().name()) {
            return self.twice();
        }
        if is_again && outer.is_some_and(|outer| self.carrier().adds_to(outer.carrier())) {
            return self.without_effect();
        }
        if let Err(refused) = self.carrier().cross_origin().check(request, self.scheme()) {
            tracing::info!(reason = %refused, "cross-site request refused");
            return Entered::Refused(refused.status(), format!("{refused}.\n\n{HOW_TO_ALLOW}\n"));
        }
        if is_again {
            return Entered::Again;
        }
        maintenance::begin(self.carrier());
        let session = self.session_of(request.method(), request.uri(), request.headers());
        request.extensions_mut().insert(session.clone());
        Entered::Anew(session)
    }

    fn twice(&self) -> Entered {
        Self::misplaced(format!(
            "two session layers with different managers are around this route, both for the cookie `{}`; use clones of \
             one layer, or give one of them a cookie of another name",
            self.cookie().name()
        ))
    }

    fn without_effect(&self) -> Entered {
        Self::misplaced(format!(
            "a session layer for the cookie `{}` is within a clone of it, and binds devices or reads old cookies in a way of its \
             own, which would have no effect; set this on the outer layer, or put the two beside each other",
            self.cookie().name()
        ))
    }

    fn misplaced(text: String) -> Entered {
        tracing::error!("{text}");
        Entered::Refused(StatusCode::INTERNAL_SERVER_ERROR, format!("{text}\n"))
    }
}

/// Advice for a developer whose request was refused.
const HOW_TO_ALLOW: &str = "The session layer refuses requests of other sites that could change something or open a WebSocket. \
    To let them through, call its `cross_origin` with one of these: \
    `CrossOrigin::refuse().trust([\"https://app.example\"])?` for certain origins, \
    `CrossOrigin::refuse().except(\"/webhook\")` for certain paths, `CrossOrigin::allow()` for all requests.";

/// The session of a request that has no response yet. It is closed if the request is dropped or fails.
struct Unanswered {
    session: RequestSession,
    is_answered: bool,
}

impl Unanswered {
    fn of(session: RequestSession) -> Self {
        Self { session, is_answered: false }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.is_answered {
            self.session.close();
        }
    }
}

/// The response of a service inside a clone of the layer. The outer layer does everything else.
async fn pass<F, B, E>(answer: F) -> Result<Response<SessionBody<B>>, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    Ok(answer.await?.map(SessionBody::inner))
}

pin_project! {
    /// The inner service's response on its way out.
    // Not an async function: that would hold the inner future twice, and room for a commit, which most requests do not need.
    struct Leaving<F, T> {
        #[pin]
        answer: F,
        // Taken by the rest.
        unanswered: Option<Unanswered>,
        // What is left to do after the response, if the session has to be committed.
        rest: Option<BoxFuture<T>>,
    }
}

/// What became of the inner service.
type Answered<B, E> = std::thread::Result<Result<Response<SessionBody<B>>, E>>;

impl<F, B, E> Future for Leaving<F, Result<Response<SessionBody<B>>, E>>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Send + 'static,
    B: Send + 'static,
{
    type Output = Result<Response<SessionBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(rest) = this.rest {
            return rest.as_mut().poll(context);
        }
        // Unwind safe: after a panic the future is never polled again, only dropped.
        let answer = match catch_unwind(AssertUnwindSafe(|| this.answer.poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => {
                let mut response = response.map(SessionBody::inner);
                let unanswered = this.unanswered.as_mut().expect("it is taken only by the rest");
                let session = &unanswered.session;
                if finish_at_once(session.carrier(), session, &mut response) {
                    unanswered.is_answered = true;
                    return Poll::Ready(Ok(response));
                }
                Ok(Ok(response))
            }
            Ok(Poll::Ready(Err(error))) => Ok(Err(error)),
            Err(panic) => Err(panic),
        };
        let unanswered = this.unanswered.take().expect("there is one rest");
        this.rest.insert(Box::pin(leave(unanswered, answer))).as_mut().poll(context)
    }
}

/// Commits the session to the inner service's response.
async fn leave<B, E>(
    mut unanswered: Unanswered,
    answer: Answered<B, E>,
) -> Result<Response<SessionBody<B>>, E> {
    let session = &unanswered.session;
    let sessions = SessionLayer::of(session.carrier().clone());
    let mut response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            sessions.abandon(session).await;
            return Err(error);
        }
        Err(panic) => {
            sessions.abandon(session).await;
            resume_unwind(panic)
        }
    };
    if let Err(error) = sessions.finish_touched(session, &mut response).await {
        tracing::error!(error = &error as &(dyn std::error::Error + 'static), "session not committed");
        response = failed(&error);
        // There is nothing left to save, but if the request ended its session, the browser must still forget it.
        if sessions.finish(session, &mut response).await.is_err() {
            session.close();
        }
    }
    unanswered.is_answered = true;
    Ok(response)
}

/// The response to send if the session could not be committed. The text of a 500 only goes to the log.
fn failed<B>(error: &Error) -> Response<SessionBody<B>> {
    let status = status_of(error);
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => plain(status, "the session could not be saved\n".to_owned()),
        _ => plain(status, format!("{error}\n")),
    }
}

fn plain<B>(status: StatusCode, text: String) -> Response<SessionBody<B>> {
    let mut response = Response::new(SessionBody::text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}
