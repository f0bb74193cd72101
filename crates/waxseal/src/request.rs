//! One request, as a handler sees it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use serde::de::DeserializeOwned;
use waxseal_http::{Body, Params, SessionHandle, forms};
use waxseal_store::Session;
use waxseal_templates::Context;

use crate::app::Shared;
use crate::{Error, Response, Result, html};

/// One request, as a handler sees it. All methods take `&self`, so the form, the session and the page can be
/// asked for in any order.
// Shared with whoever sees to the answer once the handler has given its own away: nothing is copied for an error that
// hardly ever comes.
pub struct Request(Arc<Inner>);

struct Inner {
    parts: Parts,
    params: Params,
    body: Mutex<Option<Body>>,
    /// Made when first asked for.
    session: OnceLock<SessionHandle>,
    app: Arc<Shared>,
}

impl Request {
    pub(crate) fn new(request: http::Request<Body>, app: Arc<Shared>) -> Self {
        let (parts, body) = request.into_parts();
        let (body, session) = (Mutex::new(Some(body)), OnceLock::new());
        Self(Arc::new(Inner { parts, params: Params::default(), body, session, app }))
    }

    /// The same request once more.
    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Takes over the path's parameters; before the request is shared.
    pub(crate) fn set_params(&mut self, params: Params) {
        if params.iter().next().is_some() {
            Arc::get_mut(&mut self.0).expect("it is not shared yet").params = params;
        }
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// Whoever asks for the session from now on gets a stranger's.
    pub(crate) fn forget_session(&self) {
        self.0.session.get_or_init(|| self.0.app.sessions().handle(&HeaderMap::new()));
    }

    /// The session's handle, if anybody asked for it.
    pub(crate) fn asked_session(&self) -> Option<&SessionHandle> {
        self.0.session.get()
    }

    pub(crate) fn session_handle(&self) -> &SessionHandle {
        self.0.session.get_or_init(|| self.0.app.sessions().handle(&self.0.parts.headers))
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.parts.method
    }

    /// The target, as it came.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0.parts.uri
    }

    /// The path, as it came: percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.parts.uri.path()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.parts.headers
    }

    /// The part of the path that the route calls `{name}`, decoded.
    ///
    /// # Errors
    ///
    /// 500 if the route has no such part.
    pub fn param(&self, name: &str) -> Result<&str> {
        let unknown = || Error::status(500).message(format!("this route has no parameter {{{name}}}"));
        self.0.params.get(name).ok_or_else(unknown)
    }

    /// The query string, decoded into a `T`.
    ///
    /// # Errors
    ///
    /// 400 if it is malformed or no `T`.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(forms::parse_query(self.0.parts.uri.query().unwrap_or_default())?)
    }

    /// The whole body, up to the app's limit (2 MiB unless set otherwise).
    ///
    /// # Errors
    ///
    /// 413 if it is larger, 408 if it stops coming. 500 if it was asked for before: a body comes once.
    pub async fn body(&self) -> Result<Bytes> {
        let body = self.0.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        let body =
            body.ok_or_else(|| Error::status(500).message("the body was read before; keep what it gave"))?;
        let limits = &self.0.app.limits;
        Ok(body.collect(limits.body, limits.body_idle).await?)
    }

    /// The body as a form (`application/x-www-form-urlencoded`), decoded into a `T`.
    ///
    /// # Errors
    ///
    /// 400 if it is malformed or no `T`, 415 if it is no such form, and those of [`body`](Self::body).
    pub async fn form<T: DeserializeOwned>(&self) -> Result<T> {
        let body = self.body().await?;
        Ok(forms::parse(self.0.parts.headers.get(CONTENT_TYPE), &body)?)
    }

    /// The visitor's session, opened when first asked for.
    ///
    /// # Errors
    ///
    /// None while sessions live in the cookie.
    pub async fn session(&self) -> Result<Session> {
        Ok(self.session_handle().load().await?)
    }

    /// Renders a template into a page. It sees what `context` passes, and `session`.
    ///
    /// # Errors
    ///
    /// 500 if there is no such template, or it fails.
    #[expect(clippy::unused_async, reason = "a session on the server is waited for here")]
    pub async fn render(&self, template: &str, context: Context) -> Result<Response> {
        Ok(html(self.0.app.render(template, context, self.session_handle())?))
    }
}

/// Method and path; never a header, which may be a cookie.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} {})", self.0.parts.method, self.0.parts.uri.path())
    }
}
