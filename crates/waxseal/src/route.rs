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
    /// Runs no hooks, for the routes of the session panel.
    pub(crate) bare: bool,
    /// The route's index among those of the app.
    pub(crate) index: usize,
}

impl Route {
    /// Answers `method` on `path`, where `{name}` stands for a text within one path segment and `{*rest}` for all that
    /// follows.
    ///
    /// The route has its handler's name, as with Flask's endpoints: `url_for('create_wizard')`. A closure has no name.
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
        // A path without a leading slash is left as it is, so that the router refuses it.
        if self.path.is_empty() || self.path.starts_with('/') {
            self.path.insert_str(0, path);
        }
        self.name = self.name.within(group);
        self
    }

    /// Skips the app's hooks for this route.
    pub(crate) fn bare(mut self) -> Self {
        self.target.bare = true;
        self
    }

    /// Names the route for `url_for`: needed for a closure, or if two handlers have the same name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Name::Given(name.to_owned());
        self
    }

    /// Accepts unsafe requests from other sites, as a webhook needs, and their WebSockets. It does not require a
    /// [token](crate::App::csrf_tokens) either.
    ///
    /// The session then does not prove that its visitor intended the request.
    pub fn allow_cross_site(mut self) -> Self {
        self.target.cross_site = true;
        self.target.csrf_exempt = true;
        self
    }

    /// Accepts requests without a token in an app that [requires them](crate::App::csrf_tokens), such as requests from
    /// programs.
    ///
    /// Requests from other sites are still refused, unless [`allow_cross_site`](Self::allow_cross_site) accepts them.
    pub fn without_csrf_token(mut self) -> Self {
        self.target.csrf_exempt = true;
        self
    }
}
