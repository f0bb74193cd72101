//! Redirects.

use std::borrow::Cow;
use std::panic::Location;

use http::header::LOCATION;
use http::{HeaderValue, StatusCode, Uri};
use percent_encoding::{AsciiSet, utf8_percent_encode};
use waxseal_http::is_local_path;
use waxseal_server::Body;

use crate::Response;
use crate::error::{Error, Result};
use crate::response::USUAL_HEADERS;

/// The characters to escape: space and everything beyond ASCII. Control characters are refused before.
const SPACE: &AsciiSet = &AsciiSet::EMPTY.add(b' ');

/// Marks a response as a refused redirect, with the reason.
#[derive(Clone)]
struct Refusal {
    problem: String,
    place: &'static Location<'static>,
}

/// Redirects the browser to another page of this app, with 303: after a POST it sends a GET.
///
/// `path` starts with `/`. Spaces and characters beyond ASCII are percent-encoded. A path that a browser would take for
/// another site (`//evil.example`, `/\evil.example`), or that would break the header, is a 500, and the log says why.
/// This matters because text from users often ends up in redirects. To check a path that a visitor sent, use
/// [`local_path`](crate::local_path).
///
/// # Example
///
/// ```
/// let response = waxseal::redirect("/wizard/success");
/// assert_eq!(response.status(), 303);
/// assert_eq!(response.headers()["location"], "/wizard/success");
/// ```
#[must_use]
#[track_caller]
pub fn redirect(path: &str) -> Response {
    redirect_as(StatusCode::SEE_OTHER, path)
}

/// Redirects the browser to another page of this app, with a status of your choice.
///
/// The status is 301, 302, 303, 307 or 308; any other is a 500. Browsers cache 301 and 308. With 307 and 308 they
/// repeat the method and the body.
///
/// # Example
///
/// ```
/// use waxseal::{StatusCode, redirect_as};
///
/// assert_eq!(redirect_as(StatusCode::PERMANENT_REDIRECT, "/new").status(), 308);
/// ```
#[must_use]
#[track_caller]
pub fn redirect_as(status: StatusCode, path: &str) -> Response {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return refused(format!("a redirect is 301, 302, 303, 307 or 308, found {status}"));
    }
    let encoded: Cow<'_, str> = utf8_percent_encode(path, SPACE).into();
    let fit = is_local_path(path) && encoded.bytes().all(is_visible);
    match HeaderValue::from_str(&encoded).ok().filter(|_| fit) {
        Some(location) => to(status, location),
        None => refused(format!("redirect takes a path of this app, found {path:?}")),
    }
}

/// Redirects the browser to another site, with 303. Never pass a URL that a visitor sent.
///
/// `url` is an absolute URL, `https://…` or `http://…`, in ASCII. Anything else is a 500, and the log says why.
///
/// The default `Content-Security-Policy` allows forms to be sent to this app alone, and Chromium applies that to
/// redirects after a form, too. An app that signs visitors in elsewhere must name that site in `form-action`.
///
/// # Example
///
/// ```
/// let response = waxseal::redirect_to("https://www.rust-lang.org/");
/// assert_eq!(response.headers()["location"], "https://www.rust-lang.org/");
/// ```
#[must_use]
#[track_caller]
pub fn redirect_to(url: &str) -> Response {
    let whole = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    match HeaderValue::from_str(url).ok().filter(|_| whole && url.bytes().all(is_visible)) {
        Some(location) => to(StatusCode::SEE_OTHER, location),
        None => refused(format!("redirect_to takes a whole http or https address in ASCII, found {url:?}")),
    }
}

/// Returns the response, or an error if it is a redirect that was refused.
#[inline]
pub(crate) fn checked(response: Response) -> Result<Response> {
    match response.extensions().get::<Refusal>() {
        Some(Refusal { problem, place }) => Err(Error::status(500).message(problem.clone()).at(place)),
        None => Ok(response),
    }
}

fn is_visible(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e)
}

fn to(status: StatusCode, location: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().reserve(USUAL_HEADERS);
    response.headers_mut().insert(LOCATION, location);
    response
}

#[track_caller]
fn refused(problem: String) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(Refusal { problem, place: Location::caller() });
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths that a browser takes for another site, or that would break the header.
    const HOSTILE: [&str; 12] = [
        "",
        "a",
        "//evil.example",
        "/\\evil.example",
        "///evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "\\\\evil.example",
        " //evil.example",
        "\t//evil.example",
        "/\r\nSet-Cookie: a=b",
        "/\t/evil.example",
    ];

    #[test]
    fn redirects_stay_on_this_site() {
        for path in ["/", "/a?b=c#d", "/a//b", "/a%0D%0A"] {
            assert_eq!(redirect(path).status(), 303, "{path}");
        }
        for (path, encoded) in
            [("/é", "/%C3%A9"), ("/ ", "/%20"), ("/Tom Riddle?tab=ü", "/Tom%20Riddle?tab=%C3%BC")]
        {
            assert_eq!(redirect(path).headers()[LOCATION], encoded, "{path}");
        }
        for path in HOSTILE {
            assert_eq!(redirect(path).status(), 500, "{path:?}");
            assert!(!redirect(path).headers().contains_key(LOCATION), "{path:?}");
        }
    }

    #[test]
    fn a_redirect_has_a_status_of_one() {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(redirect_as(StatusCode::from_u16(status).unwrap(), "/").status(), status);
        }
        for status in [200, 300, 304, 404] {
            assert_eq!(redirect_as(StatusCode::from_u16(status).unwrap(), "/").status(), 500, "{status}");
        }
    }

    #[test]
    fn another_site_is_named_whole() {
        for url in ["https://a.example", "http://a.example:8080/b?c=d", "https://[::1]/"] {
            assert_eq!(redirect_to(url).status(), 303, "{url}");
        }
        for url in [
            "/",
            "//a.example",
            "https:",
            "https://",
            "https:///a",
            "https:a.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://a.example",
            "https://a.example/\r\nSet-Cookie: a=b",
            "https://é.example",
            "",
        ] {
            assert_eq!(redirect_to(url).status(), 500, "{url:?}");
        }
    }

    #[test]
    fn a_local_path_is_one_to_redirect_to() {
        for text in HOSTILE.into_iter().chain(["/a?b=c#d", "/é ü", "/a\\b"]) {
            let path = waxseal_http::local_path(text);
            assert!(path.is_none_or(|path| redirect(&path).status() == 303), "{text:?}");
        }
    }
}
