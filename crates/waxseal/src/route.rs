//! Routes.

use http::Method;

use crate::Handler;
use crate::urls::Name;

/// A method and a path, and what answers them.
#[must_use]
pub struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) name: Name,
    pub(crate) answer: Answer,
}

pub(crate) struct Answer {
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) cross_site: bool,
    pub(crate) csrf_exempt: bool,
    /// The session panel's: what the app runs around its handlers is not for it.
    pub(crate) bare: bool,
    /// Its place among the app's routes.
    pub(crate) index: usize,
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
    /// no proof that the visitor meant it, and no [token](crate::App::csrf_tokens) is asked for.
    pub fn allow_cross_site(mut self) -> Self {
        self.answer.cross_site = true;
        self.answer.csrf_exempt = true;
        self
    }
}
