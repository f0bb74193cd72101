//! An app: its routes, its templates, its sessions.

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use waxseal_crypto::Keyring;
use waxseal_http::{Body, Clock, Found, Limits, Router, SessionHandle, SessionLayer, guard, host, origin};
use waxseal_store::{SessionStore, Sessions};
use waxseal_templates::{Context, Folder, Templates, context};

use crate::hooks::Hooks;
use crate::panel::{self, Panel};
use crate::places::{MakeSessions, Place, make_with};
use crate::static_folder::StaticSource;
use crate::template_setup::{TemplateSetup, TemplateValues};
use crate::urls::{Name, Urls};
use crate::{
    BoxFuture, Error, Handler, Request, Response, Result, SecurityHeaders, SessionState, Settings,
    StartError, csrf, error_page, security_headers,
};

/// An app: its routes, its templates, its sessions.
///
/// # Example
///
/// ```no_run
/// use waxseal::{App, Request, Response, Result, StartError, context, folder};
///
/// async fn index(request: Request) -> Result<Response> {
///     request.render("index.html", context! {}).await
/// }
///
/// fn main() -> Result<(), StartError> {
///     App::new("wizard").templates(folder!("$CARGO_MANIFEST_DIR/tests/templates")).get("/", index).run()
/// }
/// ```
pub struct App {
    name: String,
    folder: Option<Folder>,
    routes: Vec<Route>,
    limits: Limits,
    /// Makes the sessions over the app's own store.
    store: Option<MakeSessions>,
    pub(crate) hooks: Hooks,
    pub(crate) templates: TemplateSetup,
    pub(crate) statics: Vec<(String, StaticSource)>,
    pub(crate) security: SecurityHeaders,
    pub(crate) csrf_tokens: bool,
}

/// A method and a path, and what answers them.
#[must_use]
pub struct Route {
    method: Method,
    path: String,
    name: Name,
    pub(crate) answer: Answer,
}

pub(crate) struct Answer {
    handler: Box<dyn Handler>,
    cross_site: bool,
    pub(crate) csrf_exempt: bool,
    /// The session panel's: what the app runs around its handlers is not for it.
    pub(crate) bare: bool,
    /// Its place among the app's routes.
    index: usize,
}

impl Route {
    /// Answers `method` on `path`, where `{name}` stands for one part and `{*rest}` for all that follows.
    ///
    /// It is called after its handler, as Flask's endpoints are: `url_for('create_wizard')`. A closure has no name.
    pub fn new<H: Handler>(method: Method, path: &str, handler: H) -> Self {
        let answer = Answer {
            handler: Box::new(handler),
            cross_site: false,
            csrf_exempt: false,
            bare: false,
            index: 0,
        };
        Self { method, path: path.to_owned(), name: Name::of_handler::<H>(), answer }
    }

    /// GET and HEAD on `path`.
    pub fn get<H: Handler>(path: &str, handler: H) -> Self {
        Self::new(Method::GET, path, handler)
    }

    /// POST on `path`.
    pub fn post<H: Handler>(path: &str, handler: H) -> Self {
        Self::new(Method::POST, path, handler)
    }

    /// Runs none of the app's hooks around it.
    pub(crate) fn bare(mut self) -> Self {
        self.answer.bare = true;
        self
    }

    /// Calls the route `name`, for `url_for`: for a closure, or where two handlers have one name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Name::Given(name.to_owned());
        self
    }

    /// Lets pages of other sites send unsafe requests here, as a webhook needs: the visitor's session then is
    /// no proof that the visitor meant it, and no [token](App::csrf_tokens) is asked for.
    pub fn allow_cross_site(mut self) -> Self {
        self.answer.cross_site = true;
        self.answer.csrf_exempt = true;
        self
    }
}

