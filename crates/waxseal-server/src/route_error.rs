//! Errors of routes that contradict each other.

use http::Method;

/// Says why a route cannot be added: a mistake in the program, found when it starts.
///
/// Apart from [`Error`](crate::Error): it concerns the programmer, and no request has it for an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// A method and path that have a route.
    #[error("{method} {path} has a route already; remove one of the two")]
    Duplicate {
        /// The method given.
        method: Method,
        /// The path given.
        path: String,
    },
    /// A path that matches the same requests as another.
    #[error("{method} {path} matches what {with} does; give their parameters the same names")]
    Conflict {
        /// The method given.
        method: Method,
        /// The path given.
        path: String,
        /// The path that is there.
        with: String,
    },
    /// A path that no request can ever match.
    #[error("`{path}` is no path for a route: {problem}")]
    Path {
        /// The path given.
        path: String,
        /// The remedy.
        problem: &'static str,
    },
}
