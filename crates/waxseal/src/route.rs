//! Routes.

use http::Method;

use crate::handler::Handler;
use crate::urls::Name;

/// A method and a path, and the handler that answers them.
#[must_use]
pub struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) name: Name,
    pub(crate) target: Target,
}

/// The handler of a route, and which checks and hooks are skipped for it.
pub(crate) struct Target {
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) cross_site: bool,
    pub(crate) csrf_exempt: bool,
    /// Runs no hooks, as the session panel's routes do.
    pub(crate) bare: bool,
    /// Its index among the app's routes.
    pub(crate) index: usize,
}

impl Route {
    /// Answers `method` on `path`, where `{name}` stands for one part and `{*rest}` for all that follows.
    ///
    /// Its name is that of its handler, as with Flask's endpoints: `url_for('create_wizard')`. A closure has no name.
    pub fn new(method: Method, path: &str, handler: impl Handler) -> Self {
        let name = Name::of_handler(handler.name());
        let target = Target {
            handler: Box::new(handler),
            cross_site: false,
            csrf_exempt: false,
            bare: false,
            index: 0,
        };
        Self { method, path: path.to_owned(), name, target }
    }

    /// Answers GET and HEAD on `path`.
    pub fn get(path: &str, handler: impl Handler) -> Self {
        Self::new(Method::GET, path, handler)
    }

    /// Answers POST on `path`.
    pub fn post(path: &str, handler: impl Handler) -> Self {
        Self::new(Method::POST, path, handler)
    }

    /// Puts the group's path in front of the route's path, and the group's name in front of its name.
    pub(crate) fn below(mut self, path: &str, group: &str) -> Self {
        // A path without its slash is left alone, for the router to refuse it.
        if self.path.is_empty() || self.path.starts_with('/') {
            self.path.insert_str(0, path);
        }
        self.name = self.name.within(group);
        self
    }

    /// Runs none of the app's hooks for this route.
    pub(crate) fn bare(mut self) -> Self {
        self.target.bare = true;
        self
    }

    /// Names the route, for `url_for`: for a closure, or if two handlers have the same name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Name::Given(name.to_owned());
        self
    }

    /// Accepts unsafe requests of other sites, as a webhook needs, and their WebSockets. No [token](crate::App::csrf_tokens) is required either.
    ///
    /// A session is then no proof that its visitor meant the request.
    pub fn allow_cross_site(mut self) -> Self {
        self.target.cross_site = true;
        self.target.csrf_exempt = true;
        self
    }

    /// Accepts requests without a token in an app that [requires them](crate::App::csrf_tokens): for
    /// programs, which have none.
    ///
    /// Requests of other sites stay refused, unless [`allow_cross_site`](Self::allow_cross_site) accepts them.
    pub fn without_csrf_token(mut self) -> Self {
        self.target.csrf_exempt = true;
        self
    }
}
