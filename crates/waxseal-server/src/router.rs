//! Routes by method and path.

use std::collections::HashMap;

use http::{HeaderValue, Method};
use matchit::InsertError;

use crate::error::Error;
use crate::params::Params;
use crate::percent;
use crate::route_match::RouteMatch;
use crate::setup_error::SetupError;

/// Finds the value, usually a handler, for a method and a path.
///
/// A path is a text with `{name}` for a part within one segment, and `{*name}` for the rest, which is never empty.
/// Literal parts take precedence over parameters. The path is matched first, then the method: a `POST` to a path that
/// only has a `GET` route is [`RouteMatch::MethodNotAllowed`], even if a broader path has a route for it.
///
/// Paths are matched as they were sent: nothing is decoded beforehand, dots and slashes are not normalized, and a slash
/// at the end makes a different path. Parameters are decoded after matching. A path whose `{name}` then contains `/` (from
/// `%2F`) is [`RouteMatch::NotFound`]; `{*name}` may contain it. Both may be `..`, so never use one as a file name unchecked.
///
/// HEAD is answered by the route for GET, and OPTIONS by [`RouteMatch::Options`], unless they have routes of their own.
/// `OPTIONS *` asks about the whole server: it is answered with the methods of all routes.
///
/// # Example
///
/// ```
/// use http::Method;
/// use waxseal_server::{RouteMatch, Router};
///
/// let mut router = Router::new();
/// router.route(Method::GET, "/wizard/{name}", "show")?;
/// let RouteMatch::Route { value, params } = router.find(&Method::GET, "/wizard/Tom%20Riddle") else { panic!() };
/// assert_eq!((*value, params.get("name")), ("show", Some("Tom Riddle")));
/// # Ok::<(), waxseal_server::SetupError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Router<T> {
    paths: matchit::Router<usize>,
    /// The index of each path in `endpoints`, used to add methods to it.
    indices: HashMap<String, usize>,
    endpoints: Vec<Endpoint<T>>,
    /// `Allow` with the methods of all routes.
    allow: HeaderValue,
}

