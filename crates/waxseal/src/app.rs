//! An app: its routes, its templates, its sessions.

use std::sync::Arc;

use http::Method;
use waxseal_crypto::Keyring;
use waxseal_http::{Clock, SessionLayer};
use waxseal_server::{Limits, Router};
use waxseal_store::{SessionManager, SessionStore};
use waxseal_templates::{Folder, Templates};

use crate::hooks::Hooks;
use crate::pages::Pages;
use crate::panel::{self, Panel};
use crate::route::Answer;
use crate::service::Shared;
use crate::static_folder::StaticSource;
use crate::store_url::{MakeSessions, Place, make_with};
use crate::template_setup::TemplateSetup;
use crate::urls::Urls;
use crate::{AppService, Handler, Route, SecurityHeaders, SessionState, Settings, StartError};

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
    /// the list of those that were taken back ([`SessionManager::revocable`]).
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
    /// [`maintain`](AppService::maintain) is polled; [`bind`](Self::bind) sees to that.
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
            (Place::Cookie, None) => SessionManager::cookie(keyring, cookie.name(), &self.name)?,
            (Place::Cookie, Some(make)) => make(SessionState::Cookie, keyring, cookie.name(), &self.name)?,
            (Place::Store(state, _), Some(make)) | (Place::Store(state, make), None) => {
                make(state, keyring, cookie.name(), &self.name)?
            }
        };
        let sessions = settings.sessions(sessions)?;
        let shared = Shared {
            router,
            pages: Pages::new(templates, values),
            sessions: SessionLayer::new(sessions, cookie).with_clock(clock),
            limits: settings.limits(self.limits),
            development: settings.development,
            hooks: self.hooks,
            urls,
            endpoints,
            security,
            csrf_tokens: self.csrf_tokens,
            name: self.name,
            state: settings.session_state.name(),
            store,
            panel,
        };
        Ok(AppService::new(shared))
    }

    /// What keeps its sessions apart from other apps'.
    pub(crate) fn name(&self) -> &str {
        &self.name
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
