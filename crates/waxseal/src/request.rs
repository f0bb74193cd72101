//! One request, as a handler sees it.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use serde::de::DeserializeOwned;
use waxseal_http::{RequestSession, Scheme, SessionLayer, cookies, host};
use waxseal_server::{Body, Multipart, Params, UploadLimits, encoding, forms, json};
use waxseal_store::Session;
use waxseal_templates::Context;

use crate::service::Shared;
use crate::{Error, G, Response, Result, UrlError, html, local_path};

/// One request, as a handler sees it. All methods take `&self`, so the form, the session and the page can be
/// asked for in any order. A cheap handle: clones are the same request.
// Shared with whoever sees to the answer once the handler has given its own away: nothing is copied for an error that
// hardly ever comes.
#[derive(Clone)]
pub struct Request(Arc<Inner>);

struct Inner {
    parts: Parts,
    params: Params,
    body: Mutex<Option<Body>>,
    /// Made when first asked for.
    session: OnceLock<RequestSession>,
    app: Arc<Shared>,
    /// The place of its route among the app's.
    route: Option<usize>,
    g: G,
}

impl Request {
    pub(crate) fn new(request: http::Request<Body>, app: Arc<Shared>) -> Self {
        let (parts, body) = request.into_parts();
        let (body, session) = (Mutex::new(Some(body)), OnceLock::new());
        let (params, route, g) = (Params::default(), None, G::default());
        Self(Arc::new(Inner { parts, params, body, session, app, route, g }))
    }

    /// Takes over the route's place and the path's parameters; before the request is shared.
    pub(crate) fn set_route(&mut self, route: usize, params: Params) {
        let inner = Arc::get_mut(&mut self.0).expect("it is not shared yet");
        inner.route = Some(route);
        if params.iter().next().is_some() {
            inner.params = params;
        }
    }

    pub(crate) fn app(&self) -> &Shared {
        &self.0.app
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// From now on the session is a new one, whatever cookie came.
    pub(crate) fn forget_session(&self) {
        let new = || self.0.app.sessions().session_of(&Method::GET, &Uri::default(), &HeaderMap::new());
        self.0.session.get_or_init(new);
    }

    /// This request's session, if anybody asked for it.
    pub(crate) fn asked_session(&self) -> Option<&RequestSession> {
        self.0.session.get()
    }

    /// This request's session, not opened yet.
    pub(crate) fn request_session(&self) -> &RequestSession {
        let Inner { parts, app, .. } = &*self.0;
        self.0.session.get_or_init(|| app.sessions().session_of(&parts.method, &parts.uri, &parts.headers))
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
    #[track_caller]
    pub fn param(&self, name: &str) -> Result<&str> {
        let unknown = || Error::status(500).message(format!("this route has no parameter {{{name}}}"));
        self.0.params.get(name).ok_or_else(unknown)
    }

    /// The same, read as a `T`.
    ///
    /// # Errors
    ///
    /// 404 if it is no `T`, as with Flask's `<int:number>`: there is no page at that address.
    #[track_caller]
    pub fn param_as<T: FromStr>(&self, name: &str) -> Result<T> {
        self.param(name)?.parse().map_err(|_| Error::status(404))
    }

    /// The parts of the path that the route has names for, decoded.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.0.params
    }

    /// What the route is called, if it has a name.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.0.app.endpoints[self.0.route?].0.as_str()
    }

