//! One request, as a handler sees it.

mod body;
mod client;
mod cookies;
#[cfg(feature = "device")]
mod device_bound;
mod sent_form;
#[cfg(feature = "websocket")]
mod websocket;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock};

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use minijinja::Value;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use waxseal_http::{RequestSession, Scheme, SessionEnded, SessionLayer, is_failure, local_path};
use waxseal_server::{Body, Forwarded, Limits, Params, Peer, Waits, forms};
use waxseal_session::Session;
use waxseal_templates::Context;

use crate::app_context::AppContext;
use crate::error::{Error, Result};
use crate::g::G;
use crate::request::sent_form::SentForm;
use crate::request_id::RequestId;
use crate::response::{Response, html};
use crate::urls::url_error::UrlError;

/// The app that a request belongs to, without routes and hooks, whose types refer to requests.
pub(crate) trait RequestApp: Send + Sync {
    fn context(&self) -> &AppContext;

    /// The value of a name that a template looks up, computed from the request.
    fn template_value(&self, name: &str, request: &Request) -> Option<Value>;
}

/// One request, as a handler sees it.
///
/// All methods take `&self`, so the form, the session and the page can be asked for in any order. Clones are cheap and
/// refer to the same request.
// Shared, because the code that answers errors needs it after the handler has taken its own clone.
#[derive(Clone)]
pub struct Request(Arc<Inner>);

struct Inner {
    started: Instant,
    id: RequestId,
    parts: Parts,
    params: Params,
    received: Mutex<Received>,
    /// Opened at its first use. `None` if the request ended before that.
    session: OnceLock<Option<RequestSession>>,
    /// The session of a request that uses it only after its end, as in a stream.
    late: OnceLock<RequestSession>,
    app: Arc<dyn RequestApp>,
    /// The index of its route among those of the app.
    route: Option<usize>,
    g: G,
    peer: Option<Peer>,
    /// What a trusted proxy says about it.
    told: Option<Box<Forwarded>>,
}

/// What was received after the head.
struct Received {
    /// The body, until a handler takes it.
    body: Option<Body>,
    /// How long the body was waited for, once a handler has taken it.
    waits: Option<Waits>,
    /// The form, once a handler has read it.
    form: Option<SentForm>,
}

impl Request {
    /// Creates a request to `app` from `peer`. `scheme` is for a test, which has no connection to tell it.
    pub(crate) fn new(
        request: http::Request<Body>,
        app: Arc<dyn RequestApp>,
        peer: Option<Peer>,
        scheme: Option<Scheme>,
    ) -> Self {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let mut told = app.context().proxies.told(peer, &parts.headers);
        if let Some(scheme) = scheme {
            let told = told.get_or_insert_with(|| {
                let mut of_the_peer = Forwarded::default();
                of_the_peer.address = peer.and_then(|peer| peer.ip());
                Box::new(of_the_peer)
            });
            told.is_https.get_or_insert(scheme == Scheme::Https);
        }
        let received = Mutex::new(Received { body: Some(body), waits: None, form: None });
        let (session, late) = (OnceLock::new(), OnceLock::new());
        let (params, route, g) = (Params::default(), None, G::default());
        let id = app.context().request_id.of(&parts.headers);
        Self(Arc::new(Inner {
            started,
            id,
            parts,
            params,
            received,
            session,
            late,
            app,
            route,
            g,
            peer,
            told,
        }))
    }

    /// Sets the route's index and the path's parameters, before the request is shared.
    pub(crate) fn set_route(&mut self, route: usize, params: Params) {
        let inner = Arc::get_mut(&mut self.0).expect("it is not shared yet");
        inner.route = Some(route);
        if params.iter().next().is_some() {
            inner.params = params;
        }
    }

    /// When the request began.
    pub(crate) fn started(&self) -> Instant {
        self.0.started
    }

    /// The parts of the app that a request uses.
    pub(crate) fn app(&self) -> &AppContext {
        self.0.app.context()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.app().limits
    }

    /// Replaces the session by that of a new visitor, whatever cookie the request has. It is never committed.
    pub(crate) fn forget_session(&self) {
        let new_visitor = || self.app().sessions.session_of(&Method::GET, &Uri::default(), &HeaderMap::new());
        self.0.session.get_or_init(|| Some(new_visitor()));
    }

    /// Rolls the session back if `status` means that the request failed. Called before the failure is handled.
    pub(crate) fn drop_changes_of(&self, status: StatusCode) {
        if is_failure(status) {
            self.request_session().rollback();
        }
    }

    /// The session's handle; `None` if nothing has asked for the session.
    pub(crate) fn asked_session(&self) -> Option<&RequestSession> {
        self.0.session.get()?.as_ref().or_else(|| self.0.late.get())
    }

