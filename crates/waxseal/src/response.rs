//! Answers.

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use waxseal_http::Body;

/// What a handler answers: status, headers, body; the `http` crate's type.
pub type Response = http::Response<Body>;

/// Sends the browser to another page of this app, with 303: after a POST it fetches it with GET.
///
/// `path` starts with `/`. Anything that a browser would take for another site (`//evil.example`, `/\evil.example`)
/// or that would break the header answers 500 instead and says so in the log: a redirect is where user text
/// likes to end up.
///
/// # Example
///
/// ```
/// let response = waxseal::redirect("/wizard/success");
/// assert_eq!(response.status(), 303);
/// assert_eq!(response.headers()["location"], "/wizard/success");
/// ```
#[must_use]
pub fn redirect(path: &str) -> Response {
    let local = path.starts_with('/') && !path[1..].starts_with(['/', '\\']);
    let location = HeaderValue::from_bytes(path.as_bytes()).ok();
    let visible = path.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    let mut response = Response::new(Body::empty());
    match location.filter(|_| local && visible) {
        Some(location) => {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, location);
        }
        None => {
            tracing::error!(?path, "redirect takes a path of this app, in ASCII: percent-encode the rest");
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    response
}

/// An HTML page.
#[must_use]
pub fn html(page: impl Into<Body>) -> Response {
    typed("text/html; charset=utf-8", page)
}

/// An answer of this media type, such as `text/css; charset=utf-8`.
#[must_use]
pub fn typed(media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_this_site() {
        for path in ["/", "/a?b=c#d", "/a//b", "/a%0D%0A"] {
            assert_eq!(redirect(path).status(), 303, "{path}");
        }
        for path in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\r\nSet-Cookie: a=b",
            "/é",
            "/\t/evil.example",
            "/ ",
        ] {
            assert_eq!(redirect(path).status(), 500, "{path:?}");
            assert!(!redirect(path).headers().contains_key(LOCATION), "{path:?}");
        }
    }
}
