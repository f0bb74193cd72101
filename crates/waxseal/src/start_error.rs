//! Why an app did not start.

use std::net::SocketAddr;
use std::{fmt, io};

use waxseal_keys::error_chain;
use waxseal_server::ListenError;

/// Why an app did not start: what was found, and what to do.
///
/// Its debug form is the same text with all causes, on one line: what a `main` that returns it prints.
#[derive(thiserror::Error)]
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
    /// The session store could not be opened.
    #[error("the session store cannot be used; see --session-store")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The program was built without this store.
    #[error(
        "this program was built without {0}; build it with the feature `{0}` of the crate `waxseal`, or choose another \
         --session-store"
    )]
    StoreNotBuilt(&'static str),
    /// A store on a server has to be waited for, and this call does not wait.
    #[error("this session store is on a server; start the app with bind, run or service, which wait for it")]
    StoreElsewhere,
    /// Two routes that are the same, or a path that is none.
    #[error("the routes contradict each other")]
    Route(#[from] waxseal_server::RouteError),
    /// Two routes of one name.
    #[error("two routes are called `{name}`: {first} and {second}; give each its own name")]
    RouteName {
        /// The name.
        name: String,
        /// One path.
        first: String,
        /// The other.
        second: String,
    },
    /// A folder of static files that cannot be read.
    #[error("the static files in {path:?} cannot be read")]
    Static {
        /// The folder.
        path: std::path::PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A security header that is none.
    #[error("`{name}: {value}` is no header")]
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A template that is no Jinja.
    #[error("a template does not compile")]
    Template(#[from] waxseal_templates::Error),
    /// Another program, or this one, listens there.
    #[error("{address} is in use; stop what listens there, or choose another port with --port")]
    PortTaken {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The address could not be listened on for another reason.
    #[error("the server could not start")]
    Server(#[source] ListenError),
    /// The operator's own pages cannot be served there.
    #[error("/metrics and /health cannot be served on {address}; choose another place with --admin-address")]
    Admin {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: ListenError,
    },
    /// [`App::run`](crate::App::run) was called where a runtime of tokio is at work already.
    #[error(
        "`App::run` starts a tokio runtime of its own and was called inside one; call it from a `main` that is no \
         `async fn` and has no `#[tokio::main]`, or use `App::bind` and `Server::serve`, which run on yours"
    )]
    InsideRuntime,
    /// The runtime could not be built.
    #[error("the system has no threads or signals for the server")]
    Runtime(#[source] io::Error),
}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> Self {
        match error {
            // That crate does not know that there is a flag.
            ListenError::AddressInUse { address, source } => Self::PortTaken { address, source },
            other => Self::Server(other),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&error_chain::one_line(error_chain::texts(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_is_one_line_with_its_causes() {
        let error = StartError::PortTaken {
            address: ([127, 0, 0, 1], 80).into(),
            source: io::Error::other("taken\r\n2026-01-01 INFO all is well"),
        };
        assert_eq!(
            format!("{error:?}"),
            "127.0.0.1:80 is in use; stop what listens there, or choose another port with --port: \
             taken\\r\\n2026-01-01 INFO all is well"
        );
    }
}
