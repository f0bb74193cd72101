//! URLs built from the names of routes.

pub(crate) mod address;
pub(crate) mod template_function;
pub(crate) mod url_error;

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use self::url_error::UrlError;
use crate::start_error::StartError;

/// All characters except those that RFC 3986 §2.3 calls unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a parameter of several segments, whose slashes are kept.
const ESCAPED_IN_REST: &AsciiSet = &ESCAPED.remove(b'/');

/// All routes that have a name.
#[derive(Debug, Default)]
pub(crate) struct Urls(BTreeMap<String, Named>);

#[derive(Debug)]
struct Named {
    /// There can be several only if the routes are named after their handlers.
    paths: Vec<String>,
    by_hand: bool,
}

/// The name of a route.
#[derive(Debug, Clone)]
pub(crate) enum Name {
    /// Given by the app.
    Given(String),
    /// Taken from the handler's function, as Flask's endpoints are.
    OfHandler(String),
    /// Absent, as for a closure.
    None,
}

impl Name {
    /// The name of a route whose handler's function is `function`.
    pub(crate) fn of_handler(function: Option<&str>) -> Self {
        function.map_or(Self::None, |name| Self::OfHandler(name.to_owned()))
    }

    /// Puts a group's name in front of the name.
    pub(crate) fn within(self, group: &str) -> Self {
        let whole = |name| if group.is_empty() { name } else { format!("{group}.{name}") };
        match self {
            Self::Given(name) => Self::Given(whole(name)),
            Self::OfHandler(name) => Self::OfHandler(whole(name)),
            Self::None => Self::None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Given(name) | Self::OfHandler(name) => Some(name),
            Self::None => None,
        }
    }
}

impl Urls {
    /// Adds a route. A name given by the app wins over the same name taken from handlers.
    pub(crate) fn add(&mut self, name: &Name, path: &str) -> Result<(), StartError> {
        let Some(text) = name.as_str() else { return Ok(()) };
        let by_hand = matches!(name, Name::Given(_));
        let named = self.0.entry(text.to_owned()).or_insert_with(|| Named { paths: Vec::new(), by_hand });
        if by_hand && !named.by_hand {
            *named = Named { paths: Vec::new(), by_hand };
        }
        if by_hand != named.by_hand || named.paths.iter().any(|found| found == path) {
            return Ok(());
        }
        if by_hand && !named.paths.is_empty() {
            let (name, first, second) = (text.to_owned(), named.paths[0].clone(), path.to_owned());
            return Err(StartError::RouteName { name, first, second });
        }
        named.paths.push(path.to_owned());
        Ok(())
    }

    /// Builds the URL of the route named `name`. `arguments` fill its parameters, and the rest become the query.
    pub(crate) fn url_for(&self, name: &str, arguments: &[(&str, &str)]) -> Result<String, UrlError> {
        let path = self.path(name)?;
        let mut url = String::with_capacity(path.len() + 16);
        let mut used = Vec::new();
        let mut rest = path;
        while let Some(at) = rest.find(['{', '}']) {
            url.push_str(&rest[..at]);
            let brace = &rest[at..];
            if let Some(behind) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                url.push_str(&utf8_percent_encode(&brace[..1], ESCAPED).to_string());
                rest = behind;
                continue;
            }
            let (part, behind) = brace[1..].split_once('}').expect("the router has taken this path");
            let (part, escaped, takes_slash) = match part.strip_prefix('*') {
                Some(part) => (part, ESCAPED_IN_REST, true),
                None => (part, ESCAPED, false),
            };
            let missing =
                || UrlError::Missing { name: name.to_owned(), part: part.to_owned(), path: path.to_owned() };
            let found = arguments.iter().find(|(name, _)| *name == part);
            let (_, value) = found.ok_or_else(missing)?;
            if value.is_empty() {
                return Err(UrlError::Unfit { name: name.to_owned(), part: part.to_owned() });
            }
            // No route would match the URL.
            if !takes_slash && value.contains('/') {
                let (name, part, path) = (name.to_owned(), part.to_owned(), path.to_owned());
                return Err(UrlError::Slash { name, part, path });
            }
            push_part(&mut url, value, escaped);
            used.push(part);
            rest = behind;
        }
        url.push_str(rest);
        if let Some(part) = used.last().filter(|_| has_dots(&url)) {
            return Err(UrlError::Unfit { name: name.to_owned(), part: (*part).to_owned() });
        }
        push_query(&mut url, arguments.iter().filter(|(name, _)| !used.contains(name)));
        Ok(url)
    }

    /// The path of the route named `name`.
    fn path(&self, name: &str) -> Result<&str, UrlError> {
        match self.0.get(name).map(|named| &*named.paths) {
            Some([path]) => Ok(path),
            Some(paths) => Err(UrlError::Ambiguous { name: name.to_owned(), paths: paths.join(", ") }),
            None => {
                let known = self.0.keys().cloned().collect::<Vec<_>>().join(", ");
                Err(UrlError::Unknown { name: name.to_owned(), known })
            }
        }
    }
}

