//! A site with sessions, on each of the stacks that carry them, at any time of day.

pub(crate) mod log;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response, request};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::{Clock, RequestSession, SessionCookie, SessionLayer};
use waxseal_manager::SessionManager;
use waxseal_session::Session;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// What may stand around a handler.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stack {
    Hyper,
    Tower,
    Axum,
}

pub(crate) const ALL_STACKS: [Stack; 3] = [Stack::Hyper, Stack::Tower, Stack::Axum];

#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) keyring: Keyring,
    pub(crate) layer: SessionLayer,
    stack: Stack,
    now: SystemTime,
}

type Handler = Arc<dyn Fn(RequestSession) -> Response<Body> + Send + Sync>;

impl Site {
    pub(crate) fn new() -> Self {
        Self::with_cookie(SessionCookie::builder().build().unwrap())
    }

    pub(crate) fn with_cookie(cookie: SessionCookie) -> Self {
        let keyring = Keyring::new(SecretKey::generate().unwrap());
        Self::build(&keyring, cookie, "demo")
    }

    pub(crate) fn of(keyring: &Keyring, cookie: &str, audience: &str) -> Self {
        Self::build(keyring, SessionCookie::builder().name(cookie).build().unwrap(), audience)
    }

    fn build(keyring: &Keyring, cookie: SessionCookie, audience: &str) -> Self {
        log::start();
        let sessions = SessionManager::cookie(keyring, cookie.name(), audience).unwrap();
        let layer = SessionLayer::new(sessions, cookie);
        let site = Self { keyring: keyring.clone(), layer, stack: Stack::Hyper, now: SystemTime::UNIX_EPOCH };
        // Noon of some day, the same for all sites.
        site.later(Duration::from_secs(1_800_000_000))
    }

    pub(crate) fn on(mut self, stack: Stack) -> Self {
        self.stack = stack;
        self
    }

    /// The same site when more time has passed.
    pub(crate) fn later(&self, time: Duration) -> Self {
        self.at(self.now + time)
    }

    pub(crate) fn earlier(&self, time: Duration) -> Self {
        self.at(self.now - time)
    }

    fn at(&self, now: SystemTime) -> Self {
        let layer = self.layer.clone().with_clock(Clock::from_fn(move || now));
        Self { layer, now, ..self.clone() }
    }

    /// The token of a visitor whose session `fill` filled.
    pub(crate) async fn token(&self, fill: impl Fn(&Session) + Send + Sync + 'static) -> String {
        let answer = self.get("", move |session| {
            fill(&session);
            ok("")
        });
        Self::token_in(&answer.await)
    }

    pub(crate) fn token_in(answer: &Response<Body>) -> String {
        let header = answer.headers()[SET_COOKIE].to_str().unwrap();
        header.split_once('=').unwrap().1.split(';').next().unwrap().to_owned()
    }

    /// The cookie's pair of name and value.
    pub(crate) fn cookie(&self, token: &str) -> String {
        format!("{}={token}", self.layer.cookie().name())
    }

    pub(crate) fn request(&self, method: &str) -> request::Builder {
        Request::builder().method(method).uri("/").header("host", "a.example")
    }

    /// A visit with `token`, or as an anonymous visitor if it is empty, to a page that loads the session.
    pub(crate) async fn get(
        &self,
        token: &str,
        handler: impl Fn(Session) -> Response<Body> + Send + Sync + 'static,
    ) -> Response<Body> {
        let mut request = self.request("GET");
        if !token.is_empty() {
            request = request.header(COOKIE, self.cookie(token));
        }
        self.send(request, move |session| handler(session.ready().expect("it is in the token"))).await
    }

    pub(crate) async fn send(
        &self,
        request: request::Builder,
        handler: impl Fn(RequestSession) -> Response<Body> + Send + Sync + 'static,
    ) -> Response<Body> {
        let request = request.body(Body::empty()).unwrap();
        let handler: Handler = Arc::new(handler);
        match self.stack {
            Stack::Hyper => {
                let inner = hyper::service::service_fn(move |request: Request<Body>| {
                    ready(Ok::<_, Infallible>(handler(handle(&request))))
                });
                hyper::service::Service::call(&self.layer.layer(inner), request).await.unwrap().map(Body::new)
            }
            Stack::Tower => {
                let inner = TowerService(move |request: Request<Body>| Ok(handler(handle(&request))));
                tower_service::Service::call(&mut self.layer.layer(inner), request)
                    .await
                    .unwrap()
                    .map(Body::new)
            }
            Stack::Axum => {
                let answer = move |request: axum::extract::Request| {
                    ready(handler(handle(&request)).map(axum::body::Body::new))
                };
                let mut router =
                    axum::Router::new().route("/", axum::routing::any(answer)).layer(self.layer.clone());
                let request = request.map(axum::body::Body::new);
                tower_service::Service::call(&mut router, request).await.unwrap().map(Body::new)
            }
        }
    }

    /// A visit to a handler that fails after `touch`.
    pub(crate) async fn fail(
        &self,
        stack: Stack,
        touch: impl Fn(&Session) + Send + Sync + 'static,
    ) -> io::Result<Response<Body>> {
        let request = self.request("GET").body(Body::empty()).unwrap();
        let answer = move |request: Request<Body>| {
            touch(&handle(&request).ready().expect("it is in the token"));
            Err(io::Error::other("out of ink"))
        };
        match stack {
            Stack::Tower => {
                let mut service = self.layer.layer(TowerService(answer));
                Ok(tower_service::Service::call(&mut service, request).await?.map(Body::new))
            }
            _ => {
                let inner = hyper::service::service_fn(move |request| ready(answer(request)));
                Ok(hyper::service::Service::call(&self.layer.layer(inner), request).await?.map(Body::new))
            }
        }
    }
}

fn handle<B>(request: &Request<B>) -> RequestSession {
    request.extensions().get::<RequestSession>().expect("the layer put it there").clone()
}

pub(crate) fn ok(body: impl Into<Body>) -> Response<Body> {
    Response::new(body.into())
}

/// A function as a tower service.
struct TowerService<F>(F);

impl<F> tower_service::Service<Request<Body>> for TowerService<F>
where
    F: Fn(Request<Body>) -> io::Result<Response<Body>>,
{
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Ready<io::Result<Response<Body>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready((self.0)(request))
    }
}
