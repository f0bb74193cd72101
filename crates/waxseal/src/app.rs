//! An app: its routes, templates and sessions.

mod command;
mod csrf;
#[cfg(feature = "device")]
mod device_bound;
mod hooks;
mod migration;
mod security_headers;
mod state;
mod static_files;
mod templates;

use std::sync::Arc;

use http::Method;
use waxseal_crypto::Keyring;
use waxseal_http::Clock;
use waxseal_manager::{SessionManager, State};
use waxseal_server::{Limits, Router};
use waxseal_store::SessionStore;
use waxseal_templates::{Folder, Templates};

use crate::app_context::AppContext;
use crate::cli::{Cli, Commands, Run};
use crate::config_file::ConfigFile;
use crate::device_setup::DeviceSetup;
use crate::handler::Handler;
use crate::hooks::HookChain;
use crate::http_metrics::HttpMetrics;
use crate::migration::Migration;
use crate::open_store::{self, MakeState, make_with};
use crate::pages::Pages;
use crate::panel;
use crate::panel_log::PanelLog;
use crate::request_id::RequestIdHeader;
use crate::request_log::RequestLog;
use crate::route::{Route, Target};
use crate::routes::{Mounted, Routes};
use crate::security_headers::SecurityHeaders;
use crate::service::{AppService, Shared};
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::states::States;
use crate::static_source::StaticSource;
use crate::template_setup::TemplateSetup;
use crate::urls::template_function::SiteRoot;
use crate::urls::{Name, Urls};

/// An app: its routes, templates and sessions.
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
    routes: Routes,
    states: States,
    commands: Commands,
    limits: Limits,
    /// Builds the session state over the store that the app brings in code.
    store: Option<MakeState>,
    templates: TemplateSetup,
    statics: Vec<(String, StaticSource)>,
    security: SecurityHeaders,
    csrf_tokens: bool,
    device: DeviceSetup,
    migration: Option<Migration>,
    /// Prints why a request failed, for the output of a test.
    prints_failures: bool,
}

