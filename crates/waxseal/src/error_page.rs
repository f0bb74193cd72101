//! The pages that an app without an `error.html` answers with, and the one that a developer sees.

use std::sync::LazyLock;

use http::StatusCode;
use minijinja::{Environment, context};
use waxseal_templates::Error as TemplateError;

use crate::Error;

/// Lines of the template shown on either side of the one that failed.
const LINES_AROUND: usize = 4;

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

/// Status, reason and what a visitor may read.
pub(crate) fn plain(error: &Error) -> String {
    let status = error.status_code();
    let context = context! {
        status => status.as_u16(),
        reason => reason(status),
        message => error.public_message(),
    };
    render("plain.html", context)
}

/// The status in words, also if it is one that nobody has named.
pub(crate) fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// What went wrong and where, for the person who writes the app. Never a value of the session.
pub(crate) fn development(error: &Error, place: &str) -> String {
    let template = error.downcast_ref::<TemplateError>();
    let excerpt: Vec<_> = template
        .into_iter()
        .flat_map(|template| {
            template.excerpt(LINES_AROUND).map(move |(number, text)| (template, number, text))
        })
        .map(|(template, number, text)| context! { number, text, here => template.line() == Some(number) })
        .collect();
    let context = context! {
        status => error.status_code().as_u16(),
        error => error.to_string(),
        place,
        template => template.and_then(TemplateError::name),
        excerpt,
    };
    render("development.html", context)
}

fn render(name: &str, context: minijinja::Value) -> String {
    let page = PAGES.get_template(name).and_then(|template| template.render(context));
    page.expect("the pages use only what they are given, which the tests show")
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_developer_sees_the_template_around_the_error() {
        let source = "{% if true %}\n  <p>\n{{ 1 + 'a' }}\n{% endif %}";
        let templates = waxseal_templates::Templates::from_sources([("page.html", source)]).unwrap();
        let error = templates
            .render("page.html", waxseal_templates::context! {}, || unreachable!("no session is read"))
            .unwrap_err();
        let page = development(&error.into(), "GET /");
        assert!(page.contains("page.html") && page.contains("GET &#x2f;"), "{page}");
        assert!(page.contains("<mark>{{ 1 + &#x27;a&#x27; }}</mark>"), "{page}");
    }
}