    /// The session to commit, at the end of the request; `None` if nothing has asked for it. A session that is asked for
    /// from now on can only be read.
    pub(crate) fn session_at_end(&self) -> Option<&RequestSession> {
        self.0.session.get_or_init(|| None).as_ref()
    }

    /// This request's session, not opened yet.
    pub(crate) fn request_session(&self) -> &RequestSession {
        let Inner { parts, app, session, late, .. } = &*self.0;
        let begin = || app.context().sessions.session_of(&parts.method, &parts.uri, &parts.headers);
        if let Some(session) = session.get_or_init(|| Some(begin())) {
            return session;
        }
        late.get_or_init(|| {
            let session = begin();
            session.close();
            session
        })
    }

    /// The request's id, which is in its log lines and in its response: see
    /// [`Settings::request_id_header`](crate::Settings::request_id_header). It is not a secret.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.id.as_str()
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        &self.0.id
    }

    pub(crate) fn route_index(&self) -> Option<usize> {
        self.0.route
    }

    /// The HTTP method, such as `GET`.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.parts.method
    }

    /// The request target, as it was sent.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0.parts.uri
    }

    /// The path below the app's [root path](Self::root_path), as it was sent, percent-encoded.
    ///
    /// Flask's `request.path` is decoded, as it is in templates here. Do not decide by this text what a visitor may see:
    /// `/%70rivate/` and `/private/` can lead to the same `{*name}`. Guard a [group](crate::Routes::before_request), or ask for
    /// the [`route`](Self::route).
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.0.parts.uri.path();
        match &self.0.told {
            // A proxy that names a prefix has already removed it from the path.
            Some(told) if told.prefix.is_some() => path,
            _ => self.app().proxies.root_path.below(path),
        }
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.parts.headers
    }

    /// The value of the route's path parameter `{name}`, decoded.
    ///
    /// As in Flask, the value of `{name}` contains no `/`, and a path that would put one there by `%2F` is 404; the value of
    /// `{*name}` may. Either may be `..`. To serve a file of that name, use
    /// [`StaticFiles::answer`](crate::StaticFiles::answer), which never leaves its folder.
    ///
    /// # Errors
    ///
    /// 500 if the route has no such parameter.
    #[track_caller]
    pub fn param(&self, name: &str) -> Result<&str> {
        let unknown = || Error::status(500).message(format!("this route has no parameter {{{name}}}"));
        self.0.params.get(name).ok_or_else(unknown)
    }

    /// The value of the route's path parameter `{name}`, parsed into a `T`.
    ///
    /// # Errors
    ///
    /// 404 if the value does not parse into a `T`, as with Flask's `<int:number>`; 500 if the route has no such parameter.
    #[track_caller]
    pub fn param_as<T: FromStr>(&self, name: &str) -> Result<T> {
        self.param(name)?.parse().map_err(|_| Error::status(404))
    }

    /// All path parameters of the route, decoded.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.0.params
    }

    /// The name of the route, if it has one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.app().endpoints[self.0.route?].0.as_str()
    }

    /// The route's path as it was added, such as `/wizard/{name}`.
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        Some(&self.app().endpoints[self.0.route?].1)
    }

    /// The first value of this name in the query, decoded.
    ///
    /// As in browsers and in Flask, what is malformed is kept as it is: `?q=100%` is `100%`. Bytes that are not UTF-8
    /// become `\u{fffd}`. [`query`](Self::query) refuses both.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<String> {
        self.args().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    /// The names and values of the query, at most as many as a form may have.
    pub(crate) fn args(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let query = self.0.parts.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).take(self.limits().form_parts)
    }

    /// The path in the query parameter `name`, such as `?next=…`, if it leads to a page of this app: for a redirect
    /// after a sign-in.
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

    /// The values that hooks, handlers and templates share during this request.
    #[must_use]
    pub fn g(&self) -> &G {
        &self.0.g
    }

    /// The value of this type that was added with [`App::state`](crate::App::state).
    ///
    /// # Errors
    ///
    /// 500 if there is no such value. The log names the type.
    #[track_caller]
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T> {
        self.app().states.get()
    }

    /// A value of the app's configuration, deserialized into a `T`. It was set by [`App::config`](crate::App::config)
    /// or in the file of [`--config`](crate::Settings::config).
    ///
    /// # Errors
    ///
    /// 500 if the value is not set, or is not a `T`.
    #[track_caller]
    pub fn config<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let unset = || Error::status(500).message(format!("the app's configuration has no `{name}`"));
        let value = self.app().config.get(name).ok_or_else(unset)?;
        // minijinja's error may quote the value, so it is dropped.
        let unfit =
            |_| Error::status(500).message(format!("`{name}` in the app's configuration is another type"));
        T::deserialize(value).map_err(unfit)
    }

    /// Builds the URL of the route named `name`. `arguments` fill the parameters of its path, and the rest become the
    /// query.
    ///
    /// As in templates and in Flask, `_anchor` is appended after a `#`, and `_external` puts the scheme and host in
    /// front, unless its value is empty or `false`. A name that begins with a dot is one in the [group](crate::Routes)
    /// of this request's route. The host is the one that the request names, so before you put such a link in a mail,
    /// make sure that the proxy checks the host.
    ///
    /// # Errors
    ///
    /// 500 if there is no such route, or a parameter of its path is missing, empty, has a segment `.` or
    /// `..`, or contains a `/` that only `{*name}` takes. In a template, an unfit value makes the URL `#` and a warning in
    /// the log.
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
    #[track_caller]
    pub fn url_for(&self, name: &str, arguments: &[(&str, &str)]) -> Result<String> {
        // Without `?`, which would record this line as the error's place, and not the caller's.
        match self.address(name, arguments) {
            Ok(url) => Ok(url),
            Err(error) => Err(Error::from(error)),
        }
    }

    pub(crate) fn address(&self, name: &str, arguments: &[(&str, &str)]) -> Result<String, UrlError> {
        let name = match (name.strip_prefix('.'), self.group()) {
            (Some(own), Some(group)) => Cow::Owned(format!("{group}.{own}")),
            (Some(own), None) => Cow::Borrowed(own),
            (None, _) => Cow::Borrowed(name),
        };
        let address = self.app().urls.address(&name, arguments)?;
        Ok(address.below(self.root_path(), || self.site()))
    }

    /// The name of the group that the route belongs to.
    pub(crate) fn group(&self) -> Option<&str> {
        self.endpoint()?.rsplit_once('.').map(|(group, _)| group)
    }

    /// Deserializes the query string into a `T`.
    ///
    /// # Errors
    ///
    /// 400 if it is malformed or not a `T`.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        let query = self.0.parts.uri.query().unwrap_or_default();
        Ok(forms::parse_query_within(query, self.limits().form_parts)?)
    }

    /// The visitor's session, opened at its first use.
    ///
    /// # Errors
    ///
    /// 503 if the store has to be asked and does not answer. State `cookie` without a list of revoked sessions never
    /// asks one.
    pub async fn session(&self) -> Result<Session> {
        Ok(self.request_session().load().await?)
    }

    /// The end of the visitor's session, as a future, for a response that stays open.
    ///
    /// It resolves with the reason when the session is signed out (here or on another server), is ended by its owner,
    /// expires, or is renewed as by a sign-in; when the store is away for longer than `--session-grace`; and when the
    /// device proof that the request brought expires. Details: [`RequestSession::ended`].
    ///
    /// A stream of [events](crate::sse) then ends by itself, if its request has accessed the session. Any other body
    /// ends only if the handler arranges it with [`Body::cut_by`].
    ///
    /// # Errors
    ///
    /// Those of [`session`](Self::session).
    ///
    /// # Example
    ///
    /// ```
    /// # use futures_util::stream;
    /// use waxseal::{Body, Request, Response, Result, typed};
    ///
    /// async fn report(request: Request) -> Result<Response> {
    ///     let ended = request.session_ended().await?;
    ///     let rows = stream::iter(["a,b\n", "1,2\n"].map(Ok::<_, std::io::Error>));
    ///     Ok(typed("text/csv", Body::stream(rows).cut_by(ended)))
    /// }
    /// ```
    pub async fn session_ended(&self) -> Result<SessionEnded> {
        Ok(self.request_session().ended().await?)
    }

    pub(crate) fn session_layer(&self) -> &SessionLayer {
        &self.app().sessions
    }

    /// Renders a template into an HTML page.
    ///
    /// The template sees the values of `context`, and `session`, `request`, [`g`](Self::g), `config`, `url_for` and
    /// `get_flashed_messages`. It sees `csrf_field` and `csrf_token` if the app [requires tokens](crate::App::csrf_tokens),
    /// in development the address of the session panel as `session_panel`, and what the app adds. In a page that reads the
    /// session, `session_is_bound` says whether the session is [bound to a device](crate::App::device_bound).
    ///
    /// # Errors
    ///
    /// 500 if there is no such template, or it fails. 503 if it reads the session and the store has to be asked and
    /// does not answer.
    pub async fn render(&self, template: &str, context: Context) -> Result<Response> {
        Ok(html(self.render_text(template, context).await?))
    }

    pub(crate) async fn render_text(&self, template: &str, context: Context) -> Result<String> {
        let request = self.clone();
        let names = move |name: &str| request.0.app.template_value(name, &request);
        self.app().pages.render(template, context, self.request_session(), names).await
    }

    /// Adds a message for the next page that the visitor sees: see [`Session::flash`].
    ///
    /// Templates show it with `get_flashed_messages()`.
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
}

/// Shows the method and the path, and no header, which may be a cookie.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} {})", self.0.parts.method, self.0.parts.uri.path())
    }
}
