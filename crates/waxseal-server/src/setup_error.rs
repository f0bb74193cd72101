//! Errors of a server that cannot be set up.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::Method;

/// Says why a server cannot be set up, and what to do about it: its listener, its certificate, its settings
/// for proxies, or its routes. It shows nothing of a key.
///
/// Apart from [`Error`](crate::Error): it concerns the operator when a program starts, and no request has it for an
/// answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// An address on which another program, or this one, listens.
    #[error("{address} is in use; stop what listens there or choose another port")]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A port that the system reserves.
    #[error("no permission to listen on {address}; choose a port from 1024 up")]
    PermissionDenied {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// An address that is not this machine's, or anything else the system says.
    #[error("cannot listen on {address}; choose an address of this machine")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A path at which another program, or this one, listens.
    #[error("another program listens at {}; stop it or choose another path", path.display())]
    PathInUse {
        /// The path asked for.
        path: PathBuf,
    },
    /// A path at which there is a file that is no socket.
    #[error("{} is there and no socket; choose another path", path.display())]
    PathTaken {
        /// The path asked for.
        path: PathBuf,
    },
    /// A path that the system refuses: its folder is missing, or may not be written to.
    #[error("cannot listen at {}; choose a path in a folder that is there and may be written to", path.display())]
    Path {
        /// The path asked for.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A listener that cannot be used.
    #[error("the listener cannot be used")]
    Listener(#[source] io::Error),

    /// A file of certificates that cannot be read, or holds none.
    #[error("{} cannot be read as certificates; it should hold them in PEM form, the server's own first", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of a key that cannot be read, or holds none.
    #[error("{} cannot be read as a private key; it should hold one in PEM form", path.display())]
    CertificateKey {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A certificate and a key that do not belong together, or that rustls does not take.
    #[error("the certificate {} and the key {} cannot be used together", certificate.display(), key.display())]
    CertificatePair {
        /// The certificates' file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What was found.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// Neither an address, nor a network, nor `unix`.
    #[error("`{0}` is no address; write 192.0.2.1, 10.0.0.0/8, 2001:db8::/32 or unix")]
    ProxyAddress(String),
    /// A network with bits set behind its prefix: a mistake in one of the two.
    #[error("`{found}` has bits behind its prefix; write {meant}")]
    ProxyNetwork {
        /// The text.
        found: String,
        /// The network that the address is in.
        meant: String,
    },
    /// The name of no header that is read.
    #[error("`{0}` names no header; write for, proto, host, prefix or forwarded")]
    ProxyHeader(String),
    /// Two headers that say the same thing.
    #[error("`forwarded` says what for, proto and host say; choose the one that the proxy sets")]
    ProxyHeaders,
    /// A path that a browser or a proxy could read in another way.
    #[error("`{0}` is no plain path; write /app, in letters, digits, `-`, `.`, `_` and `~`")]
    RootPath(String),
    /// A method and path that have a route.
    #[error("{method} {path} has a route already; remove one of the two")]
    RouteDuplicate {
        /// The method given.
        method: Method,
        /// The path given.
        path: String,
    },
    /// A path that matches the same requests as another.
    #[error("{method} {path} matches what {with} does; give their parameters the same names")]
    RouteConflict {
        /// The method given.
        method: Method,
        /// The path given.
        path: String,
        /// The path that is there.
        with: String,
    },
    /// A path that no request can ever match.
    #[error("`{path}` is no path for a route: {problem}")]
    RoutePath {
        /// The path given.
        path: String,
        /// The remedy.
        problem: &'static str,
    },
}

impl SetupError {
    #[cfg(unix)]
    pub(crate) fn at(path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PathInUse { path },
            io::ErrorKind::AlreadyExists => Self::PathTaken { path },
            _ => Self::Path { path, source },
        }
    }

    pub(crate) fn bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse { address, source },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { address, source },
            _ => Self::Bind { address, source },
        }
    }
}
