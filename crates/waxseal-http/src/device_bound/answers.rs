//! Parts of the endpoints' responses, and of the requests to them.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// A response without a body.
pub(super) fn bare(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// A JSON response.
pub(super) fn json(body: String) -> Response<String> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A function that returns the values of a header, by its name in lower case.
pub(super) fn values<'h>(headers: &'h HeaderMap) -> impl Fn(&'static str) -> Vec<&'h [u8]> {
    move |name| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}