impl App {
    /// An app of this name. Two apps with one secret key are strangers to each other by their names, and a
    /// passphrase is salted with it: changing the name signs everybody out.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: None,
            routes: Vec::new(),
            limits: Limits::default(),
            store: None,
            hooks: Hooks::default(),
            templates: TemplateSetup::default(),
            statics: Vec::new(),
            security: SecurityHeaders::default(),
            csrf_tokens: false,
        }
    }

    /// The app's templates, built in; read from the folder and reloaded in development.
    #[must_use]
    pub fn templates(mut self, folder: Folder) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Sets what a request may cost.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps sessions in this store, in place of the one that the settings name. In state `cookie`, which keeps none, it has
    /// the list of those that were taken back ([`Sessions::revocable`]).
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, MemoryStore};
    ///
    /// let app = App::new("wizard").session_store(MemoryStore::new().max_records(10_000));
    /// ```
    #[must_use]
    pub fn session_store(mut self, store: impl SessionStore) -> Self {
        self.store = Some(make_with(store));
        self
    }

    /// Answers GET and HEAD on `path`.
    #[must_use]
    pub fn get(self, path: &str, handler: impl Handler) -> Self {
        self.route(Route::new(Method::GET, path, handler))
    }

    /// Answers POST on `path`.
    #[must_use]
    pub fn post(self, path: &str, handler: impl Handler) -> Self {
        self.route(Route::new(Method::POST, path, handler))
    }

    /// Adds a route of any method.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// The app as a service, ready to answer, with these settings and keys. It looks after its store for as long as
    /// [`keep_up`](AppService::keep_up) is polled; [`bind`](Self::bind) sees to that.
    ///
    /// # Errors
    ///
    /// [`StartError`] if two routes are the same, a template is no Jinja, the settings contradict each other, or the
    /// store cannot be opened.
    pub async fn service(self, settings: &Settings, keyring: &Keyring) -> Result<AppService, StartError> {
        let place = Place::open(settings, &self.name).await?;
        self.service_at(settings, keyring, Clock::system(), place)
    }

    pub(crate) fn service_at(
        mut self,
        settings: &Settings,
        keyring: &Keyring,
        clock: Clock,
        place: Place,
    ) -> Result<AppService, StartError> {
        let panel = settings.development.then(Panel::default);
        if panel.is_some() {
            let taken: Vec<_> = self.routes.iter().map(|route| route.path.clone()).collect();
            let free = panel::routes().into_iter().filter(|route| !taken.contains(&route.path));
            self.routes.extend(free);
        }
        for (at, (path, files)) in std::mem::take(&mut self.statics).into_iter().enumerate() {
            let path = format!("{}/{{*filename}}", path.trim_end_matches('/'));
            let route = Route::get(&path, files.handler(settings.development)?);
            self.routes.push(if at == 0 { route.name("static") } else { route });
        }
        let (mut router, mut urls, mut endpoints) = (Router::new(), Urls::default(), Vec::new());
        for (index, Route { method, path, name, answer }) in self.routes.into_iter().enumerate() {
            router.route(method, &path, Answer { index, ..answer })?;
            urls.add(&name, &path)?;
            endpoints.push((name, path));
        }
        let urls = Arc::new(urls);
        let mut templates = match &self.folder {
            None => Templates::from_sources::<String, String>([])?,
            Some(folder) => match folder.path().filter(|_| settings.development) {
                Some(path) => Templates::reloading(&path),
                None => Templates::embedded(folder)?,
            },
        };
        let values = self.templates.apply(&mut templates, &urls, self.csrf_tokens);
        let cookie = settings.session_cookie()?;
        let security = self.security.build(cookie.is_secure())?;
        let store = match (&place, &self.store, &settings.session_store) {
            (Place::Cookie, None, _) => "none".to_owned(),
            (_, Some(_), _) => "the app's own".to_owned(),
            (_, None, Some(place)) => place.to_string(),
            (_, None, None) => "memory:".to_owned(),
        };
        let sessions = match (place, self.store) {
            (Place::Cookie, None) => Sessions::cookie(keyring, cookie.name(), &self.name)?,
            (Place::Cookie, Some(make)) => make(SessionState::Cookie, keyring, cookie.name(), &self.name)?,
            (Place::Store(state, _), Some(make)) | (Place::Store(state, make), None) => {
                make(state, keyring, cookie.name(), &self.name)?
            }
        };
        let sessions = settings.sessions(sessions)?;
        let shared = Shared {
            router,
            templates,
            sessions: SessionLayer::new(sessions, cookie).with_clock(clock),
            limits: settings.limits(self.limits),
            development: settings.development,
            hooks: self.hooks,
            values,
            urls,
            endpoints,
            security,
            csrf_tokens: self.csrf_tokens,
            name: self.name,
            state: settings.session_state.name(),
            store,
            panel,
        };
        Ok(AppService { shared: Arc::new(shared) })
    }

    /// What keeps its sessions apart from other apps'.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// An app that is ready to answer: a hyper service, and for tests a function of a request.
#[derive(Clone)]
pub struct AppService {
    shared: Arc<Shared>,
}

/// What all requests share.
pub(crate) struct Shared {
    router: Router<Answer>,
    templates: Templates,
    pub(crate) sessions: SessionLayer,
    pub(crate) limits: Limits,
    development: bool,
    hooks: Hooks,
    pub(crate) values: TemplateValues,
    pub(crate) urls: Arc<Urls>,
    /// Name and path of each route.
    pub(crate) endpoints: Vec<(Name, String)>,
    security: Vec<(HeaderName, HeaderValue)>,
    csrf_tokens: bool,
    /// For the panel, which there is in development alone.
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) store: String,
    pub(crate) panel: Option<Panel>,
}

/// Where a request leads.
enum Target<'r> {
    Route(&'r Answer),
    Answered(Result<Response>),
    /// Refused before any cookie is looked at.
    Refused(Error),
}

impl AppService {
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

