//! Groups of routes.

use std::future::Future;

use http::{Method, StatusCode};

use crate::error::{Error, Result};
use crate::handler::Handler;
use crate::hooks::{HookChain, Hooks};
use crate::request::Request;
use crate::response::Response;
use crate::route::Route;

/// A group of routes with a name, hooks and error handlers of its own, like a blueprint in Flask.
///
/// [`App::mount`](crate::App::mount) puts it below a path. The group's name and a dot come before the names of its routes:
/// `url_for('auth.login')`, or `url_for('.login')` from a page of the same group. Groups can be mounted in groups.
///
/// # Example
///
/// ```
/// mod auth {
///     use waxseal::{Request, Response, Result, Routes, html};
///
///     pub fn routes() -> Routes {
///         Routes::new("auth").get("/login", login)
///     }
///
///     async fn login(request: Request) -> Result<Response> {
///         Ok(html(format!("<form action={} method=post>…", request.url_for("auth.login", &[])?)))
///     }
/// }
///
/// # use waxseal::{App, testing::Client};
/// let app = App::new("demo").mount("/auth", auth::routes());
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// assert_eq!(Client::new(app)?.get("/auth/login").await.text(), "<form action=/auth/login method=post>…");
/// # Ok::<(), waxseal::StartError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Routes {
    name: String,
    routes: Vec<Route>,
    groups: Vec<(String, Routes)>,
    hooks: Hooks,
}

/// A route with its whole path and name, and the hooks around it.
pub(crate) struct Mounted {
    pub(crate) route: Route,
    pub(crate) hooks: HookChain,
}

impl Routes {
    /// Creates a group with this name. If the name is empty, the names of its routes stay as they are.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), routes: Vec::new(), groups: Vec::new(), hooks: Hooks::default() }
    }

    /// Answers GET and HEAD on `path`, below the path of the group.
    pub fn get(self, path: &str, handler: impl Handler) -> Self {
        self.route(Route::new(Method::GET, path, handler))
    }

    /// Answers POST on `path`, below the path of the group.
    pub fn post(self, path: &str, handler: impl Handler) -> Self {
        self.route(Route::new(Method::POST, path, handler))
    }

    /// Adds a route of any method. Its path begins with `/`, or is empty for the path of the group itself.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Mounts another group within this one.
    pub fn mount(mut self, path: &str, group: Routes) -> Self {
        self.groups.push((path.to_owned(), group));
        self
    }

    /// Runs `hook` before the handlers of this group, after the app's hooks: see
    /// [`App::before_request`](crate::App::before_request).
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, Request, Response, Result, Routes, StaticFiles, abort, redirect};
    ///
    /// async fn sign_in_first(request: Request) -> Result<Option<Response>> {
    ///     match request.session().await?.owner() {
    ///         Some(_) => Ok(None),
    ///         None => Ok(Some(redirect("/sign-in"))),
    ///     }
    /// }
    ///
    /// async fn report(request: Request) -> Result<Response> {
    ///     let reports = request.state::<StaticFiles>()?;
    ///     let report = reports.answer(request.method(), request.param("name")?, request.headers()).await;
    ///     report.map_or_else(|| abort(404), Ok)
    /// }
    ///
    /// # let folder = std::env::temp_dir();
    /// let private = Routes::new("private").before_request(sign_in_first).get("/{*name}", report);
    /// let app = App::new("demo").state(StaticFiles::in_folder(&folder)?).mount("/private", private);
    /// # let client = waxseal::testing::Client::new(app)?;
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// assert_eq!(client.get("/private/%72eport.pdf").await.location(), Some("/sign-in"));
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn before_request<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Response>>> + Send + 'static,
    {
        self.hooks.add_before(Box::new(move |request| Box::pin(hook(request))));
        self
    }

    /// Runs `hook` on the responses of this group, before the app's hooks: see
    /// [`App::after_request`](crate::App::after_request).
    pub fn after_request<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Request, Response) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        self.hooks.add_after(Box::new(move |request, response| Box::pin(hook(request, response))));
        self
    }

    /// Answers errors with this status in this group, instead of the app's handler: see
    /// [`App::error_handler`](crate::App::error_handler).
    ///
    /// A path that matches no route belongs to no group, so the app's handler answers its 404.
    ///
    /// # Panics
    ///
    /// If `status` is not from 400 to 599. This is a mistake in the program, found when it starts.
    pub fn error_handler<F, Fut>(mut self, status: u16, handler: F) -> Self
    where
        F: Fn(Request, Error) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response>> + Send + 'static,
    {
        let status = StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
        let status = status.expect("an error handler is for a status from 400 to 599");
        self.hooks.add_error(status, Box::new(move |request, error| Box::pin(handler(request, error))));
        self
    }

    /// Runs `hook` at the end of the requests of this group, before the app's: see
    /// [`App::teardown_request`](crate::App::teardown_request).
    pub fn teardown_request<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Request, StatusCode) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.add_teardown(Box::new(move |request, status| Box::pin(hook(request, status))));
        self
    }

    /// The paths of the routes of this group itself, without those of groups inside it.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| route.path.as_str())
    }

    /// The number of routes, including those of groups inside it.
    pub(crate) fn len(&self) -> usize {
        self.routes.len() + self.groups.iter().map(|(_, group)| group.len()).sum::<usize>()
    }

    /// All routes with their whole paths and names, and the chain of hooks for a request without a route.
    pub(crate) fn mounted(self) -> (Vec<Mounted>, HookChain) {
        let mut mounted = Vec::with_capacity(self.len());
        let outermost = self.mount_into(&mut mounted, "", "", &HookChain::default());
        (mounted, outermost)
    }

    fn mount_into(self, mounted: &mut Vec<Mounted>, path: &str, name: &str, around: &HookChain) -> HookChain {
        let hooks = around.with(self.hooks);
        let name = match (name, self.name.as_str()) {
            (name, "") => name.to_owned(),
            ("", own) => own.to_owned(),
            (name, own) => format!("{name}.{own}"),
        };
        for route in self.routes {
            let hooks = if route.target.bare { HookChain::default() } else { hooks.clone() };
            mounted.push(Mounted { route: route.below(path, &name), hooks });
        }
        for (below, group) in self.groups {
            let path = format!("{path}{}", below.trim_end_matches('/'));
            group.mount_into(mounted, &path, &name, &hooks);
        }
        hooks
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes")
            .field("name", &self.name)
            .field("routes", &self.len())
            .finish_non_exhaustive()
    }
}
