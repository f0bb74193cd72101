//! Responses.

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use waxseal_server::Body;

use crate::Result;

/// The number of headers of a usual page with a session. Space for them is allocated once, instead of in steps.
pub(crate) const USUAL_HEADERS: usize = 12;

/// The response of a handler: status, headers and body, in the `http` crate's type.
pub type Response = http::Response<Body>;

/// Creates the response of an HTML page.
#[must_use]
pub fn html(page: impl Into<Body>) -> Response {
    typed("text/html; charset=utf-8", page)
}

/// Creates a response with this media type, such as `text/css; charset=utf-8`.
#[must_use]
pub fn typed(media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().reserve(USUAL_HEADERS);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Creates a JSON response (`application/json`).
///
/// # Errors
///
/// 500 if `value` cannot be written as JSON, such as a map whose keys are not strings.
///
/// # Example
///
/// ```
/// use std::collections::BTreeMap;
///
/// let response = waxseal::json(&BTreeMap::from([("name", "Merlin")]))?;
/// assert_eq!(response.headers()["content-type"], "application/json");
/// # Ok::<(), waxseal::Error>(())
/// ```
pub fn json(value: &impl Serialize) -> Result<Response> {
    Ok(typed("application/json", serde_json::to_vec(value)?))
}
