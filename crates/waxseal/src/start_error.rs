//! Why an app did not start.

use std::net::SocketAddr;

/// Why an app did not start: what was found, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No secret key, or one that should not be used.
    #[error(transparent)]
    Secret(#[from] crate::SecretError),
    /// Development is for the developer's own machine.
    #[error(
        "development needs a loopback address and {0} is none; use --host 127.0.0.1, or start without --development"
    )]
    NotLoopback(SocketAddr),
    /// Cookie attributes that contradict each other.
    #[error("the session cookie's settings contradict each other")]
    Cookie(#[from] waxseal_http::CookieError),
    /// Lifetimes that are none.
    #[error("the session settings cannot be used")]
    Session(#[from] waxseal_store::Error),
    /// Two routes that are the same, or a path that is none.
    #[error("the routes contradict each other")]
    Route(#[from] waxseal_http::RouterError),
    /// A template that is no Jinja.
    #[error("a template does not compile")]
    Template(#[from] waxseal_templates::Error),
    /// The address could not be listened on, or accepting stopped.
    #[error("the server could not start")]
    Server(#[from] waxseal_http::ServerError),
    /// The runtime could not be built.
    #[error("no threads for the server")]
    Runtime(#[source] std::io::Error),
}