#[derive(Clone, Debug)]
struct Endpoint<T> {
    /// `true` if the last parameter is a `{*name}`.
    has_rest: bool,
    methods: Vec<(Method, T)>,
    allow: HeaderValue,
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Router<T> {
    /// A router without routes.
    #[must_use]
    pub fn new() -> Self {
        let (paths, indices, endpoints) = (matchit::Router::new(), HashMap::new(), Vec::new());
        Self { paths, indices, endpoints, allow: allow([].into_iter()) }
    }

    /// Adds a route. The order of routes does not matter.
    ///
    /// # Errors
    ///
    /// [`SetupError::RoutePath`] if `path` can never match, [`SetupError::RouteDuplicate`] if this method and path have
    /// a route already, [`SetupError::RouteConflict`] if the path matches the same as another one with other parameter
    /// names.
    pub fn route(&mut self, method: Method, path: &str, value: T) -> Result<(), SetupError> {
        let index = match self.indices.get(path) {
            Some(&index) => index,
            None => self.add_path(&method, path)?,
        };
        let endpoint = &mut self.endpoints[index];
        if endpoint.value(&method).is_some() {
            return Err(SetupError::RouteDuplicate { method, path: path.to_owned() });
        }
        endpoint.methods.push((method, value));
        endpoint.allow = allow(endpoint.methods.iter().map(|(method, _)| method));
        let all = self.endpoints.iter().flat_map(|endpoint| &endpoint.methods);
        self.allow = allow(all.map(|(method, _)| method));
        Ok(())
    }

    fn add_path(&mut self, method: &Method, path: &str) -> Result<usize, SetupError> {
        let unfit = |problem| SetupError::RoutePath { path: path.to_owned(), problem };
        if !path.starts_with('/') {
            return Err(unfit("start it with `/`"));
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#')) {
            return Err(unfit("percent-encode what a URL's path cannot hold as it is"));
        }
        let index = self.endpoints.len();
        self.paths.insert(path, index).map_err(|error| match error {
            InsertError::Conflict { with } => {
                SetupError::RouteConflict { method: method.clone(), path: path.to_owned(), with }
            }
            InsertError::InvalidParamSegment => unfit("use one parameter in a segment"),
            InsertError::InvalidCatchAll => unfit("put `{*name}` at the end, behind a `/`"),
            _ => unfit("name each parameter in braces, as in `/wizard/{name}`; a literal brace is doubled"),
        })?;
        self.indices.insert(path.to_owned(), index);
        // The start of a literal brace is doubled, and `{*name}` is a whole segment.
        let has_rest = path.rsplit('/').next().is_some_and(|last| last.starts_with("{*"));
        self.endpoints.push(Endpoint { has_rest, methods: Vec::new(), allow: HeaderValue::from_static("") });
        Ok(index)
    }

    /// Finds the answer to `method` at `path`, which is the path of a URL as it was sent, without the query.
    ///
    /// A malformed percent-escape is [`RouteMatch::BadPath`] wherever it is, because it cannot be meant for any route.
    /// So is the target `*`, unless the method is OPTIONS. CONNECT, which has no path, is
    /// [`RouteMatch::MethodNotAllowed`].
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> RouteMatch<'_, T> {
        match (method, path) {
            (&Method::OPTIONS, "*") => return RouteMatch::Options { allow: &self.allow },
            (_, "*") => return RouteMatch::BadPath(Error::Asterisk),
            (&Method::CONNECT, "") => return RouteMatch::MethodNotAllowed { allow: &self.allow },
            _ => {}
        }
        if let Some(offset) = percent::first_malformed(path.as_bytes()) {
            return RouteMatch::BadPath(Error::PathEscape { offset });
        }
        let Ok(found) = self.paths.at(path) else { return RouteMatch::NotFound };
        let endpoint = &self.endpoints[*found.value];
        // Not decoded before matching: `/a%2Fb` would reach the route of `/a/b`, past a proxy that guards `/a/`.
        let parts = found.params.len() - usize::from(endpoint.has_rest);
        if found.params.iter().take(parts).any(|(_, part)| has_slash(part)) {
            return RouteMatch::NotFound;
        }
        let value = match *method {
            Method::HEAD => endpoint.value(method).or_else(|| endpoint.value(&Method::GET)),
            _ => endpoint.value(method),
        };
        match value {
            Some(value) => match Params::decode(&found.params) {
                Ok(params) => RouteMatch::Route { value, params },
                Err(bad) => RouteMatch::BadPath(bad),
            },
            None if method == Method::OPTIONS => RouteMatch::Options { allow: &endpoint.allow },
            None => RouteMatch::MethodNotAllowed { allow: &endpoint.allow },
        }
    }
}

impl<T> Endpoint<T> {
    fn value(&self, method: &Method) -> Option<&T> {
        self.methods.iter().find(|(routed, _)| routed == method).map(|(_, value)| value)
    }
}

/// `true` if a part of a path contains a slash once decoded.
fn has_slash(part: &str) -> bool {
    part.as_bytes().windows(3).any(|escape| escape.eq_ignore_ascii_case(b"%2f"))
}

