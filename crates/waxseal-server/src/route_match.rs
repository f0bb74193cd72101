//! The answers of a router.

use http::HeaderValue;

use crate::error::Error;
use crate::params::Params;

/// The answer of a [`Router`](crate::Router) to a method and a path.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "each outcome is answered by callers")]
pub enum RouteMatch<'r, T> {
    /// A route.
    Route {
        /// The value given to [`Router::route`](crate::Router::route).
        value: &'r T,
        /// The decoded parameters of the path.
        params: Params,
    },
    /// The path has routes, but not for this method: answer 405 with this `Allow`.
    MethodNotAllowed {
        /// Such as `GET, HEAD, OPTIONS`.
        allow: &'r HeaderValue,
    },
    /// The method is OPTIONS, and the path has no route of its own for it: answer 204 with this `Allow`.
    Options {
        /// Such as `GET, HEAD, OPTIONS`.
        allow: &'r HeaderValue,
    },
    /// No route has this path: answer 404.
    NotFound,
    /// The path has a malformed escape, or a parameter that cannot be decoded: answer 400.
    BadPath(Error),
}
