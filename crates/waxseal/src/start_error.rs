//! The error of an app that cannot start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use waxseal_keys::error_chain;
use waxseal_server::SetupError;

/// The reason why an app cannot start. Its text says what was found and what to do.
///
/// `Debug` prints the same text with all causes on one line, because Rust prints the `Debug` form of an error that
/// `main` returns.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no secret key, or it cannot be used.
    #[error(transparent)]
    Secret(#[from] waxseal_keys::Error),
    /// The address of a development server is not a loopback address.
    #[error(
        "development needs a loopback address, found {0}; use --host 127.0.0.1, or start without --development (a socket \
         that is handed over needs ListenStream=127.0.0.1:PORT)"
    )]
    NotLoopback(SocketAddr),
    /// The cookie's attributes contradict each other.
    #[error("the session cookie's settings contradict each other")]
    Cookie(#[from] waxseal_http::SetupError),
    /// The lifetimes, the app's name or the migration cannot be used.
    #[error("the session settings cannot be used")]
    Session(#[from] waxseal_manager::Error),
    /// Trusted proxies are set in development, where no request comes through a proxy.
    #[error(
        "--trusted-proxies and --development exclude each other: in development nothing comes through a proxy"
    )]
    ProxiesInDevelopment,
    /// The PROXY protocol is required, but there are no trusted proxies.
    #[error("--proxy-protocol needs --trusted-proxies, which says which proxies to trust")]
    ProxyProtocolOfNobody,
    /// The service manager handed over several sockets.
    #[error(
        "the service manager handed over {0} sockets (LISTEN_FDS) and the app listens on one; name one in its socket unit"
    )]
    SocketsHandedOver(usize),
    /// The time for requests in flight once the server stops is too short: it could end before a request's own time.
    #[error(
        "requests in flight have {grace:?} at the end and {request:?} before it; make --timeout-graceful-shutdown \
         longer than --timeout"
    )]
    ShortGrace {
        /// The time for requests in flight once the server stops.
        grace: Duration,
        /// The time for a request.
        request: Duration,
    },
    /// The text is not a valid session store URL.
    #[error("invalid session store URL: {found}; {forms}")]
    StoreUrl {
        /// What is wrong with it. No part of the URL is shown, since it may contain a password.
        found: &'static str,
        /// The forms of URLs that are accepted.
        forms: &'static str,
    },
    /// The session store could not be opened.
    #[error("the session store cannot be used; see --session-store")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The program was built without this store.
    #[error(
        "this program was built without {0}; build it with the feature `{0}` of the crate `waxseal`, or choose another \
         --session-store"
    )]
    StoreNotBuilt(&'static str),
    /// A tool was to open a session store that does not exist.
    #[error("there is no session store at {}; is the path right? Only an app makes one", .0.display())]
    NoStoreFile(PathBuf),
    /// The store is on a server, which this call cannot wait for.
    #[error("this session store is on a server; start the app with bind, run or service, which wait for it")]
    StoreElsewhere,
    /// The settings do not allow device-bound sessions.
    #[error("sessions cannot be bound to devices; see --device-bound")]
    DeviceBound(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The program was built without device-bound sessions.
    #[error(
        "this program was built without device-bound sessions; build it with the feature `device` of the crate `waxseal`, \
         or start it without --device-bound"
    )]
    DeviceBoundNotBuilt,
    /// The app's path prefix is known only from its proxy's header, so browsers cannot be told where to bind their device.
    #[error(
        "device-bound sessions do not work below a path that a proxy tells; take `prefix` out of --forwarded-headers and name \
         the path by --root-path, or choose --device-bound off"
    )]
    DeviceBoundBelowPath,
    /// Sessions of the old app cannot be taken over.
    #[error("the old app's sessions cannot be taken over")]
    Migration(#[source] waxseal_http::SetupError),
    /// The configuration file cannot be used.
    #[error("the configuration file {path:?} cannot be used: {problem}; see --config")]
    Config {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong, with the line number. No value is shown.
        problem: String,
    },
    /// A command of the app failed.
    #[error("the command `{name}` failed: {problem}")]
    Command {
        /// The command.
        name: String,
        /// Its error, with all causes.
        problem: String,
    },
    /// Two routes are the same, or a path is malformed.
    #[error("the routes contradict each other")]
    Route(#[source] SetupError),
    /// Two routes have the same name.
    #[error("two routes are called `{name}`: {first} and {second}; give each its own name")]
    RouteName {
        /// The name.
        name: String,
        /// One path.
        first: String,
        /// The other.
        second: String,
    },
    /// A folder of static files cannot be read.
    #[error("the static files in {path:?} cannot be read")]
    Static {
        /// The folder.
        path: std::path::PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A security header is malformed.
    #[error("invalid header `{name}: {value}`")]
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A template does not compile.
    #[error("a template does not compile")]
    Template(#[from] waxseal_templates::Error),
    /// The address is in use.
    #[error("{address} is in use; stop what listens there, or choose another port with --port")]
    PortTaken {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The server could not listen, or could not accept connections, for another reason.
    #[error("the server could not start")]
    Server(#[source] SetupError),
    /// The certificate or its key cannot be used.
    #[cfg(feature = "tls")]
    #[error("TLS cannot be spoken; see --tls-cert and --tls-key")]
    Tls(#[source] SetupError),
    /// The operator's pages cannot be served on their address.
    #[error("/metrics and /health cannot be served on {address}; choose another place with --admin-address")]
    Admin {
        /// The address asked for.
        address: SocketAddr,
        /// The server's error.
        source: SetupError,
    },
    /// [`App::run`](crate::App::run) was called inside a tokio runtime.
    #[error(
        "`App::run` starts a tokio runtime of its own and was called inside one; call it from a `main` that is not \
         `async` and has no `#[tokio::main]`, or use `App::run_async`, which runs on yours"
    )]
    InsideRuntime,
    /// The runtime could not be built.
    #[error("the system has no threads or signals for the server")]
    Runtime(#[source] io::Error),
}

impl From<SetupError> for StartError {
    fn from(error: SetupError) -> Self {
        match error {
            // The other crate's text cannot name the flag that changes the address.
            SetupError::AddressInUse { address, source } => Self::PortTaken { address, source },
            #[cfg(feature = "tls")]
            error @ (SetupError::Certificate { .. }
            | SetupError::CertificateKey { .. }
            | SetupError::CertificatePair { .. }) => Self::Tls(error),
            error @ (SetupError::RouteDuplicate { .. }
            | SetupError::RouteConflict { .. }
            | SetupError::RoutePath { .. }) => Self::Route(error),
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
