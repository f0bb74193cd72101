//! The tower and hyper service with sessions.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use tower_layer::Layer;

use crate::origin::Scheme;
use crate::request_session::RequestSession;
use crate::session_body::SessionBody;
use crate::session_layer::SessionLayer;
use crate::status::status_of;
use crate::{host, origin};

/// A service with sessions; made by [`SessionLayer::layer`].
///
/// Puts a [`RequestSession`] into each request's extensions, and commits the session before the response's head
/// leaves. Cross-site requests of unsafe methods are refused with 403 before the session is opened
/// (see [`origin`]), and those without exactly one valid `Host` with 400.
///
/// What a request changed is dropped if its answer [says that it failed](crate::is_failure), if the inner service
/// returns an error, which passes through, or panics; a session that it destroyed is ended all the same. A layer that puts
/// another answer in the place of one that failed belongs *outside*. If it has to be inside, because it writes to the
/// session, it calls [`RequestSession::rollback`] first.
///
/// A time limit may be on either side. Inside (`Router::layer(timeout)` before `.layer(sessions)`), a handler that is ended
/// half-way is answered with an error, 408 or 503, by which what it has done so far is dropped. Outside, the request is
/// given up without an answer of ours: nothing is committed, a sign-out neither, but a save that has begun runs to its end
/// although the answer says otherwise. So inside is right, unless the store's own time has to be within the limit.
///
/// It belongs around the whole router: inside one that is nested, which sees a part of the path, cookies of our name that
/// lie on a part before that cannot be forgotten.
///
/// # Example
///
/// On axum; for raw hyper, wrap the `service_fn` in the same way:
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

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner, sessions: self.clone() }
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

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        #[cfg(feature = "device")]
        if let Some(call) = self.sessions.device_call(request.method(), request.uri(), request.headers()) {
            return Box::pin(async move { Ok(call.answer().await.map(SessionBody::text)) });
        }
        match self.sessions.enter(&mut request) {
            Ok(session) => Box::pin(leave(self.sessions.clone(), session, self.inner.call(request))),
            Err(status) => Box::pin(async move { Ok(bare(status)) }),
        }
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

    fn call(&self, mut request: Request<A>) -> Self::Future {
        #[cfg(feature = "device")]
        if let Some(call) = self.sessions.device_call(request.method(), request.uri(), request.headers()) {
            return Box::pin(async move { Ok(call.answer().await.map(SessionBody::text)) });
        }
        match self.sessions.enter(&mut request) {
            Ok(session) => Box::pin(leave(self.sessions.clone(), session, self.inner.call(request))),
            Err(status) => Box::pin(async move { Ok(bare(status)) }),
        }
    }
}

impl SessionLayer {
    /// The scheme that browsers see: behind a TLS proxy the connection is plain, and the cookie Secure.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        if self.cookie().is_secure() { Scheme::Https } else { Scheme::Http }
    }

    fn enter<A>(&self, request: &mut Request<A>) -> Result<RequestSession, StatusCode> {
        let (method, headers) = (request.method(), request.headers());
        if !origin::is_safe(method) {
            let host = host::host(request.version(), request.uri(), headers).map_err(|wrong| {
                tracing::info!(reason = %wrong, "request refused");
                wrong.status()
            })?;
            origin::check(method, headers, self.scheme(), &host).map_err(|refused| {
                tracing::info!(reason = %refused, "cross-site request refused");
                refused.status()
            })?;
        }
        let session = self.session_of(method, request.uri(), headers);
        request.extensions_mut().insert(session.clone());
        Ok(session)
    }
}

async fn leave<F, B, E>(
    sessions: SessionLayer,
    session: RequestSession,
    answer: F,
) -> Result<Response<SessionBody<B>>, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    let mut answer = pin!(answer);
    // Unwind safe: after a panic the future is never polled again, only dropped.
    let answer = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    let mut response = match answer.await {
        Ok(Ok(response)) => response.map(SessionBody::inner),
        Ok(Err(error)) => {
            sessions.abandon(&session).await;
            return Err(error);
        }
        Err(panic) => {
            sessions.abandon(&session).await;
            resume_unwind(panic)
        }
    };
    if let Err(error) = sessions.finish(&session, &mut response).await {
        tracing::error!(error = &error as &(dyn std::error::Error + 'static), "session not committed");
        response = bare(status_of(&error));
        // Nothing is left to be saved. But if the request ended its session, the browser is still to forget it.
        let _ = sessions.finish(&session, &mut response).await;
    }
    Ok(response)
}

fn bare<B>(status: StatusCode) -> Response<SessionBody<B>> {
    let mut response = Response::new(SessionBody::default());
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}
