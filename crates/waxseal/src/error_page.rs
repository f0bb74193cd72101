//! Error pages: the plain page of an app without an `error.html`, and the developer's page.

use std::panic::Location;
use std::sync::LazyLock;
use std::{env, fs};

use http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderName, HeaderValue, StatusCode};
use minijinja::{Environment, context};
use waxseal_templates::Error as TemplateError;

use crate::{Error, Request, Response, html};

/// Source lines shown before and after the one that failed.
const LINES_AROUND: usize = 4;
/// Headers with credentials, which are never shown.
const SECRET_HEADERS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
/// The content security policy of `development.html`. It allows only the style with this hash.
const DEVELOPMENT_POLICY: &str = "default-src 'none'; style-src 'sha256-/YkQZMuPh7rSds8UhZg9F6q4S0FutopFA0fr2oLFFtY='; base-uri 'none'; frame-ancestors 'none'";

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    pages
        .add_template("plain.html", include_str!("error_page/plain.html"))
        .expect("plain.html is tested to compile");
    pages
        .add_template("development.html", include_str!("error_page/development.html"))
        .expect("development.html is tested to compile");
    pages
});

/// The plain page: status, reason phrase, and the message for the visitor.
pub(crate) fn plain(error: &Error) -> String {
    let status = error.status_code();
    let context = context! {
        status => status.as_u16(),
        reason => reason(status),
        message => error.public_message(),
    };
    render("plain.html", context)
}

/// The reason phrase of a status, or "Error" if none is registered.
pub(crate) fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// The developer's page: causes, source code and request. It shows no values of the session.
pub(crate) fn development(error: &Error, request: &Request) -> Response {
    let template = error.downcast_ref::<TemplateError>();
    let (file, line, lines) = match template {
        Some(template) => {
            (template.name().unwrap_or_default(), template.line(), source_of_template(template))
        }
        // A place in the framework's own code does not help the developer.
        None if is_ours(error.place().file()) => ("", None, Vec::new()),
        None => {
            let line = usize::try_from(error.place().line()).ok();
            (error.place().file(), line, source_of_code(error.place()))
        }
    };
    let excerpt: Vec<_> = lines
        .into_iter()
        .map(|(number, text)| context! { number, text, here => line == Some(number) })
        .collect();
    let headers: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = if SECRET_HEADERS.contains(name) { "(not shown)".into() } else { text_of(value) };
            context! { name => name.as_str(), value }
        })
        .collect();
    let context = context! {
        status => error.status_code().as_u16(),
        error => error.to_string(),
        place => format!("{} {}", request.method(), request.path()),
        file,
        line,
        excerpt,
        query => request.uri().query(),
        route => request.route(),
        endpoint => request.endpoint(),
        headers,
    };
    let mut response = html(render("development.html", context));
    // More than any other page, this one shows text that others sent. Nothing in it may run, so its own style is
    // allowed by its hash.
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DEVELOPMENT_POLICY));
    response
}

fn source_of_template(template: &TemplateError) -> Vec<(usize, String)> {
    template.excerpt(LINES_AROUND).map(|(number, text)| (number, text.to_owned())).collect()
}

/// The code around a place, if its file is found from the folder in which the program runs. The compiler records paths
/// relative to the workspace's folder, and the program is often started in a folder below it.
fn source_of_code(place: &Location<'_>) -> Vec<(usize, String)> {
    let folder = env::current_dir().unwrap_or_default();
    let mut places = folder.ancestors().map(|folder| folder.join(place.file()));
    let source = places.find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let here = usize::try_from(place.line()).unwrap_or(usize::MAX);
    let numbered = source.lines().enumerate().map(|(at, text)| (at + 1, text.to_owned()));
    numbered.filter(|(number, _)| number.abs_diff(here) <= LINES_AROUND).collect()
}

/// `true` for a file of this crate, where the framework's own errors are made.
fn is_ours(file: &str) -> bool {
    let folder = file!().strip_suffix("error_page.rs").expect("it is this file");
    file.starts_with(folder)
}

fn text_of(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn render(name: &str, context: minijinja::Value) -> String {
    let page = PAGES.get_template(name).and_then(|template| template.render(context));
    page.expect("the pages use only what they are given, which the tests show")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use sha2::Digest;

    use super::*;

    #[test]
    fn a_plain_page_escapes_what_it_says() {
        let page = plain(&Error::status(404).message("no <b>wizard</b>"));
        assert!(
            page.contains("404 Not Found") && page.contains("no &lt;b&gt;wizard&lt;&#x2f;b&gt;"),
            "{page}"
        );
    }

    #[test]
    fn a_status_without_a_name_has_a_page_too() {
        let page = plain(&Error::status(499));
        assert!(page.contains("<h1>499 Error</h1>"), "{page}");
    }

    #[test]
    fn a_plain_page_of_a_server_error_says_nothing_of_its_cause() {
        let page = plain(&Error::status(500).message("database password wrong"));
        assert!(page.contains("500 Internal Server Error") && !page.contains("password"), "{page}");
    }

    /// If the style changes, its new hash must be put into the policy, or the page is shown without a style.
    #[test]
    fn the_policy_of_the_developers_page_names_its_style() {
        let page = include_str!("error_page/development.html");
        let (_, style) = page.split_once("<style>").unwrap();
        let (style, rest) = style.split_once("</style>").unwrap();
        let hash = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(style));
        assert!(DEVELOPMENT_POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
        assert!(!rest.contains("<style") && !page.contains("<script") && !page.contains("style="));
    }
}