impl App {
    /// Creates an app with this name.
    ///
    /// The name is part of what sessions are sealed for, so two apps with the same secret key cannot read each other's
    /// sessions. It is also the salt for passphrases. Changing it signs all visitors out.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: None,
            routes: Routes::new(""),
            states: States::default(),
            commands: Commands::default(),
            limits: Limits::default(),
            store: None,
            templates: TemplateSetup::default(),
            statics: Vec::new(),
            security: SecurityHeaders::default(),
            csrf_tokens: false,
            device: DeviceSetup::default(),
            migration: None,
            prints_failures: false,
        }
    }

    /// Sets the app's templates. They are built into the program; in development they are read from the folder and
    /// reloaded.
    #[must_use]
    pub fn templates(mut self, folder: Folder) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Sets the limits of size and time for a request.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps sessions in this store instead of the one that the settings name.
    ///
    /// In state `cookie` the store holds the list of revoked sessions ([`Revocable`](waxseal_manager::Revocable)).
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
        self.routes = self.routes.route(route);
        self
    }

    /// Mounts a group of routes below `path`, as Flask's `register_blueprint` does with `url_prefix`.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, Request, Response, Result, Routes, html};
    ///
    /// async fn login(_: Request) -> Result<Response> {
    ///     Ok(html("…"))
    /// }
    ///
    /// let auth = Routes::new("auth").get("/login", login);
    /// let app = App::new("demo").mount("/auth", auth); // /auth/login, url_for('auth.login')
    /// ```
    #[must_use]
    pub fn mount(mut self, path: &str, group: Routes) -> Self {
        self.routes = self.routes.mount(path, group);
        self
    }

    /// Builds the app into a service with these settings and keys.
    ///
    /// The session store is maintained only while [`maintain`](AppService::maintain) is polled. A server from
    /// [`bind`](Self::bind) polls it while it serves.
    ///
    /// # Errors
    ///
    /// [`StartError`] if two routes are the same, a template does not compile, the settings contradict each other, or
    /// the store cannot be opened.
    pub async fn service(self, settings: &Settings, keyring: &Keyring) -> Result<AppService, StartError> {
        let url = settings.session_store.as_ref();
        let store = open_store::open(url, settings.session_state, &self.name).await?;
        self.service_with(settings, keyring, Clock::system(), store)
    }

    /// Builds the service over an open store. Without a store, sessions are kept in cookies alone.
    pub(crate) fn service_with(
        mut self,
        settings: &Settings,
        keyring: &Keyring,
        clock: Clock,
        store: Option<MakeState>,
    ) -> Result<AppService, StartError> {
        let statics: Vec<_> = self.statics.iter().map(|(path, _)| path.clone()).collect();
        self.add_routes(settings.development)?;
        if let Some(path) = &settings.config {
            self.templates.set_config_from(&ConfigFile::read(path)?);
        }
        let (routes, outermost) = std::mem::replace(&mut self.routes, Routes::new("")).mounted();
        let named = routes.iter().map(|it| (it.route.method.as_str(), it.route.path.as_str()));
        let metrics = HttpMetrics::new(named);
        let Routing { router, urls, endpoints, hooks } = Routing::new(routes)?;
        let urls = Arc::new(urls);
        let mut templates = self.load_templates(settings.development)?;
        let config = self.templates.config().clone();
        let proxies = settings.proxies.checked(settings.development)?;
        let root = SiteRoot::new(&proxies);
        let values =
            self.templates.apply(&mut templates, &urls, root, self.csrf_tokens, settings.development);
        templates.check_names()?;
        let cookie = settings.session_cookie()?;
        // Otherwise a browser would insist on TLS for every server of this machine, for a year.
        let security = self.security.build(cookie.is_secure() && !settings.development)?;
        let store_name = match (&self.store, &settings.session_store) {
            (Some(_), _) => "the app's own".to_owned(),
            (None, Some(url)) => url.to_string(),
            (None, None) if store.is_some() => "memory:".to_owned(),
            (None, None) => "none".to_owned(),
        };
        let state = match self.store.or(store) {
            Some(make) => make(settings),
            None => State::Cookie,
        };
        let sessions =
            SessionManager::new(keyring, cookie.name(), &self.name, state)?.lifetimes(settings.lifetimes()?);
        let sessions = match &self.migration {
            Some(migration) => sessions.adopting(migration.terms)?,
            None => sessions,
        };
        let sessions = self.device.layer(settings, &statics, keyring, sessions, cookie)?;
        let sessions = match self.migration {
            Some(migration) => sessions.migrate_from(migration.readers).map_err(StartError::Migration)?,
            None => sessions,
        };
        let context = AppContext {
            pages: Pages::new(templates),
            sessions: sessions.with_clock(clock),
            limits: settings.limits(self.limits)?,
            proxies,
            #[cfg(feature = "websocket")]
            websocket: settings.limits.websocket(),
            speaks_tls: settings.speaks_tls(),
            urls,
            endpoints,
            config,
            states: self.states,
            request_id: RequestIdHeader(settings.request_id_header.clone()),
            name: self.name,
            state: settings.session_state.name(),
            store: store_name,
            panel: settings.development.then(PanelLog::default),
        };
        Ok(AppService::new(Shared {
            context,
            router,
            hooks,
            outermost,
            values,
            development: settings.development,
            security,
            csrf_tokens: self.csrf_tokens,
            prints_failures: self.prints_failures,
            metrics,
            log: RequestLog { access: settings.access_log, session_ids: settings.log_session_id },
        }))
    }

    /// Adds the routes of static files, and in development those of the session panel, unless the app has routes there.
    fn add_routes(&mut self, development: bool) -> Result<(), StartError> {
        if development {
            let taken: Vec<_> = self.routes.paths().map(str::to_owned).collect();
            let free = panel::routes().into_iter().filter(|route| !taken.contains(&route.path));
            self.add_all(free);
        }
        let statics = std::mem::take(&mut self.statics);
        let is_folder = |(_, source): &(String, StaticSource)| matches!(source, StaticSource::Folder(_));
        let named = statics.iter().position(is_folder).unwrap_or(0);
        for (index, (path, files)) in statics.into_iter().enumerate() {
            let path = format!("{}/{{*filename}}", path.trim_end_matches('/'));
            let route = Route::get(&path, files.handler(development)?);
            self.add_all([if index == named { route.name("static") } else { route }]);
        }
        Ok(())
    }

    fn add_all(&mut self, routes: impl IntoIterator<Item = Route>) {
        let before = std::mem::replace(&mut self.routes, Routes::new(""));
        self.routes = routes.into_iter().fold(before, Routes::route);
    }

    fn load_templates(&self, development: bool) -> Result<Templates, StartError> {
        Ok(match &self.folder {
            None => Templates::from_sources::<String, String>([])?,
            Some(folder) => match folder.path().filter(|_| development) {
                Some(path) => Templates::reloading(&path),
                None => Templates::embedded(folder)?,
            },
        })
    }

    /// `true` if the session store is set in code.
    pub(crate) fn has_own_store(&self) -> bool {
        self.store.is_some()
    }

    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// The command of this name and its argument; `None` if there is no such command.
    pub(crate) fn take_command(self, name: &str, args: Vec<String>) -> Option<(Run, Cli)> {
        let run = self.commands.take(name)?;
        Some((run, Cli { states: self.states, args }))
    }

    /// Makes the service print why a request failed.
    pub(crate) fn printing_failures(mut self) -> Self {
        self.prints_failures = true;
        self
    }

    /// The name of the app, which separates its sessions from those of other apps.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The routes of an app, indexed by path, by name and by number.
struct Routing {
    router: Router<Target>,
    urls: Urls,
    /// Name and path of each route.
    endpoints: Vec<(Name, String)>,
    hooks: Vec<HookChain>,
}

impl Routing {
    fn new(routes: Vec<Mounted>) -> Result<Self, StartError> {
        let (router, urls) = (Router::new(), Urls::default());
        let mut all = Self { router, urls, endpoints: Vec::new(), hooks: Vec::new() };
        for (index, Mounted { route, hooks }) in routes.into_iter().enumerate() {
            let Route { method, path, name, target } = route;
            all.router.route(method, &path, Target { index, ..target })?;
            all.urls.add(&name, &path)?;
            all.endpoints.push((name, path));
            all.hooks.push(hooks);
        }
        Ok(all)
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