    /// The route's path as it was added, such as `/wizard/{name}`.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        Some(&self.0.app.endpoints[self.0.route?].1)
    }

    /// The host that the request is for, with its port if one was sent; empty if the request was refused for it.
    #[must_use]
    pub fn host(&self) -> String {
        let Parts { version, uri, headers, .. } = &self.0.parts;
        host::host(*version, uri, headers).map(|host| host.to_string()).unwrap_or_default()
    }

    /// How the visitor reached the app: over TLS if the session cookie is Secure.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.app.sessions.scheme()
    }

    /// The first cookie of this name, if it is text. One in double quotes is read as Flask does what it wrote: without
    /// them, `\\054` as the byte of that octal number, and `\\"` as the quote. The session's own cookie is none.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// All cookies that are text, but the session's.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = (String, String)> {
        let ours = self.0.app.sessions.cookie().name();
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        cookies::pairs(&self.0.parts.headers)
            .filter(|(name, _)| *name != ours.as_bytes())
            .filter_map(move |(name, value)| Some((text(name)?, text(&unquoted(value))?)))
    }

    /// The first value of this name in the query, decoded; `None` also if the query is malformed.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<String> {
        let pairs: Vec<(String, String)> = self.query().ok()?;
        pairs.into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// Where `?next=…` wants to go, if that is a page of this app: for a redirect after a sign-in.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Request, Response, Result, redirect};
    ///
    /// async fn sign_in(request: Request) -> Result<Response> {
    ///     // …
    ///     Ok(redirect(&request.next_path("next").unwrap_or("/".to_owned())))
    /// }
    /// ```
    #[must_use]
    pub fn next_path(&self, name: &str) -> Option<String> {
        local_path(&self.arg(name)?)
    }

    /// Values that belong to this request, for hooks, handlers and templates.
    #[must_use]
    pub fn g(&self) -> &G {
        &self.0.g
    }

    /// A value that [`App::config`](crate::App::config) set, read as a `T`.
    ///
    /// # Errors
    ///
    /// 500 if there is none of this name, or it is no `T`.
    #[track_caller]
    pub fn config<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let unset = || Error::status(500).message(format!("the app's configuration has no `{name}`"));
        let value = self.0.app.pages.values.config.get(name).ok_or_else(unset)?;
        // minijinja's error may quote the value.
        let unfit =
            |_| Error::status(500).message(format!("`{name}` in the app's configuration is another type"));
        T::deserialize(value).map_err(unfit)
    }

    /// The address of the route called `name`: `arguments` fill the parts of its path, and the rest become the query.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if there is no such route, or a part is missing; as an answer, 500.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Request, Response, Result, redirect};
    ///
    /// async fn rename(request: Request) -> Result<Response> {
    ///     Ok(redirect(&request.url_for("wizard", &[("name", "Tom Riddle"), ("tab", "pets")])?))
    /// }
    /// # async fn wizard(_: Request) -> Result<Response> { unreachable!() }
    /// # let app = waxseal::App::new("demo").get("/wizard/{name}", wizard).post("/rename", rename);
    /// # let client = waxseal::testing::Client::new(app)?;
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let answer = client.post_form("/rename", &[]).await;
    /// # assert_eq!(answer.location(), Some("/wizard/Tom%20Riddle?tab=pets"));
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn url_for(&self, name: &str, arguments: &[(&str, &str)]) -> Result<String, UrlError> {
        self.0.app.urls.url_for(name, arguments)
    }

    /// The query string, decoded into a `T`.
    ///
    /// # Errors
    ///
    /// 400 if it is malformed or no `T`.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(forms::parse_query(self.0.parts.uri.query().unwrap_or_default())?)
    }

    /// The whole body, up to the app's limit (2 MiB unless set otherwise), as it came: one with `Content-Encoding: gzip` is
    /// still compressed.
    ///
    /// # Errors
    ///
    /// 413 if it is larger, 408 if it stops coming. 500 if it was asked for before: a body comes once.
    pub async fn body(&self) -> Result<Bytes> {
        let body = self.take_body()?;
        let limits = &self.0.app.limits;
        Ok(body.collect(limits.body, limits.body_idle).await?)
    }

    /// The body as a form (`application/x-www-form-urlencoded`), decoded into a `T`.
    ///
    /// # Errors
    ///
    /// 400 if it is malformed or no `T`, 415 if it is no such form or compressed, and those of [`body`](Self::body).
    pub async fn form<T: DeserializeOwned>(&self) -> Result<T> {
        encoding::check(self.headers())?;
        let body = self.body().await?;
        Ok(forms::parse(self.0.parts.headers.get(CONTENT_TYPE), &body)?)
    }

    /// The body as JSON, decoded into a `T`.
    ///
    /// # Errors
    ///
    /// 415 if it is not sent as JSON or compressed, 400 if it is none, 422 if it is no `T`, and those of [`body`](Self::body).
    pub async fn json<T: DeserializeOwned>(&self) -> Result<T> {
        encoding::check(self.headers())?;
        let body = self.body().await?;
        Ok(json::parse(self.0.parts.headers.get(CONTENT_TYPE), &body)?)
    }

    /// The body as a form with files (`multipart/form-data`), within the app's limit for bodies.
    ///
    /// # Errors
    ///
    /// 415 if it is no such form or compressed, 413 if it is too large, 400 if it is malformed, 408 if it stops coming, 500 if it was
    /// asked for before.
    pub async fn multipart(&self) -> Result<Multipart> {
        let total = u64::try_from(self.0.app.limits.body).unwrap_or(u64::MAX);
        self.multipart_within(UploadLimits::default().total(total)).await
    }

    /// The same within limits of its own. The whole still has to come within [`Limits::request_time`](crate::Limits).
    ///
    /// # Errors
    ///
    /// As for [`multipart`](Self::multipart).
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Error, Request, Response, Result, UploadLimits, redirect};
    ///
    /// async fn upload(request: Request) -> Result<Response> {
    ///     let mut form = request.multipart_within(UploadLimits::default().total(20 << 20)).await?;
    ///     let mut picture = form.take_file("picture").ok_or(Error::status(422).message("choose a picture"))?;
    ///     let name = picture.safe_name().unwrap_or("picture".to_owned());
    ///     picture.save(std::env::temp_dir().join(name)).await?;
    ///     Ok(redirect("/"))
    /// }
    /// ```
    pub async fn multipart_within(&self, limits: UploadLimits) -> Result<Multipart> {
        encoding::check(self.headers())?;
        let body = self.take_body()?;
        let content_type = self.0.parts.headers.get(CONTENT_TYPE);
        Ok(Multipart::read(content_type, body, limits, self.0.app.limits.body_idle).await?)
    }

    /// The visitor's session, opened when first asked for.
    ///
    /// # Errors
    ///
    /// 503 if the session store has to be asked and does not answer; none in state `cookie`.
    pub async fn session(&self) -> Result<Session> {
        Ok(self.request_session().load().await?)
    }

    pub(crate) fn session_layer(&self) -> &SessionLayer {
        self.0.app.sessions()
    }

    /// Renders a template into a page. It sees what `context` passes, `session`, `request`, [`g`](Self::g), `config`,
    /// `url_for`, `get_flashed_messages`, `csrf_field` and `csrf_token` if the app [asks for them](crate::App::csrf_tokens), in
    /// development `session_panel`, the panel's address, and what the app adds.
    ///
    /// # Errors
    ///
    /// 500 if there is no such template, or it fails; 503 if it reads the session, the store has to be asked and does not
    /// answer.
    pub async fn render(&self, template: &str, context: Context) -> Result<Response> {
        Ok(html(self.0.app.pages.render(template, context, self).await?))
    }

    /// Leaves a message for the page that the visitor sees next: see [`Session::flash`]. Templates show it with
    /// `get_flashed_messages()`.
    ///
    /// # Errors
    ///
    /// Those of [`session`](Self::session) and of [`Session::flash`].
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Request, Response, Result, redirect};
    ///
    /// async fn send(request: Request) -> Result<Response> {
    ///     request.flash("success", "The letter is on its way.").await?;
    ///     Ok(redirect("/letters"))
    /// }
    /// ```
    pub async fn flash(&self, category: &str, message: impl AsRef<str>) -> Result<()> {
        Ok(self.session().await?.flash(category, message)?)
    }

    pub(crate) fn take_body(&self) -> Result<Body> {
        let body = self.0.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        body.ok_or_else(|| Error::status(500).message("the body was read before; keep what it gave"))
    }

    /// A body that was taken to be looked at.
    pub(crate) fn put_back(&self, body: Body) {
        *self.0.body.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}