fn push_part(url: &mut String, value: &str, escaped: &'static AsciiSet) {
    // A slash at the start would make `//`, after which a browser expects a host.
    let slash = if value.starts_with('/') { "%2F" } else { "" };
    url.push_str(slash);
    url.extend(utf8_percent_encode(value.strip_prefix('/').unwrap_or(value), escaped));
}

fn push_query<'a>(url: &mut String, pairs: impl Iterator<Item = &'a (&'a str, &'a str)>) {
    let mut sign = '?';
    for (name, value) in pairs {
        url.push(sign);
        url.extend(utf8_percent_encode(name, ESCAPED));
        url.push('=');
        url.extend(utf8_percent_encode(value, ESCAPED));
        sign = '&';
    }
}

/// `true` if a segment is `.` or `..`, which a browser removes from any URL, escaped or not.
fn has_dots(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::Handler;
    use proptest::prelude::*;

    fn urls() -> Urls {
        let mut urls = Urls::default();
        for (name, path) in [
            ("index", "/"),
            ("wizard", "/wizard/{name}"),
            ("pet", "/wizard/{name}/pets/{pet}.html"),
            ("static", "/static/{*filename}"),
            ("root", "/{*rest}"),
            ("braces", "/a{{b}}c"),
        ] {
            urls.add(&Name::Given(name.to_owned()), path).unwrap();
        }
        urls
    }

    #[test]
    fn parts_are_filled_and_the_rest_is_the_query() {
        for (name, arguments, expected) in [
            ("index", &[][..], "/"),
            ("index", &[("q", "a b&c=d"), ("é", "ü/")], "/?q=a%20b%26c%3Dd&%C3%A9=%C3%BC%2F"),
            ("wizard", &[("name", "Tom Riddle")], "/wizard/Tom%20Riddle"),
            ("wizard", &[("name", "a?c#d%")], "/wizard/a%3Fc%23d%25"),
            ("wizard", &[("page", "2"), ("name", "x")], "/wizard/x?page=2"),
            ("pet", &[("name", "a"), ("pet", "..")], "/wizard/a/pets/...html"),
            ("static", &[("filename", "css/site one.css")], "/static/css/site%20one.css"),
            ("root", &[("rest", "/evil.example")], "/%2Fevil.example"),
            ("root", &[("rest", "\\evil.example")], "/%5Cevil.example"),
            ("braces", &[], "/a%7Bb%7Dc"),
        ] {
            assert_eq!(urls().url_for(name, arguments).as_deref(), Ok(expected), "{name} {arguments:?}");
        }
    }

    #[test]
    fn what_cannot_be_an_address_says_why() {
        for (name, arguments, said) in [
            (
                "wizzard",
                &[][..],
                "no route is called `wizzard`; there are: braces, index, pet, root, static, wizard",
            ),
            ("pet", &[("name", "a")], "url_for(`pet`) needs `pet`, for /wizard/{name}/pets/{pet}.html"),
            (
                "wizard",
                &[("name", "..")],
                "url_for(`wizard`) cannot put an empty text or dots alone into `name`",
            ),
            (
                "wizard",
                &[("name", "")],
                "url_for(`wizard`) cannot put an empty text or dots alone into `name`",
            ),
            (
                "pet",
                &[("name", "a"), ("pet", "b/c")],
                "url_for(`pet`) cannot put a text with `/` into `pet`, for /wizard/{name}/pets/{pet}.html; \
                 `{*pet}` at the end of a route takes it",
            ),
            (
                "static",
                &[("filename", "a/../b")],
                "url_for(`static`) cannot put an empty text or dots alone into `filename`",
            ),
        ] {
            let error = urls().url_for(name, arguments).unwrap_err();
            assert_eq!(error.to_string(), said, "{name} {arguments:?}");
        }
    }

    proptest! {
        /// The router parses each URL back into the arguments that it was built from.
        #[test]
        fn the_router_finds_what_was_made(name in ".{1,20}", rest in "[^/].{0,20}", page in ".{0,9}") {
            let mut router = waxseal_server::Router::new();
            router.route(http::Method::GET, "/wizard/{name}", ()).unwrap();
            router.route(http::Method::GET, "/static/{*filename}", ()).unwrap();
            for (route, part, value) in [("wizard", "name", &name), ("static", "filename", &rest)] {
                let made = urls().url_for(route, &[(part, value), ("page", &page)]);
                if value.split('/').any(|segment| matches!(segment, "." | "..")) && route == "static"
                    || matches!(value.as_str(), "." | "..")
                    || value.contains('/') && route == "wizard"
                {
                    prop_assert!(made.is_err(), "{:?}", made);
                    continue;
                }
                let made = made.unwrap();
                let uri: http::Uri = made.parse().unwrap();
                let found = router.find(&http::Method::GET, uri.path());
                let waxseal_server::RouteMatch::Route { params, .. } = found else { panic!("{made}") };
                prop_assert_eq!(params.get(part), Some(value.as_str()));
                let query: Vec<(String, String)> = waxseal_server::forms::parse_query(uri.query().unwrap()).unwrap();
                prop_assert_eq!(query, [("page".to_owned(), page.clone())]);
            }
        }
    }

    #[test]
    fn a_handler_gives_its_name_unless_it_is_a_closure() {
        async fn create_wizard(_: crate::Request) -> crate::Result<crate::Response> {
            unreachable!()
        }
        fn guarded(view: impl Handler) -> impl Handler {
            crate::wrap(view, async |request: crate::Request, view| view.call(request).await)
        }
        assert_eq!(Name::of_handler(create_wizard.name()).as_str(), Some("create_wizard"));
        assert_eq!(Name::of_handler((async |_: crate::Request| unreachable!()).name()).as_str(), None);
        let wrapped = Name::of_handler(guarded(guarded(create_wizard)).name());
        assert_eq!(wrapped.within("shop").within("").as_str(), Some("shop.create_wizard"));
    }

    #[test]
    fn names_of_handlers_may_clash_and_given_ones_may_not() {
        let mut urls = Urls::default();
        urls.add(&Name::OfHandler("index".to_owned()), "/a").unwrap();
        urls.add(&Name::OfHandler("index".to_owned()), "/a").unwrap();
        assert_eq!(urls.url_for("index", &[]).as_deref(), Ok("/a"), "one path, two methods");
        urls.add(&Name::OfHandler("index".to_owned()), "/b").unwrap();
        let error = urls.url_for("index", &[]).unwrap_err();
        assert!(error.to_string().contains("/a, /b; name them with Route::name"), "{error}");
        urls.add(&Name::Given("index".to_owned()), "/c").unwrap();
        urls.add(&Name::OfHandler("index".to_owned()), "/d").unwrap();
        assert_eq!(urls.url_for("index", &[]).as_deref(), Ok("/c"));
        let error = urls.add(&Name::Given("index".to_owned()), "/e").unwrap_err();
        assert_eq!(error.to_string(), "two routes are called `index`: /c and /e; give each its own name");
    }
}