    /// Looks after the session store for as long as it is polled; see [`SessionLayer::keep_up`].
    pub async fn keep_up(&self) {
        self.shared.sessions.keep_up().await;
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
        let target = match self.admit(request.parts()) {
            Ok(Found::Route { value, params }) => {
                request.set_route(value.index, params);
                Target::Route(value)
            }
            Ok(other) => Target::Answered(without_route(other)),
            Err(refused) => {
                // A refused request opens nobody's session, not even for the page that says so.
                request.forget_session();
                Target::Refused(refused)
            }
        };
        let bare = matches!(&target, Target::Route(answer) if answer.bare);
        let answer = match target {
            Target::Refused(refused) => Err(refused),
            target => {
                // The call stands inside, so that a panic before its first await is caught too.
                let answer = async {
                    if self.asks_for_token(&target, request.method()) {
                        Box::pin(csrf::check(&request)).await?;
                    }
                    if !bare && let Some(early) = self.hooks.before(&request).await? {
                        return Ok(early);
                    }
                    match target {
                        Target::Route(answer) => answer.handler.call(request.clone()).await,
                        Target::Answered(answer) => answer,
                        Target::Refused(refused) => Err(refused),
                    }
                };
                let answer = guard(self.limits.request_time, answer).await;
                answer.unwrap_or_else(|failure| Err(failure.into()))
            }
        };
        let mut response = match answer {
            Ok(response) => response,
            // Boxed, because it hardly ever is there and would make every request's future larger.
            Err(error) => Box::pin(self.answer_to(error, &request)).await,
        };
        if !bare && !self.hooks.after.is_empty() {
            response = Box::pin(self.after(response, &request)).await;
        }
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

    /// The answer as the hooks that run after a handler leave it.
    async fn after(&self, response: Response, request: &Request) -> Response {
        let answer = guard(self.limits.request_time, self.hooks.after(request, response)).await;
        match answer.unwrap_or_else(|failure| Err(failure.into())) {
            Ok(response) => response,
            Err(error) => {
                log(&error, request);
                self.error_page(&error, request).await
            }
        }
    }

    /// The page that says that the session could not be committed.
    async fn unfinished(&self, error: Error, request: &Request, session: &SessionHandle) -> Response {
        log(&error, request);
        let mut response = self.error_page(&error, request).await;
        // The session is closed by now: nothing is sealed again, but a page that read it has to say so.
        let _ = self.sessions.finish(session, &mut response).await;
        response
    }

    fn asks_for_token(&self, target: &Target<'_>, method: &Method) -> bool {
        let exempt = |answer: &Answer| answer.csrf_exempt || origin::is_safe(method);
        self.csrf_tokens && matches!(target, Target::Route(answer) if !exempt(answer))
    }

    /// Finds what answers a request that this server should answer at all.
    fn admit(&self, parts: &Parts) -> Result<Found<'_, Answer>> {
        let host = host::host(parts.version, &parts.uri, &parts.headers)?;
        if self.development {
            host::development_guard(&parts.headers, &host)?;
        }
        let found = self.router.find(&parts.method, parts.uri.path());
        if !matches!(&found, Found::Route { value, .. } if value.cross_site) {
            origin::check(&parts.method, &parts.headers, self.sessions.scheme(), &host)?;
        }
        Ok(found)
    }

    /// Renders a page, and once more if it turns out that the store has to be asked for the session first.
    pub(crate) async fn render(
        &self,
        template: &str,
        context: Context,
        request: &Request,
    ) -> Result<String, Error> {
        let render = |context| {
            let session = request.session_handle().clone();
            let request = request.clone();
            let names = move |name: &str| request.app().values.look_up(name, &request);
            self.templates.render_with(template, context, move || session.ready(), names)
        };
        match render(context.clone()) {
            Err(error) if error.wants_session() => {
                request.session_handle().load().await?;
                Ok(render(context)?)
            }
            rendered => Ok(rendered?),
        }
    }

    /// What answers instead of a handler that failed: the app's handler for this status, or a page.
    async fn answer_to(&self, error: Error, request: &Request) -> Response {
        log(&error, request);
        let status = error.status_code();
        if !self.hooks.handles(status) || self.shows_source(status) {
            return self.error_page(&error, request).await;
        }
        let answer = guard(self.limits.request_time, self.hooks.on_error(request, error)).await;
        match answer.unwrap_or_else(|failure| Err(failure.into())) {
            Ok(response) => response,
            Err(error) => {
                log(&error, request);
                self.error_page(&error, request).await
            }
        }
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
        if !self.templates.contains("error.html") {
            return None;
        }
        let status = error.status_code();
        let context = context! {
            status => status.as_u16(),
            reason => error_page::reason(status),
            message => error.public_message(),
        };
        let page = self.render("error.html", context, request).await;
        page.inspect_err(|error| tracing::error!("the error page itself failed: {error}")).ok()
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
fn without_route(found: Found<'_, Answer>) -> Result<Response> {
    match found {
        Found::Options { allow } => Ok(allowing(StatusCode::NO_CONTENT, allow)),
        Found::MethodNotAllowed { allow } => Err(Error::status(405).header(header::ALLOW, allow.clone())),
        Found::BadPath(error) => Err(error.into()),
        Found::NotFound | Found::Route { .. } => Err(Error::status(404)),
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

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name)
            .field("routes", &self.routes.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AppService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppService").field("development", &self.shared.development).finish_non_exhaustive()
    }
}
