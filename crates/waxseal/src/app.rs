//! An app: its routes, its templates, its sessions.

use std::convert::Infallible;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use waxseal_crypto::Keyring;
use waxseal_http::{Body, Clock, Found, Limits, Router, SessionHandle, SessionLayer, guard, host, origin};
use waxseal_store::Sessions;
use waxseal_templates::{Context, Folder, Templates, context};

use crate::{BoxFuture, Error, Handler, Request, Response, Result, Settings, StartError, error_page};

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
}

/// A method and a path, and what answers them.
#[must_use]
pub struct Route {
    method: Method,
    path: String,
    answer: Answer,
}

struct Answer {
    handler: Box<dyn Handler>,
    cross_site: bool,
}

impl Route {
    /// Answers `method` on `path`, where `{name}` stands for one part and `{*rest}` for all that follows.
    pub fn new(method: Method, path: &str, handler: impl Handler) -> Self {
        let answer = Answer { handler: Box::new(handler), cross_site: false };
        Self { method, path: path.to_owned(), answer }
    }

    /// Lets pages of other sites send unsafe requests here, as a webhook needs: the visitor's session then is
    /// no proof that the visitor meant it.
    pub fn allow_cross_site(mut self) -> Self {
        self.answer.cross_site = true;
        self
    }
}

impl App {
    /// An app of this name. Two apps with one secret key are strangers to each other by their names, and a
    /// passphrase is salted with it: changing the name signs everybody out.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), folder: None, routes: Vec::new(), limits: Limits::default() }
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

    /// The app as a service, ready to answer, with these settings and keys.
    ///
    /// # Errors
    ///
    /// [`StartError`] if two routes are the same, a template is no Jinja, or the settings contradict each other.
    pub fn service(self, settings: &Settings, keyring: &Keyring) -> Result<AppService, StartError> {
        self.service_at(settings, keyring, Clock::system())
    }

    pub(crate) fn service_at(
        self,
        settings: &Settings,
        keyring: &Keyring,
        clock: Clock,
    ) -> Result<AppService, StartError> {
        let mut router = Router::new();
        for Route { method, path, answer } in self.routes {
            router.route(method, &path, answer)?;
        }
        let templates = match &self.folder {
            None => Templates::from_sources::<String, String>([])?,
            Some(folder) => match folder.path().filter(|_| settings.development) {
                Some(path) => Templates::reloading(&path),
                None => Templates::embedded(folder)?,
            },
        };
        let cookie = settings.session_cookie()?;
        let sessions = Sessions::cookie(keyring, cookie.name(), &self.name)?.lifetimes(settings.lifetimes()?);
        let shared = Shared {
            router,
            templates,
            sessions: SessionLayer::new(sessions, cookie).with_clock(clock),
            limits: settings.limits(self.limits),
            development: settings.development,
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

/// Which request an error belongs to.
struct Place<'a>(&'a Parts);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.method, self.0.uri.path())
    }
}

/// What all requests share.
pub(crate) struct Shared {
    router: Router<Answer>,
    templates: Templates,
    sessions: SessionLayer,
    pub(crate) limits: Limits,
    development: bool,
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

    pub(crate) fn sessions(&self) -> &SessionLayer {
        &self.shared.sessions
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
        let answer = match self.admit(request.parts()) {
            Ok(Found::Route { value, params }) => {
                request.set_params(params);
                let shared = request.share();
                // The call stands inside, so that a panic before its first await is caught too.
                let answer = guard(self.limits.request_time, async { value.handler.call(shared).await }).await;
                answer.unwrap_or_else(|failure| Err(failure.into()))
            }
            Ok(Found::Options { allow }) => Ok(allowing(StatusCode::NO_CONTENT, allow)),
            Ok(Found::MethodNotAllowed { allow }) => {
                Err(Error::status(405).header(header::ALLOW, allow.clone()))
            }
            Ok(Found::NotFound) => Err(Error::status(404)),
            Ok(Found::BadPath(error)) => Err(error.into()),
            Err(refused) => {
                // A refused request opens nobody's session, not even for the page that says so.
                request.forget_session();
                Err(refused)
            }
        };
        let mut response = answer.unwrap_or_else(|error| self.error_page(&error, &request));
        if let Some(session) = request.asked_session()
            && let Err(error) = self.sessions.finish(session, &mut response).await
        {
            response = self.error_page(&error.into(), &request);
            // The session is closed by now: nothing is sealed again, but a page that read it has to say so.
            let _ = self.sessions.finish(session, &mut response).await;
        }
        response
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

    pub(crate) fn render(
        &self,
        template: &str,
        context: Context,
        session: &SessionHandle,
    ) -> Result<String, waxseal_templates::Error> {
        let session = session.clone();
        self.templates.render(template, context, move || session.ready())
    }

    /// The page for an error: the app's own `error.html` if there is one, else a plain one. While developing,
    /// a server's error shows what went wrong and where.
    fn error_page(&self, error: &Error, request: &Request) -> Response {
        let (status, place) = (error.status_code(), Place(request.parts()));
        match status {
            status if status.is_server_error() => tracing::error!(request = place.to_string(), "{error}"),
            // An operator wants to see these: another site's form, or a proxy that changes the Host.
            StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => {
                tracing::info!(request = place.to_string(), "{error}");
            }
            _ => tracing::debug!(request = place.to_string(), "{error}"),
        }
        let page = match self.development && status.is_server_error() {
            true => error_page::development(error, &place.to_string()),
            false => self.public_page(error, request.session_handle()).unwrap_or_else(|| error_page::plain(error)),
        };
        let mut response = crate::html(page);
        *response.status_mut() = status;
        for (name, value) in error.headers() {
            response.headers_mut().append(name, value.clone());
        }
        response
    }

    fn public_page(&self, error: &Error, session: &SessionHandle) -> Option<String> {
        if !self.templates.contains("error.html") {
            return None;
        }
        let status = error.status_code();
        let context = context! {
            status => status.as_u16(),
            reason => error_page::reason(status),
            message => error.public_message(),
        };
        let page = self.render("error.html", context, session);
        page.inspect_err(|error| tracing::error!("the error page itself failed: {error}")).ok()
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