/// A cookie's value without the quotes that a framework wrote around it: werkzeug's `_cookie_unslash_replace`.
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    let [b'"', inner @ .., b'"'] = value else { return Cow::Borrowed(value) };
    let (mut rest, mut bytes) = (inner, Vec::with_capacity(inner.len()));
    loop {
        let (byte, after) = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                (((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'), after)
            }
            [b'\\', byte, after @ ..] | [byte, after @ ..] => (*byte, after),
            [] => return Cow::Owned(bytes),
        };
        bytes.push(byte);
        rest = after;
    }
}

/// Method and path; never a header, which may be a cookie.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} {})", self.0.parts.method, self.0.parts.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `werkzeug.http.dump_cookie` wrote, and what browsers may have made of it.
    #[test]
    fn a_quoted_cookie_is_read_as_flask_reads_it() {
        for (sent, read) in [
            (&b"plain"[..], &b"plain"[..]),
            (b"", b""),
            (b"\"a b\"", b"a b"),
            (b"\"a\\054b\\073c\"", b"a,b;c"),
            (b"\"\\303\\274\"", "ü".as_bytes()),
            ("\"ü\"".as_bytes(), "ü".as_bytes()),
            (b"\"say \\\"hi\\\" \\\\ there\"", b"say \"hi\" \\ there"),
            (b"\"\"", b""),
            (b"\"", b"\""),
            (b"\"open", b"\"open"),
            (b"open\"", b"open\""),
            (b"'a b'", b"'a b'"),
            (b"a \"b\" c", b"a \"b\" c"),
            (b" \"a\" ", b"a"),
            (b"\"\\400\\18\\x41\"", b"40018x41"),
            (b"\"\\05\"", b"05"),
            (b"\"end\\\"", b"end\\"),
            (b"\"\\377\"", b"\xff"),
            (b"plain\\054", b"plain\\054"),
        ] {
            assert_eq!(unquoted(sent), read, "{}", String::from_utf8_lossy(sent));
        }
    }
}