/// `Allow`, such as `GET, HEAD, OPTIONS`: the sorted methods that have routes or are answered without one.
fn allow<'a>(routed: impl Iterator<Item = &'a Method>) -> HeaderValue {
    let mut names: Vec<&str> = routed.map(Method::as_str).chain(["OPTIONS"]).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.dedup();
    HeaderValue::from_str(&names.join(", ")).expect("a method is a token, and tokens fit into a header field")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn router(routes: &[(&str, &'static str)]) -> Router<&'static str> {
        let mut router = Router::new();
        for (method, path) in routes {
            router.route(Method::from_bytes(method.as_bytes()).unwrap(), path, *path).unwrap();
        }
        router
    }

    /// The answer in one line.
    fn ask(router: &Router<&'static str>, method: &str, path: &str) -> String {
        match router.find(&Method::from_bytes(method.as_bytes()).unwrap(), path) {
            RouteMatch::Route { value, params } => {
                let params: Vec<String> =
                    params.iter().map(|(name, value)| format!("{name}={value}")).collect();
                [&[(*value).to_owned()], &params[..]].concat().join(" ")
            }
            RouteMatch::MethodNotAllowed { allow } => format!("405 {}", allow.to_str().unwrap()),
            RouteMatch::Options { allow } => format!("204 {}", allow.to_str().unwrap()),
            RouteMatch::NotFound => "404".to_owned(),
            RouteMatch::BadPath(bad) => format!("{} {bad}", bad.status().as_str()),
        }
    }

    #[test]
    fn the_path_decides_first_and_then_the_method() {
        let router = router(&[
            ("GET", "/"),
            ("POST", "/wizard/create"),
            ("GET", "/wizard/{name}"),
            ("GET", "/files/{*rest}"),
            ("PATCH", "/files/{*rest}"),
            ("PURGE", "/cache"),
        ]);
        for (method, path, expected) in [
            ("GET", "/", "/"),
            ("HEAD", "/", "/"),
            ("POST", "/wizard/create", "/wizard/create"),
            ("GET", "/wizard/create", "405 OPTIONS, POST"),
            ("HEAD", "/wizard/create", "405 OPTIONS, POST"),
            ("GET", "/wizard/merlin", "/wizard/{name} name=merlin"),
            ("GET", "/files/a/b.css", "/files/{*rest} rest=a/b.css"),
            ("DELETE", "/files/a", "405 GET, HEAD, OPTIONS, PATCH"),
            ("OPTIONS", "/files/a", "204 GET, HEAD, OPTIONS, PATCH"),
            ("OPTIONS", "/cache", "204 OPTIONS, PURGE"),
            ("PURGE", "/cache", "/cache"),
            ("GET", "/wizard", "404"),
            ("GET", "/wizard/", "404"),
            ("GET", "/wizard/merlin/", "404"),
            ("GET", "/files/", "404"),
            ("GET", "//", "404"),
            ("GET", "", "404"),
            ("OPTIONS", "*", "204 GET, HEAD, OPTIONS, PATCH, POST, PURGE"),
            ("GET", "*", "400 the target `*` is for OPTIONS alone; ask for a path"),
            ("BREW", "*", "400 the target `*` is for OPTIONS alone; ask for a path"),
            ("OPTIONS", "/*", "404"),
            ("CONNECT", "", "405 GET, HEAD, OPTIONS, PATCH, POST, PURGE"),
            ("OPTIONS", "/nowhere", "404"),
        ] {
            assert_eq!(ask(&router, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn head_and_options_may_have_their_own_routes() {
        let mut router = Router::new();
        router.route(Method::OPTIONS, "/a", "options").unwrap();
        router.route(Method::HEAD, "/a", "head").unwrap();
        router.route(Method::GET, "/a", "get").unwrap();
        assert_eq!(ask(&router, "OPTIONS", "/a"), "options");
        assert_eq!(ask(&router, "HEAD", "/a"), "head");
        assert_eq!(ask(&router, "PUT", "/a"), "405 GET, HEAD, OPTIONS");
    }

    #[test]
    fn parameters_are_decoded_strictly_and_literals_not_at_all() {
        let router = router(&[("GET", "/w/{name}"), ("GET", "/100%25"), ("GET", "/f/{*rest}")]);
        let escape = |offset: usize| {
            format!(
                "400 the path has a `%` without two hexadecimal digits at byte {offset}; \
                 write a percent sign as `%25`"
            )
        };
        let not_utf8 = "400 `name` in the path is not UTF-8 once decoded; encode its text as UTF-8";
        for (path, expected) in [
            ("/w/Tom%20Riddle", "/w/{name} name=Tom Riddle"),
            ("/w/a+b", "/w/{name} name=a+b"),
            ("/w/%C3%A9%e2%82%ac", "/w/{name} name=é€"),
            ("/w/é", "/w/{name} name=é"),
            ("/w/%252F", "/w/{name} name=%2F"),
            ("/f/a%2Fb/%2E%2E", "/f/{*rest} rest=a/b/.."),
            ("/w/%", &escape(3)),
            ("/w/a%2", &escape(4)),
            ("/w/%zz", &escape(3)),
            ("/w/%+1", &escape(3)),
            ("/w/%%41", &escape(3)),
            ("/w/%ff", not_utf8),
            ("/w/%C3", not_utf8),
            ("/w/%C0%AF", not_utf8),
            ("/w/%ED%A0%80", not_utf8),
            ("/100%25", "/100%25"),
            ("/%77/x", "404"),
            ("/nowhere/%ff", "404"),
            ("/nowhere/%", &escape(9)),
            ("/100%", &escape(4)),
        ] {
            assert_eq!(ask(&router, "GET", path), expected, "{path}");
        }
    }

    #[test]
    fn a_part_of_a_path_has_no_slash_and_the_rest_may_have_one() {
        let router = router(&[
            ("GET", "/w/{name}"),
            ("GET", "/w/{name}/{*rest}"),
            ("GET", "/page-{n}.html"),
            ("GET", "/{{*literal}}/{last}"),
        ]);
        for (method, path, expected) in [
            ("GET", "/w/a%2Fb", "404"),
            ("GET", "/w/%2fetc%2fpasswd", "404"),
            ("POST", "/w/a%2Fb", "404"),
            ("OPTIONS", "/w/a%2Fb", "404"),
            ("GET", "/w/..%5Cx", "/w/{name} name=..\\x"),
            ("GET", "/w/a/b%2Fc", "/w/{name}/{*rest} name=a rest=b/c"),
            ("GET", "/w/a%2Fb/c", "404"),
            ("GET", "/page-1%2F2.html", "404"),
            ("GET", "/{*literal}/a", "/{{*literal}}/{last} last=a"),
            ("GET", "/{*literal}/a%2Fb", "404"),
        ] {
            assert_eq!(ask(&router, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_route_without_parameters_decodes_nothing() {
        let router = router(&[("GET", "/plain")]);
        let RouteMatch::Route { params, .. } = router.find(&Method::GET, "/plain") else {
            panic!("no route")
        };
        assert_eq!((params.get("name"), params.iter().count()), (None, 0));
    }

    #[test]
    fn mistakes_in_routes_are_named() {
        let mut router = router(&[("GET", "/wizard/{name}")]);
        for (method, path, message) in [
            (Method::GET, "/wizard/{name}", "GET /wizard/{name} has a route already; remove one of the two"),
            (
                Method::POST,
                "/wizard/{other}",
                "POST /wizard/{other} matches what /wizard/{name} does; give their parameters the same names",
            ),
            (Method::GET, "wizard", "`wizard` is no path for a route: start it with `/`"),
            (Method::GET, "", "`` is no path for a route: start it with `/`"),
            (
                Method::GET,
                "/é",
                "`/é` is no path for a route: percent-encode what a URL's path cannot hold as it is",
            ),
            (Method::GET, "/{a}{b}", "`/{a}{b}` is no path for a route: use one parameter in a segment"),
            (
                Method::GET,
                "/{*rest}/end",
                "`/{*rest}/end` is no path for a route: put `{*name}` at the end, behind a `/`",
            ),
            (
                Method::GET,
                "/{}",
                "`/{}` is no path for a route: name each parameter in braces, as in `/wizard/{name}`; \
                 a literal brace is doubled",
            ),
        ] {
            assert_eq!(router.route(method, path, "").unwrap_err().to_string(), message);
        }
        assert_eq!(
            ask(&router, "GET", "/wizard/x"),
            "/wizard/{name} name=x",
            "refused routes leave no trace"
        );
        assert_eq!(ask(&router, "POST", "/wizard/x"), "405 GET, HEAD, OPTIONS");
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_its_encoding(text in ".{1,20}") {
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
            let router = router(&[("GET", "/part/{text}"), ("GET", "/rest/{*text}")]);
            for kind in ["part", "rest"] {
                let path = format!("/{kind}/{encoded}");
                let found = match router.find(&Method::GET, &path) {
                    RouteMatch::Route { params, .. } => params.get("text").map(str::to_owned),
                    _ => None,
                };
                let fits = kind == "rest" || !text.contains('/');
                prop_assert_eq!(found.as_ref(), fits.then_some(&text));
            }
        }

        #[test]
        fn any_path_is_looked_up_without_a_panic(path in ".{0,40}") {
            let router = router(&[("GET", "/{a}/x-{b}"), ("GET", "/a/{*rest}"), ("GET", "/{a}/y/{c}")]);
            let _ = router.find(&Method::GET, &path);
        }
    }
}
